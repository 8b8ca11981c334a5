"""How soon a curve reaches a level: the speed of a method, which depends on the level that is asked for."""
from __future__ import annotations

from collections.abc import Callable

import pandas as pd

FALLS = frozenset({"dev_loss", "train_loss"})
"""Kinds that are better when they are lower."""


def steps_to(curve: pd.DataFrame, kind: str, level: float) -> float | None:
    """The first step (at least 1) at which the running best reaches the level; None where it never does.

    Raises LookupError where the run did not take that kind of number.
    """
    seen = taken(curve, kind)
    hit = seen[seen["value"] <= level] if kind in FALLS else seen[seen["value"] >= level]
    return None if hit.empty else max(1.0, float(hit["step"].iloc[0]))


def length(curve: pd.DataFrame, kind: str) -> float:
    """The last step at which that kind of number was taken. Raises LookupError where none was."""
    return float(taken(curve, kind)["step"].iloc[-1])


def taken(curve: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of one kind in the order of steps. Raises LookupError where there is none."""
    seen = curve[curve["kind"] == kind].sort_values("step")
    if seen.empty:
        raise LookupError(kind)
    return seen


def mean_of(kind: str) -> Callable[[pd.DataFrame], float]:
    """Reads the mean of a kind of number over a run. It raises LookupError where the run took none."""
    return lambda curve: float(taken(curve, kind)["value"].mean())
