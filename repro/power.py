"""How many seeds it would take: the chance that a claim is decided with a number of seeds, if what was seen is so.

A claim is supported when all its parts hold; where the effect of one is on the other side it can only be refuted, for which that
part alone has to fail, at its share of the level. The chance of several is the product of theirs, the one that any fails the
greatest: parts share seeds and items, so that both err on asking for more.

A mean over S seeds that differs from its threshold by a gap clears it when gap / error exceeds Student's t at the level. The
error follows from what redrawing showed (`repro.bootstrap`): the share of seeds, and what is left of seeds and items
together, shrink as 1 / S, the items' own share does not. A study's own error is itself a matter of chance: the variances that
it will see are spread like chi-squares over their degrees of freedom, over which the chance is averaged. What is left enters
the bootstrap's error three times, and moves the mean once.
"""
from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, ndtr, stdtrit

from repro.bootstrap import LEVEL, Estimate
from repro.claims import Goal
from repro.series import Floats

POWER = 0.8
KNOWN = 50
"""Degrees of freedom with which a variance is as good as known."""
MOST = 1000
"""Seeds; a contrast that more would be needed for is said to need items instead."""


@dataclass(frozen=True)
class Part:
    """A contrast of a claim, as it was estimated."""

    estimate: Estimate
    goal: Goal
    margin: float
    p: float = 1.0
    """That it holds by chance alone."""

    @property
    def gaps(self) -> tuple[float, ...]:
        """From each of its thresholds to the mean; below 0 where the mean is on the other side."""
        mean, margin = self.estimate.mean, self.margin
        return {"above": (mean - margin,), "at least": (mean + margin,), "within": (mean + margin, margin - mean)}[self.goal]

    @property
    def fixed(self) -> bool:
        """Whether more seeds change nothing: nothing is trained, or too few items differ."""
        return self.estimate.seeds == 0 or self.estimate.few is not None

    @property
    def opposite(self) -> bool:
        return min(self.gaps) < 0

    def holds(self, seeds: int, level: float) -> float:
        """The chance that it holds with so many seeds (two at least)."""
        if self.fixed:
            return float(self.p <= level)
        clear = [_clears(self.estimate, gap, max(seeds, self.estimate.seeds), level) for gap in self.gaps]
        return max(0.0, sum(clear) - (len(clear) - 1))  # both of two, by Bonferroni

    def fails(self, seeds: int, level: float) -> float:
        """That its opposite is shown."""
        if self.fixed:
            return 0.0
        return _clears(self.estimate, -min(self.gaps), max(seeds, self.estimate.seeds), level / len(self.gaps))


def chance(parts: Sequence[Part], seeds: int, *, level: float = LEVEL) -> float:
    """That all parts hold with so many seeds or, where a mean is on the other side, that one fails."""
    opposite = [part for part in parts if part.opposite]
    if opposite:
        return max(part.fails(seeds, level / len(parts)) for part in opposite)
    return math.prod(part.holds(seeds, level) for part in parts)


def seeds_needed(parts: Sequence[Part], *, level: float = LEVEL) -> int | None:
    """The least number, beyond the seeds there are, that decides a claim of these parts with a chance of 80 %; None where seeds
    alone cannot."""
    there = min((part.estimate.seeds for part in parts if part.estimate.seeds > 0), default=0)
    if there < 2 or chance(parts, MOST, level=level) < POWER:
        return None
    counts = range(there + 1, MOST + 1)
    return counts[bisect.bisect_left(counts, POWER, key=lambda n: chance(parts, n, level=level))]


def _clears(e: Estimate, gap: float, seeds: int, level: float) -> float:
    """The chance that a true gap clears its threshold."""
    at = e.seeds / seeds
    rest, of_items = e.by_both * at, max(0.0, e.by_item - e.by_both)
    of_seeds = max(0.0, e.by_seed - e.by_both) * at
    spread = of_seeds + of_items + rest
    if spread == 0:
        return float(gap > 0)
    u, v = _seen(seeds - 1)[:, None] * (of_seeds + rest), _seen(e.clusters - 1) * (of_items + rest)
    squares = u**2 / (seeds - 1) + v**2 / max(1, e.clusters - 1)
    out = stdtrit((u + v) ** 2 / squares, 1 - level) * np.sqrt(u + v + rest)
    return float(ndtr((gap - out) / math.sqrt(spread)).mean())


@functools.lru_cache(maxsize=4096)
def _seen(df: int) -> Floats:
    """Equally likely ratios of a variance that is seen to the true one: fewer where more is known, none but 1 where all is."""
    n = 1 if df == 0 or df > KNOWN else 16 if df < 10 else 6
    return np.ones(1) if n == 1 else np.asarray(chdtri(df, 1 - (np.arange(n) + 0.5) / n) / df, dtype=np.float64)
