"""The fields of a row of FastChat's files: taken out with a sentence where one is missing or of another kind."""
from __future__ import annotations

import math
from typing import Any

from suites.mt_bench.jsonl import BadLine, Row

NO_SCORE = -1
"""How FastChat's files write that a judgment has no score."""


def over(row: Row, known: Row, optional: Row) -> dict[str, Any]:
    """The row with the known fields' values; an optional one that is empty and was not there stays away."""
    return {**row, **known, **{name: value for name, value in optional.items() if value or name in row}}


def get(row: Row, name: str) -> Any:
    if name not in row:
        raise BadLine(f"there is no {name!r}")
    return row[name]


def question_id(row: Row) -> int:
    value = get(row, "question_id")
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadLine(f"'question_id' is {value!r} and no whole number")
    return value


def text(row: Row, name: str, default: str | None = None) -> str:
    value = get(row, name) if default is None else row.get(name, default)
    if not isinstance(value, str):
        raise BadLine(f"{name!r} is {value!r} and no text")
    return value


def texts(row: Row, name: str) -> tuple[str, ...]:
    value = get(row, name)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise BadLine(f"{name!r} is no list of texts")
    return tuple(value)


def number(row: Row, name: str, default: float | None = None) -> float:
    value = get(row, name) if default is None else row.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadLine(f"{name!r} is {value!r} and no number")
    if not math.isfinite(value):
        raise BadLine(f"{name!r} is {value!r} and not finite")
    return value


def flag(row: Row, name: str) -> bool:
    value = get(row, name)
    if not isinstance(value, bool):
        raise BadLine(f"{name!r} is {value!r} and neither true nor false")
    return value


def turn(row: Row) -> int:
    value = get(row, "turn")
    if value not in (1, 2) or not isinstance(value, int) or isinstance(value, bool):
        raise BadLine(f"'turn' is {value!r} and neither 1 nor 2")
    return value


def score(row: Row) -> float | None:
    if row.get("score", 0) is None:
        return None
    value = number(row, "score")
    return None if value == NO_SCORE else value


def judge(row: Row) -> tuple[str, str]:
    value = get(row, "judge")
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(v, str) for v in value):
        raise BadLine(f"'judge' is {value!r} and not [a judge's name, a prompt's name]")
    return value[0], value[1]


def winner(row: Row, name: str) -> Any:
    value = get(row, name)
    if value not in ("model_1", "model_2", "tie", "error"):
        raise BadLine(f"{name!r} is {value!r} and none of model_1, model_2, tie, error")
    return value


def choices(row: Row) -> list[Any]:
    value = get(row, "choices")
    if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
        raise BadLine("'choices' is no list of choices")
    return value
