"""What fits into so much memory: the largest batch at once, and the largest known model. Peak memory grows with both."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from repro.memory.cases import Case, Model
from repro.memory.found import GIB, Found
from repro.memory.simulated import every
from repro.shapes import ALL, EMBEDDED

MOST = 4096
"""Texts at once that are asked about at most."""


def largest_batch(case: Case, gib: float, folder: Path) -> int:
    """Texts at once; 0 where not one fits."""
    return last(lambda batch: fits(case.with_batch(batch), gib, folder), MOST)


def largest_model(case: Case, gib: float, folder: Path) -> str | None:
    """Among the known ones, by weights, at batch 1; None where none fits."""
    for shapes in sorted((s for s in ALL.values() if s is not EMBEDDED), key=lambda s: -s.weights):
        if case.tokens > shapes.positions or shapes.weights * case.training.weight_dtype.itemsize > gib * GIB:
            continue  # the weights alone are too much: nothing to simulate
        if fits(replace(case.with_batch(1), model=Model.of(shapes)), gib, folder):
            return shapes.name
    return None


def fits(case: Case, gib: float, folder: Path) -> bool:
    return simulated(case, folder).peak_bytes <= gib * GIB


def simulated(case: Case, folder: Path) -> Found:
    return next(found for _, found in every([case], folder, 1))


def last(holds: Callable[[int], bool], most: int) -> int:
    """The largest n in 1..most for which it holds, given that it holds for all smaller ones; 0 where it never does."""
    if not holds(1):
        return 0
    good = 1
    while good < most and holds(min(most, 2 * good)):
        good = min(most, 2 * good)
    bad = min(most + 1, 2 * good)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good
