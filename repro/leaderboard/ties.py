"""Which methods can be told apart: every pair on the seeds and items that both have, corrected over the pairs of a board.

The test of a pair is two-sided, by the bootstrap of `repro.bootstrap` on the differences; p values are corrected by Holm's
method over all pairs of the board. A pair that shares fewer than two seeds, or fewer than ten independent items, is not tested
and counts as not told apart: absence of evidence is no difference.
"""
from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from repro.bootstrap import Estimate, Redrawn, redraw, settled
from repro.leaderboard.letters import display
from repro.series import Series
from repro.verdict import MIN_CLUSTERS, holm

ALPHA = 0.05
"""Of all pairs of a board together."""
ROUNDING = 1e-9
"""A smaller difference, in the measure's unit, is none: where nothing varies, its error is as small."""
Rank = tuple[int, int]


@dataclass(frozen=True)
class Compared:
    """A pair's difference, first minus second; `p` is corrected, None where the pair could not be tested."""

    pair: tuple[int, int]
    estimate: Estimate | None
    p: float | None

    @property
    def differs(self) -> bool:
        return self.p is not None and self.p <= ALPHA


@dataclass(frozen=True)
class Ties:
    """For each method its letters (two share one exactly when not told apart) and the ranks that it may have."""

    letters: tuple[str, ...]
    ranks: tuple[Rank, ...]
    pairs: tuple[Compared, ...]


@dataclass(frozen=True)
class Means:
    """The redrawn means of some methods, each drawn once for a set of seeds: that of a difference is their difference."""

    series: Sequence[Series]
    """All over the same items."""
    _drawn: dict[tuple[int, tuple[int, ...]], Redrawn] = field(default_factory=dict)

    def of(self, i: int, seeds: tuple[int, ...]) -> Redrawn:
        if (i, seeds) not in self._drawn:
            s = self.series[i]
            rows = s.values[[s.seeds.index(seed) for seed in seeds]]
            self._drawn[i, seeds] = redraw(replace(s, seeds=seeds, values=rows))
        return self._drawn[i, seeds]

    def estimate(self, i: int) -> Estimate:
        return settled(self.of(i, self.series[i].seeds))

    def difference(self, i: int, j: int) -> Estimate | None:
        """None where the two share fewer than two seeds."""
        shared = tuple(s for s in self.series[i].seeds if s in self.series[j].seeds)
        return settled(self.of(i, shared) - self.of(j, shared)) if len(shared) > 1 else None


def two_sided(e: Estimate) -> float:
    """p of "the true mean is 0"; 1 where nothing differs but by rounding. By signs where all clusters differ alike."""
    if abs(e.mean) < ROUNDING:
        return 1.0
    return min(1.0, 2 * (0.5**e.clusters if e.no_spread else min(e.p_above(0.0), e.p_below(0.0))))


def ties(means: Means, order: Sequence[int], higher: bool) -> Ties:
    """Of the methods `order`, best first; numbers in the result count from the first of them."""
    found = {(a, b): means.difference(i, j) for (a, i), (b, j) in itertools.combinations(enumerate(order), 2)}
    tested = {pair: e for pair, e in found.items() if e is not None and (e.items == 1 or e.clusters >= MIN_CLUSTERS)}
    p = holm({f"{a} {b}": two_sided(e) for (a, b), e in tested.items()})
    pairs = tuple(Compared(pair, e, p.get(f"{pair[0]} {pair[1]}")) for pair, e in found.items())
    return Ties(tuple(display(len(order), [c.pair for c in pairs if c.differs])), ranks(len(order), pairs, higher), pairs)


def ranks(n: int, pairs: Sequence[Compared], higher: bool) -> tuple[Rank, ...]:
    """(best, worst) rank of each: one more than the methods shown to be better, and all but those shown to be worse."""
    better, worse = np.zeros(n, int), np.zeros(n, int)
    for c in pairs:
        if c.differs and c.estimate is not None:
            first, second = c.pair if (c.estimate.mean > 0) == higher else c.pair[::-1]
            better[second] += 1
            worse[first] += 1
    return tuple((1 + int(b), n - int(w)) for b, w in zip(better, worse, strict=True))
