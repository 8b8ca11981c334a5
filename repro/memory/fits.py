"""What fits into so much memory: the largest batch at once, and the largest known model. Peak memory grows with both."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from repro.memory.cases import Case, Model
from repro.memory.found import GIB, Found
from repro.memory.simulated import every
from repro.shapes import ALL, EMBEDDED, Shapes

MOST = 4096
"""Texts at once that are asked about at most."""


def first_looks(case: Case, gib: float) -> list[Case]:
    """What the searches below begin with, so that it can be simulated side by side."""
    one = case.with_batch(1)
    return [one, case.with_batch(2), *(replace(one, model=Model.of(s)) for s in candidates(case, gib))]


def largest_batch(case: Case, gib: float, folder: Path) -> int:
    """Texts at once; 0 where not one fits."""
    return last(lambda batch: simulated(case.with_batch(batch), folder).peak_bytes, int(gib * GIB), MOST)


def largest_model(case: Case, gib: float, folder: Path) -> str | None:
    """Among the known ones, by weights, at batch 1; None where none fits."""
    for shapes in candidates(case, gib):
        if simulated(replace(case.with_batch(1), model=Model.of(shapes)), folder).peak_bytes <= gib * GIB:
            return shapes.name
    return None


def candidates(case: Case, gib: float) -> list[Shapes]:
    """Known models that take such texts and whose weights alone are not too much, the largest first."""
    found = [s for s in ALL.values() if s is not EMBEDDED and case.tokens <= s.positions
             and s.weights * case.training.weight_dtype.itemsize <= gib * GIB]
    return sorted(found, key=lambda s: -s.weights)


def simulated(case: Case, folder: Path) -> Found:
    return next(found for _, found in every([case], folder, 1))


def last(size: Callable[[int], int], limit: int, most: int) -> int:
    """The largest n in 1..most whose size is within the limit, given that sizes do not fall; 0 where there is none.

    Each look is where a straight line through the last two would meet the limit, every second one in the middle.
    """
    at = size(1)
    if at > limit:
        return 0
    good, bad, guess, looks = 1, most + 1, 2, 0
    while bad - good > 1:
        guess = min(max(guess, good + 1), bad - 1)
        looks += 1
        now = size(guess)
        slope = (now - at) / (guess - good)
        if now <= limit:
            good, at = guess, now
        else:
            bad = guess
        middle = (good + bad) // 2 if bad <= most else 2 * good
        guess = middle if looks % 2 == 0 or slope <= 0 else good + int((limit - at) / slope)
    return good
