"""Multiple choice by the members of an ensemble: each answers by itself, and what they say is averaged option by option.

Any suite whose questions have options: the log-likelihoods of lm-eval's own pass over each member are what is averaged. Free text
is refused: members go on with different texts, and a mean of scores is not the score of a mean (`methods.decoding` goes on with
one text by the members' mean of next-token probabilities).
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from methods.adapters import Adapters
from methods.parts import Ensemble, Refused
from methods.stacked import stacked
from suites.calibration.suite import NAME as CALIBRATION
from suites.calibration.suite import answers_of
from suites.calibration.suite import scores as calibration
from suites.clusters import clustered_mean
from suites.evaluate import evaluate as measured
from suites.evaluate import together
from suites.suite import Call, Evaluation, Score


def evaluate(model: nn.Module, tokenizer: Any, calls: Sequence[tuple[str, int | None, int | None]], members: Sequence[Adapters],
             ensemble: Ensemble, *, source: Path | None, batch_size: int, device: str | torch.device | None = None) -> Evaluation:
    """Every call by the ensemble, as "SUITE", and the mean member beside it; "calibration:TASK" adds the calibration table.

    Raises Refused where a suite has no options, and as `suites.evaluate.evaluate` does.
    """
    found = []
    for call in (Call(*c) for c in calls):
        name = call.suite.removeprefix(f"{CALIBRATION}:")
        each = []
        for member in members:
            with stacked(model if device is None else model.to(device), [member]):
                each.append(measured(model, tokenizer, [(name, call.shots, call.limit)], source=source, batch_size=batch_size,
                                     device=device))
        found.append(_averaged(call.suite, name, each, ensemble))
    return together(found)


def _averaged(asked: str, name: str, each: Sequence[Evaluation], ensemble: Ensemble) -> Evaluation:
    samples = each[0].samples
    if not samples["loglik"].map(lambda v: v is not None and len(v) > 1).all() or samples["gold"].isna().any():
        raise Refused(f"cannot average members on {name}; because some of it is free text, where members go on with different "
                      "texts; use a multiple-choice suite, or each member by itself as --model")
    said = [np.log(_combined(ensemble, rows)) for rows in zip(*(e.samples["loglik"] for e in each), strict=True)]
    table = samples.assign(loglik=pd.Series(said, index=samples.index))
    chosen = table["loglik"].map(lambda of: int(np.argmax(of)))
    table["correct"] = (chosen.to_numpy() == table["gold"].astype(int).to_numpy()).astype(float)
    of_members = np.mean([[np.argmax(row) == gold for row, gold in zip(e.samples["loglik"], samples["gold"], strict=True)]
                          for e in each], axis=0)
    facts, ones = (table["task"] + "/" + table["fact"]).tolist(), [1.0] * len(table)
    metrics: dict[str, dict[str, Score]] = {name: {
        "acc, ensemble": clustered_mean(table["correct"], ones, facts),
        "acc, mean member": clustered_mean(of_members, ones, facts)}}
    if asked != name:
        metrics[asked] = calibration(answers_of(table, name))
    return Evaluation(metrics, table, each[0].truncated, {**each[0].versions, "ensemble": f"{len(each)} members, {ensemble}"})


def _combined(ensemble: Ensemble, rows: Sequence[Sequence[float]]) -> Any:
    """[K] probabilities from the members' log-likelihoods of one question's options."""
    answers = torch.tensor(np.asarray(rows, dtype=np.float64))[:, None]
    return ensemble.combine(answers)[0].clamp_min(1e-300).numpy()
