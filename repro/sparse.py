"""Few clusters that differ from the rest: an exact bound on p, where neither t nor any bootstrap of so few can be trusted.

Most clusters of a right-or-wrong contrast are 0: only those that flipped tell anything. That the mean is above what most
clusters show takes more of the few above than below it (sign test). That it is above something less can also be told from how
few lie below: a mean so low needs a share of clusters as far down as values go, and so few of them are seen with the chance of
a binomial. Either test is valid, and the smaller p is taken: of all shares of flips, enumerated for 38 to 353 clusters, that is
wrong in 6 % at most where 5 % are asked for, together with t on ten or more. Clusters are taken to be alike; where their
weights differ, they count as so many as would have the same error (Kish 1965).
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrc, bdtri

Floats = npt.NDArray[np.float64]

ENOUGH = 10
"""Clusters that differ; from there on t is right."""
ROUNDING = 1e-9
Within = tuple[float, float]
"""Between what numbers values lie, whatever is drawn."""


def minus(one: Within | None, other: Within | None) -> Within | None:
    """Where the differences lie."""
    return None if one is None or other is None else (one[0] - other[1], one[1] - other[0])


@dataclass(frozen=True)
class Few:
    """What most clusters show, how many lie above and below it, and how far they could."""

    common: float
    above: int
    below: int
    clusters: int
    within: Within | None

    @classmethod
    def of(cls, means: Floats, share: Floats, within: Within | None) -> Few | None:
        """Of clusters' means [C] and shares of all weight [C]; None where enough differ, or nothing is known of the rest."""
        common = float(np.partition(means, len(means) // 2)[len(means) // 2])
        apart = ROUNDING * max(1.0, abs(common))
        above, below = int(np.count_nonzero(means > common + apart)), int(np.count_nonzero(means < common - apart))
        differ = above + below
        if differ >= min(ENOUGH, len(means) / 2) or (within is None and (differ == 0 or abs(common) > apart)):
            return None
        return cls(common, above, below, max(differ, int(1 / (share**2).sum() + ROUNDING)), within)

    def p(self, threshold: float, side: float) -> float:
        """One-sided, of "the true mean is not above the threshold" (side 1) or not below it (-1)."""
        more, less = self._sides(side)
        sign = float(bdtrc(more - 1, more + less, 0.5)) if more else 1.0
        beyond = side * (self.common - threshold)
        if beyond <= 0 or self.within is None:
            return sign
        reach = self._reach(side)
        return min(sign, float(bdtr(less, self.clusters, beyond / reach))) if beyond < reach else 0.0

    def bound(self, level: float, side: float) -> float:
        """The least (side 1: an interval's lower end) or greatest threshold that p does not show; infinite where it shows all
        that another test may."""
        if self.p(self.common, side) <= level:
            return side * float("inf")
        if self.within is None:
            return self.common
        return self.common - side * self._reach(side) * float(bdtri(self._sides(side)[1], self.clusters, level))

    def _sides(self, side: float) -> tuple[int, int]:
        """How many lie on the side and how many on the other."""
        return (self.above, self.below) if side > 0 else (self.below, self.above)

    def _reach(self, side: float) -> float:
        """From what most clusters show to the end of what is possible."""
        assert self.within is not None
        return side * (self.common - self.within[0 if side > 0 else 1])
