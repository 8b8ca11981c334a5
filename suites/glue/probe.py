"""Linear probing: logistic regression on the model's last hidden state in the place of the answer.

Source: Malladi et al., arXiv 2305.17333, baseline LP. The features are the state at the mask, or at the last token of the
prompt; nothing of the model moves. The fit is scikit-learn's, which they take for it; the ridge has the best accuracy
over stratified folds.
"""
from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from methods.examples import IGNORE, Example, collate
from methods.modes import evaluating
from methods.parts import Refused
from suites.glue.coding import Reader, code, reader_of, shortened
from suites.glue.measure import NAME, means, version
from suites.glue.rows import Row, split, tested
from suites.glue.task import Task, item, label_of
from suites.glue.tasks import find
from suites.suite import Evaluation

RIDGES, FOLDS, ITERATIONS = 10, 5, 5000
"""scikit-learn's own grid of C, 1e-4 to 1e4; folds, where the rarest class has so many rows; of L-BFGS."""


def evaluate(model: nn.Module, tokenizer: Any, name: str, *, source: Path | None, batch_size: int, seed: int,
             k: int | None = None, limit: int | None = None) -> Evaluation:
    """Probes one task, trained on its split of the seed (k of each class, or 1000). `loglik` is the probe's.

    Raises Refused where the task has no classes or the probe cannot be trained.
    """
    reader = reader_of(model, tokenizer)
    task = find(name, reader.mask is not None, source)
    if task.per or task.generated:
        raise Refused(f"cannot probe {task}; because it has no classes; use a task with label words")
    rows = split(task, source, seed=seed, k=k).train
    labels = np.array([label_of(task, row) for row in rows])
    asked = tested(task, source, limit)
    with evaluating(model):
        train, test = (features(model, task, some, reader, batch_size) for some in (rows, [row for _, row in asked]))
    scale = train.std()
    probe = fitted(train / scale, labels, len(task.options), seed)
    table = _table(task, asked, probe.predict_log_proba(test / scale))
    versions = {f"{NAME}:{task.name}": version(task), "probe.C": f"{probe.C_:g}", "probe.n": str(len(rows)),
                "scikit-learn": metadata.version("scikit-learn")}
    return Evaluation({f"{NAME}:{task.name}/probe": means(task, table)}, table, int(table["truncated"].sum()), versions)


def fitted(x: NDArray[np.float64], y: NDArray[Any], classes: int, seed: int) -> Any:
    """scikit-learn's LogisticRegressionCV of x [N, D], y [N] in 0..classes-1. Refused where a class has fewer than two rows."""
    from sklearn.linear_model import LogisticRegressionCV  # takes a second, which every process would pay
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.bincount(y, minlength=classes).min())
    if fewest < 2:
        raise Refused(f"cannot choose a ridge by cross-validation; because a class has {fewest} rows; use two or more of each")
    folds = StratifiedKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    probe = LogisticRegressionCV(Cs=RIDGES, l1_ratios=(0.0,), cv=folds, scoring="accuracy", max_iter=ITERATIONS,
                                 use_legacy_attributes=False)
    return probe.fit(x, y)


def _table(task: Task, asked: Sequence[tuple[int, Row]], logs: NDArray[np.float64]) -> pd.DataFrame:
    rows = []
    for (i, row), values in zip(asked, logs.tolist(), strict=True):
        gold, best = label_of(task, row), values.index(max(values))
        rows.append({"suite": f"{NAME}:{task.name}/probe", "task": task.name, "item": i,
                     "fact": str(row.get("fact") or f"{task.name}/{i}"), "correct": float(best == gold),
                     "target": task.options[gold].strip(), "gold": gold, "loglik": values, "answer": None,
                     "truncated": False, "tied": values.count(max(values)) > 1})
    return pd.DataFrame(rows).astype({"gold": "Int64"})


@torch.no_grad()
def features(model: nn.Module, task: Task, rows: Sequence[Row], reader: Reader, batch_size: int) -> NDArray[np.float64]:
    """[N, D] last hidden states at the mask, or at the last token of the prompt."""
    read = [_prompt(task, row, reader) for row in rows]
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(read)
    order = sorted(range(len(read)), key=lambda i: len(read[i].input_ids))
    for start in range(0, len(order), batch_size):
        batch = collate(read, order[start:start + batch_size], reader.pad).to(next(model.parameters()).device)
        answer = batch.labels != IGNORE
        place = answer.int().argmax(1) - int(reader.mask is None)
        ids = batch.input_ids if reader.mask is None else batch.input_ids.masked_fill(answer, reader.mask)
        states = model(input_ids=ids, attention_mask=batch.attention_mask, output_hidden_states=True).hidden_states[-1]
        here = states[:, -ids.shape[1]:][torch.arange(len(batch), device=place.device), place].double().cpu().numpy()
        for i, row in zip(batch.index.tolist(), here, strict=True):
            found[i] = row
    return np.stack(found)


def _prompt(task: Task, row: Row, reader: Reader) -> Example:
    """The row's prompt with the first label word in the place of the answer, whichever is right."""
    return code(task, item(task, shortened(task, row, reader)[0], ""), reader).examples[0]
