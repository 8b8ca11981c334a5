"""Scores on the tasks: zero-shot or with demonstrations, a row per item, every mean with n and error."""
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from methods.modes import evaluating
from methods.parts import Refused
from suites.clusters import clustered_mean
from suites.glue.answers import exact_match, f1
from suites.glue.coding import Coded, Reader, code, reader_of, shortened
from suites.glue.demonstrations import Solved, demonstrations, shown
from suites.glue.rows import Row, tested
from suites.glue.score import NEW_TOKENS, generated, scores
from suites.glue.task import Item, Task, item
from suites.glue.tasks import find, form_of, names
from suites.suite import Call, Evaluation, Score

NAME = "glue"
Calls = Sequence[tuple[str, int | None, int | None]]
Asked = tuple[int, Item, str, int, bool]
"""Position, item, demonstrations in front of it, their number, whether a field was cut."""


def evaluate(model: nn.Module, tokenizer: Any, calls: Calls, *, source: Path | None, batch_size: int,
             device: str | torch.device | None = None) -> Evaluation:
    """Measures a causal or masked model by every call ("glue:sst2" or "glue" for all tasks, shots, limit of items).

    `source` None: the Hub. Raises Refused where a task, its data or the model cannot be used, and at a NaN.
    """
    if not calls:
        raise Refused("cannot evaluate; because no task was named; name one as glue:sst2")
    model = model if device is None else model.to(device)
    reader = reader_of(model, tokenizer)
    metrics: dict[str, dict[str, Score]] = {}
    tables, versions = [], {"batch_size": str(batch_size)}
    for call, task in _tasks(calls, reader, source):
        solved = demonstrations(task, source, call.shots or 0, reader)
        with evaluating(model):
            table = _measure(model, reader, task, tested(task, source, call.limit), solved, batch_size)
        metrics[f"{NAME}:{task.name}"] = means(task, table)
        versions[f"{NAME}:{task.name}"] = version(task)
        tables.append(table)
    samples = pd.concat(tables, ignore_index=True).astype({"gold": "Int64"})
    return Evaluation(metrics, samples, int(samples["truncated"].sum()), versions)


def on_rows(model: nn.Module, tokenizer: Any, task: Task, rows: Sequence[Row], *, batch_size: int) -> Evaluation:
    """Zero-shot on given rows, such as a dev split. Raises Refused as `evaluate` does."""
    if not rows:
        raise Refused(f"cannot evaluate {task} on no rows; because a mean needs one; use a split with rows")
    reader = reader_of(model, tokenizer)
    with evaluating(model):
        table = _measure(model, reader, task, list(enumerate(rows)), [], batch_size).astype({"gold": "Int64"})
    return Evaluation({f"{NAME}:{task.name}": means(task, table)}, table, int(table["truncated"].sum()),
                      {f"{NAME}:{task.name}": version(task), "batch_size": str(batch_size)})


def version(task: Task) -> str:
    """The form and a digest of everything that the task's definition says."""
    return f"{task.form}-{hashlib.blake2b(repr(task).encode(), digest_size=5).hexdigest()}"


def means(task: Task, table: pd.DataFrame) -> dict[str, Score]:
    """Every metric with n and an error that takes items of one fact as one cluster."""
    columns = dict(zip(task.metrics, ("correct", *task.metrics[1:]), strict=True))
    return {name: clustered_mean(table[column], [1.0] * len(table), table["fact"]) for name, column in columns.items()}


def _tasks(calls: Calls, reader: Reader, source: Path | None) -> Iterator[tuple[Call, Task]]:
    for call in (Call(*c) for c in calls):
        if call.limit is not None and call.limit <= 0:
            raise Refused(f"cannot evaluate {call.limit} items of {call.suite}; because a mean needs one; use a limit above 0")
        suite, _, name = call.suite.partition(":")
        if suite != NAME:
            raise Refused(f"cannot evaluate {call.suite!r} here; because it is no task of {NAME}; use {NAME}:<task>")
        masked = reader.mask is not None
        for each in (name,) if name else names(form_of(masked, source)):
            yield call, find(each, masked, source)


def _measure(model: nn.Module, reader: Reader, task: Task, numbered: Sequence[tuple[int, Row]], solved: Sequence[Solved],
             batch_size: int) -> pd.DataFrame:
    """A row per item."""
    asked = [_asked(task, i, row, solved, reader) for i, row in numbered]
    judge = _generate if task.generated else _choose
    rows = [{"suite": f"{NAME}:{task.name}", "task": task.name, "item": i, "fact": one.fact, **found, "shots": shots}
            for (i, one, _, shots, _), found in zip(asked, judge(model, reader, task, asked, batch_size), strict=True)]
    return pd.DataFrame(rows)


def _asked(task: Task, position: int, row: Row, solved: Sequence[Solved], reader: Reader) -> Asked:
    short, cut = shortened(task, row, reader)
    one = item(task, short, f"{task.name}/{position}")
    before = shown(solved, one, reader, NEW_TOKENS if task.generated else 0)
    return position, one, before.text, before.shots, cut


def _choose(model: nn.Module, reader: Reader, task: Task, asked: Sequence[Asked], batch_size: int) -> Iterator[dict[str, Any]]:
    """`loglik` is the mean per token of each option; the highest wins, the first of equals."""
    coded: list[Coded] = [code(task, one, reader, before) for _, one, before, _, _ in asked]
    for (_, one, _, _, cut), c, logliks in zip(asked, coded, scores(model, coded, reader, batch_size), strict=True):
        best = logliks.index(max(logliks))
        yield {"correct": float(best in one.gold), "target": one.options[one.gold[0]].strip(), "gold": one.gold[0],
               "loglik": logliks, "answer": None, "truncated": cut or c.cut,
               "tied": len(logliks) > 1 and logliks.count(max(logliks)) > 1}


def _generate(model: nn.Module, reader: Reader, task: Task, asked: Sequence[Asked],
              batch_size: int) -> Iterator[dict[str, Any]]:
    room = reader.room - NEW_TOKENS
    if room < 1:
        raise Refused(f"cannot use {task}; because the model reads {reader.room} tokens and an answer has up to {NEW_TOKENS}; "
                      "use a model with a longer context")
    whole = [list(reader.tokenizer(before + one.prompt, verbose=False)["input_ids"]) for _, one, before, _, _ in asked]
    answers = generated(model, [ids[-room:] for ids in whole], reader, batch_size)
    for (_, one, _, _, _), ids, answer in zip(asked, whole, answers, strict=True):
        yield {"correct": f1(answer, one.answers), "em": exact_match(answer, one.answers), "target": one.answers[0],
               "gold": None, "loglik": None, "answer": answer, "truncated": len(ids) > room, "tied": False}
