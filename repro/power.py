"""How many seeds it would take: the chance that a contrast is decided with a number of seeds, if what was seen is so.

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

import numpy as np
from scipy.special import chdtri, ndtr, stdtrit

from repro.bootstrap import LEVEL, Estimate
from repro.claims import Goal
from repro.evidence import Floats

POWER = 0.8
KNOWN = 50
"""Degrees of freedom with which a variance is as good as known."""
MOST = 1000
"""Seeds; a contrast that more would be needed for is said to need items instead."""


def chance(e: Estimate, goal: Goal, margin: float, seeds: int, *, level: float = LEVEL) -> float:
    """That the contrast holds with so many seeds (two at least) or, where the mean is on the other side, fails."""
    gaps = {"above": (e.mean - margin,), "at least": (e.mean + margin,), "within": (e.mean + margin, margin - e.mean)}[goal]
    if min(gaps) < 0:
        return _clears(e, -min(gaps), seeds, level / len(gaps))
    return max(0.0, sum(_clears(e, gap, seeds, level) for gap in gaps) - (len(gaps) - 1))  # both of two, by Bonferroni


def seeds_needed(e: Estimate, goal: Goal, margin: float, *, level: float = LEVEL) -> int | None:
    """The least number, beyond the seeds there are, that decides it with a chance of 80 %; None where seeds alone cannot."""
    if e.seeds < 2 or chance(e, goal, margin, MOST, level=level) < POWER:
        return None
    counts = range(e.seeds + 1, MOST + 1)
    least = bisect.bisect_left(counts, POWER, key=lambda n: chance(e, goal, margin, n, level=level))
    return counts[least]


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
