"""MT-Bench's form where a rule can judge: a model answers two turns, each is right (10) or not (1); "mt_bench" on the tiny world.

Scores of a rule are no scores of GPT-4 and stand in no table beside them. The two turns of a question are one unit.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from methods.parts import Refused
from suites.clusters import clustered_mean
from suites.mt_bench import world
from suites.mt_bench.answering import answer
from suites.mt_bench.formats import Question
from suites.suite import Call, Evaluation

NAME = "mt_bench"
MOST_NEW = 24
"""Tokens of an answer: the longest right one has 15."""


def evaluate(model: nn.Module, tokenizer: Any, calls: Sequence[tuple[str, int | None, int | None]], *, source: Path | None,
             batch_size: int, device: str | torch.device | None = None) -> Evaluation:
    """Scores by turn and category. Raises Refused where no rule can judge: on the real questions."""
    if source is None or not world.there(source):
        raise Refused("cannot score MT-Bench here; because its answers need a judge that reads; write them with "
                      "`python -m repro eval --suite mt_bench --questions FILE --answers FILE` and grade them with `python -m "
                      "repro judge`, or use --source world")
    call = Call(*calls[0])
    asked = some(world.questions(source), call.limit)
    found = answer(model if device is None else model.to(device), tokenizer, asked, model_id="model", batch_size=batch_size,
                   max_new_tokens=MOST_NEW)
    table = _table(asked, found.answers)
    parts = {NAME: table} | {f"{NAME}/{c}": of for c, of in table.groupby("task", sort=False)}
    metrics = {name: {"score": clustered_mean(of["correct"], [1.0] * len(of), of["fact"])} for name, of in parts.items()}
    return Evaluation(metrics, table.assign(suite=[f"{NAME}/{c}" for c in table["task"]]), found.cut,
                      {NAME: f"rule judge, template {found.template}"})


def some(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """So many of every category (rounded up to the same number for each)."""
    if limit is None:
        return list(questions)
    kinds = list(dict.fromkeys(q.category for q in questions))
    each = -(-limit // len(kinds))
    return [q for kind in kinds for q in [q for q in questions if q.category == kind][:each]]


def _table(asked: Sequence[Question], answers: Sequence[Any]) -> pd.DataFrame:
    by_question = {q.question_id: q for q in asked}
    said = {a.question_id: a for a in answers}
    return pd.DataFrame([{
        "suite": NAME, "task": by_question[j.question_id].category, "item": 10 * j.question_id + j.turn,
        "fact": f"question {j.question_id}", "correct": float(j.score or math.nan), "target": None, "gold": None, "loglik": None,
        "answer": said[j.question_id].turns[j.turn - 1], "truncated": False, "tied": False,
    } for j in world.judge(asked, answers)])
