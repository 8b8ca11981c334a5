"""Calibration on any multiple-choice suite: `calibration:TASK` measures the option probabilities of TASK's own pass.

The probabilities are the softmax of the options' log-likelihoods; the suite's own numbers stand beside. Questions that hang
on one fact are resampled together.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from methods.parts import Refused
from suites.calibration.answers import Answers
from suites.calibration.table import table
from suites.suite import Call, Evaluation, Score

NAME = "calibration"
IF_CALIBRATED = "{}, if perfectly calibrated"
"""The mean of a measure over labels drawn from the model's own probabilities, told beside every error in bins."""


def evaluate(model: nn.Module, tokenizer: Any, calls: Sequence[tuple[str, int | None, int | None]], *, source: Path | None,
             batch_size: int, device: str | torch.device | None = None) -> Evaluation:
    """Raises Refused where no task is named, where it has no options, and as the task's suite does."""
    from suites.evaluate import evaluate as measured  # which knows this suite
    from suites.evaluate import together

    found = []
    for call in (Call(*c) for c in calls):
        task = call.suite.partition(":")[2]
        if not task:
            raise Refused(f"cannot measure {NAME}; because no task was named; name some with --tasks, or one as "
                          f"{NAME}:winogrande")
        of = measured(model, tokenizer, [(task, call.shots, call.limit)], source=source, batch_size=batch_size, device=device)
        found.append(Evaluation({**of.metrics, f"{NAME}:{task}": scores(answers_of(of.samples, task))}, of.samples, of.truncated,
                                of.versions))
    return together(found)


def answers_of(samples: pd.DataFrame, task: str) -> Answers:
    """The questions with options among a suite's samples."""
    asked = samples[samples["loglik"].map(lambda v: v is not None and len(v) > 1) & samples["gold"].notna()]
    if asked.empty:
        raise Refused(f"cannot measure the calibration of {task}; because its questions have no options; use a multiple-choice "
                      "suite")
    clusters = (asked["task"] + "/" + asked["fact"]).tolist()
    return Answers.of_logits(asked["loglik"].tolist(), asked["gold"].astype(int).to_numpy(), clusters)


def scores(answers: Answers) -> dict[str, Score]:
    """Measure -> value with the standard error of resampling."""
    found: dict[str, Score] = {}
    for row in table(answers).to_dict("records"):
        name = str(row["measure"])
        found[name] = Score(float(row["value"]), float(row["stderr"]), len(answers))
        if "ece" in name or "mce" in name:
            found[IF_CALIBRATED.format(name)] = Score(float(row["calibrated"]), float(row["calibrated_stderr"]), len(answers))
    return found
