"""How often an untrue statement about flips is shown: all outcomes of a trinomial added up, one by one."""
from __future__ import annotations

import itertools

import numpy as np
from scipy import stats

from repro.bootstrap import Estimate
from repro.sparse import Few

MOST = 34
"""Flips to either side; more are so rare, at the shares tried, that they are left out."""


def size(clusters: int, truth: float, level: float, *, exact: bool = True) -> float:
    """The greatest chance, over shares of flips, that the mean (in flips to the better) is shown to be above its true value."""
    shown = [pair for pair in itertools.product(range(min(clusters, MOST) // 2 + 8), range(min(clusters, MOST)))
             if sum(pair) <= clusters and of(*pair, clusters, exact).p_above(truth) <= level]
    if not shown:
        return 0.0
    outcomes = np.array([(up, down, clusters - up - down) for up, down in shown])
    chances = [(less + max(0.0, truth), less - min(0.0, truth)) for less in (0.0, 0.003, 0.01, 0.02, 0.04, 0.06)]
    return max(float(stats.multinomial.pmf(outcomes, clusters, [up, down, 1 - up - down]).sum())
               for up, down in chances if up + down < 16 / clusters)


def of(up: int, down: int, clusters: int, exact: bool) -> Estimate:
    """What the bootstrap shows of so many flips, alike in each of three seeds, but for its draws."""
    mean, differ = (up - down) / clusters, up + down
    values = np.repeat([1.0, -1.0, 0.0], [up, down, clusters - differ])
    error = float(values.std(ddof=1)) / clusters**0.5
    skew = float(((values - mean) ** 3).sum()) / clusters**3 / error**3 if error else 0.0
    few = Few.of(values, np.full(clusters, 1 / clusters), (-1.0, 1.0)) if exact else None
    estimate = Estimate(mean, error, mean, mean, clusters - 1, 3, clusters, clusters, 0.0, error**2, 0.0, skew, few)
    if error == 0 and not exact:  # as it was: where nothing varies, p is 0 or 1
        return Estimate(mean, 1e-12, mean, mean, clusters - 1, 3, clusters, clusters, 0.0, 0.0)
    return estimate
