"""A task's rows from the Hub or a folder, and the splits that MeZO's protocol makes of them."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.parts import Refused
from suites import data
from suites.fewshot import Short, Shots, at_most, k_shot, permuted
from suites.glue.task import Task

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Split:
    """Rows to train on, to choose by, and which class or set is short of what was asked for."""

    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    short: tuple[Short, ...]


def read(task: Task, split: str, source: Path | None) -> tuple[Row, ...]:
    """All rows of a split that have a label. Raises Refused where the data cannot be had or none is left."""
    table = data.rows(data.DataSet(task.data, config=task.config, root=source), split)
    kept = tuple(row for row in table if task.answers or row.get(task.label) != -1)
    if not kept:
        raise Refused(f"cannot use {task}; because no row of its {split} split has a label; use another split")
    return kept


def split(task: Task, source: Path | None, *, seed: int, k: int | None = None) -> Split:
    """Train and dev rows: k of each class, or 1000 and `task.dev` of a permutation."""
    rows = read(task, "train", source)
    if k is not None and (task.per or task.generated or task.label not in rows[0]):
        raise Refused(f"cannot take {k} rows of each class of {task}; because it has no classes; use k=None")
    shots: Shots = permuted(len(rows), seed, dev=task.dev) if k is None else k_shot([r[task.label] for r in rows], k, seed)
    train, dev = (tuple(rows[i] for i in part) for part in (shots.train, shots.dev))
    return Split(train, dev, shots.short)


def tested(task: Task, source: Path | None, limit: int | None) -> list[tuple[int, Row]]:
    """(position in the split, row) of the test set: at most 1000 rows, the first `limit` of them."""
    rows = read(task, task.test, source)
    return [(i, rows[i]) for i in at_most(len(rows))[:limit]]
