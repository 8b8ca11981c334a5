"""What HELENE's tables and claims measure: test accuracy by item, and how soon a dev accuracy was reached."""
from __future__ import annotations

import math

import pandas as pd

from repro.claims import OfCurve, OfItems
from repro.papers.helene.arms import Cell
from repro.reaching import length, steps_to

NAMES = {"sst2": "SST-2", "sst5": "SST-5", "snli": "SNLI", "mnli": "MNLI", "rte": "RTE", "trec": "TREC", "cb": "CB",
         "boolq": "BoolQ", "wsc": "WSC", "wic": "WIC"}


def accuracy(cell: Cell) -> OfItems:
    """Test accuracy of the cell's task."""
    return OfItems(cell.suite, NAMES[cell.task], "%", higher=True, times=100)


MANY = math.log2(5)
"""Five times faster, in log2 of steps: what a speed-up of "up to 20 times" is taken to need. Ours."""
WORDS = {"dev_accuracy": "{:g} % dev accuracy", "dev_loss": "a dev loss of {:g} nats"}


def speed(target: tuple[str, float]) -> OfCurve:
    """log2 of the steps until the running best reaches the target: a kind of curve and its value (per cent, or nats).

    A run that never does counts as its whole length, which is a lower bound of what it would take.
    """
    kind, value = target
    level = value / 100 if kind == "dev_accuracy" else value

    def read(curve: pd.DataFrame) -> float:
        found = steps_to(curve, kind, level)
        return math.log2(length(curve, kind) if found is None else found)

    def stopped(curve: pd.DataFrame) -> float | None:
        return length(curve, kind) if steps_to(curve, kind, level) is None else None

    goal = goal_of(target)
    return OfCurve(f"steps to {goal}", f"steps to {goal}", "log2", higher=False, read=read, stopped=stopped)


def goal_of(target: tuple[str, float]) -> str:
    """The target in words."""
    return WORDS[target[0]].format(target[1])
