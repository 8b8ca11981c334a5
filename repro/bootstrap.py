"""How sure an average is: a bootstrap over seeds and clusters of items, with Student's t for the few seeds there are.

Seeds and items are crossed (every seed answers the same items), so each replicate redraws the seeds and, independently,
the clusters, and averages what both drew (pigeonhole bootstrap, Owen 2007, which errs on the wide side: what is left when
seeds and items are accounted for enters it three times). Three seeds redrawn with replacement understate their own spread
by sqrt(2/3): every weight w is therefore stretched to 1 + (w - 1) sqrt(S / (S - 1)).

Intervals are neither percentile nor BCa: the replicates of three seeds cannot reach 5 %, whichever of them are read off. They
are those of Student's t on the replicates' standard deviation, degrees of freedom by Satterthwaite from the two sources of
spread; and as a few items that differ much make the mean itself skewed, t also goes through Hall's transformation (1992), which
removes the skewness that the clusters show (BCa's acceleration is a sixth of it; of a few seeds it cannot be known). Of the two
p the larger is taken, and the wider side of the two intervals: t alone errs where items are skewed, Hall alone where few differ.
Where fewer than ten clusters differ from the rest an exact test bounds both (`repro.sparse`). Where nothing varies, and values
could be any, there is no p: 1 stands for none. `repro.error_rates` simulates what all that gives.
"""
from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from methods.parts import Refused
from repro.series import Floats, Series
from repro.sparse import Few, Within, minus
from suites.resampling import times

REPLICATES = 2000
ROUNDING = 1e-12
"""A standard error, as a share of the mean or of 1, that is none: equal numbers, averaged, differ by as little."""
LEVEL = 0.05
"""One-sided. An interval shown is the two-sided 90 % one: p <= 0.05 exactly where the margin lies outside it."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and items with its standard error, 90 % interval, and the sizes behind them."""

    mean: float
    stderr: float
    low: float
    high: float
    df: float
    seeds: int
    items: int
    clusters: int
    by_seed: float
    """Variance of the mean when seeds alone are redrawn."""
    by_item: float
    """When clusters of items alone are."""
    by_both: float = 0.0
    """What redrawing both adds to the sum of the two; each holds as much of it again. It shrinks with either number."""
    skew: float = 0.0
    """Skewness of the mean, from the clusters of items."""
    few: Few | None = None
    """Where few clusters differ from the rest."""

    @property
    def no_spread(self) -> bool:
        """Whether nothing varies and nothing is known of how it might."""
        return self.stderr == 0 and self.few is None

    def p_above(self, threshold: float) -> float:
        """One-sided p of "the true mean is at most the threshold"."""
        return self._p(threshold, 1.0)

    def p_below(self, threshold: float) -> float:
        """One-sided p of "the true mean is at least the threshold"."""
        return self._p(threshold, -1.0)

    def _p(self, threshold: float, side: float) -> float:
        exact = 0.0 if self.few is None else self.few.p(threshold, side)
        if self.stderr == 0:
            return 1.0 if self.few is None else exact
        t = side * (self.mean - threshold) / self.stderr
        return max(exact, float(stdtr(self.df, -min(t, unskewed(t, side * self.skew)))))


def unskewed(t: float, skew: float) -> float:
    """Hall's transformation (1992) of (mean - true mean) / stderr, monotone; `skew` is that of the mean."""
    return t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6


def skewed(t: float, skew: float) -> float:
    """Its inverse."""
    return t if abs(skew) < 1e-6 else float(3 / skew * (np.cbrt(1 + skew * (t - skew / 6)) - 1))


@dataclass(frozen=True)
class Redrawn:
    """The mean of a series as it is and redrawn: [R] by its seeds alone, by its items alone, by both."""

    mean: float
    by_seed: Floats
    by_item: Floats
    both: Floats
    seeds: int
    items: int
    clusters: int
    trained: bool
    pull: Floats
    """[C] by how much each cluster moves the mean."""
    share: Floats
    """[C] of all weight."""
    within: Within | None = None

    def __sub__(self, other: Redrawn) -> Redrawn:
        """What redrawing the differences would give, for two series over the same seeds and items (the caller has lined them
        up): the draws depend on the numbers of both alone."""
        if (self.seeds, self.items, self.clusters) != (other.seeds, other.items, other.clusters):
            raise Refused("cannot take the difference of two redrawn means; because their seeds or items are not the same; "
                          "line them up first")
        return Redrawn(self.mean - other.mean, self.by_seed - other.by_seed, self.by_item - other.by_item,
                       self.both - other.both, self.seeds, self.items, self.clusters, self.trained or other.trained,
                       self.pull - other.pull, self.share, minus(self.within, other.within))


def estimate(series: Series, *, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """The mean of a series. One trained seed gives the items' error alone; `seeds` says so."""
    return settled(redraw(series, replicates=replicates, seed=seed))


def redraw(series: Series, *, replicates: int = REPLICATES, seed: int = 0) -> Redrawn:
    """The bootstrap's replicates of a mean."""
    n_seeds, n_clusters = len(series.values), int(series.cluster.max()) + 1
    sums, counts = _by_cluster(series, n_clusters)
    of_seeds, of_clusters = _weights(seed, n_seeds, replicates), _weights(seed + 1, n_clusters, replicates)
    products = np.vstack([sums, counts]) @ of_clusters.T
    drawn, drawn_weight = products[:-1], products[-1]  # [S, R], [R]
    drawn_seeds = of_seeds @ np.ones(n_seeds)
    by_seed = of_seeds @ sums.sum(axis=1) / (drawn_seeds * counts.sum())
    by_item = np.ones(n_seeds) / n_seeds @ drawn / drawn_weight
    both = np.einsum("rs,sr->r", of_seeds, drawn) / (drawn_seeds * drawn_weight)
    mean, share = float(series.means.mean()), counts / counts.sum()
    return Redrawn(mean, by_seed, by_item, both, n_seeds, len(series.items), n_clusters, series.trained,
                   sums.mean(axis=0) / counts.sum() - mean * share, share, series.within)


def settled(drawn: Redrawn) -> Estimate:
    """The mean with its error and interval, from its replicates."""
    by_seed, by_item, both = (_variance(means) for means in (drawn.by_seed, drawn.by_item, drawn.both))
    stderr = float(np.sqrt(both))
    if stderr < ROUNDING * max(1.0, abs(drawn.mean)):
        stderr = by_seed = by_item = both = 0.0
    df, skew, few = degrees(by_seed, drawn.seeds, by_item, drawn.clusters), _skewness(drawn.pull, stderr), _few(drawn, stderr)
    low, high = (drawn.mean - stderr * t for t in _wider(float(stdtrit(df, 1 - LEVEL)), skew))
    if few is not None:
        low, high = min(low, few.bound(LEVEL, 1.0)), max(high, few.bound(LEVEL, -1.0))
    return Estimate(drawn.mean, stderr, low, high, df, drawn.seeds if drawn.trained else 0, drawn.items, drawn.clusters,
                    by_seed, by_item, max(0.0, both - by_seed - by_item), skew, few)


def _variance(of: Floats) -> float:
    apart = of - of.mean()
    return float(apart @ apart) / len(of)


def _wider(t: float, skew: float) -> tuple[float, float]:
    """Of t and -t, as they are and skewed, the farther one."""
    return max(t, skewed(t, skew)), min(-t, skewed(-t, skew))


def _few(drawn: Redrawn, stderr: float) -> Few | None:
    """None where seeds vary and clusters do not: then seeds alone decide."""
    there = drawn.share > 0
    if np.count_nonzero(there) < 2:
        return None
    few = Few.of(drawn.mean + drawn.pull[there] / drawn.share[there], drawn.share[there], drawn.within)
    return few if few is None or few.above + few.below or stderr == 0 else None


def _skewness(pull: Floats, stderr: float) -> float:
    """Of a mean: what independent clusters move it by, cubed, over its cubed error."""
    return float((pull**3).sum() / stderr**3) if len(pull) > 1 and stderr > 0 else 0.0


def _by_cluster(series: Series, n_clusters: int) -> tuple[Floats, Floats]:
    """([S, C] weighted sums over the items of each cluster, [C] the weight in it)."""
    rows = np.vstack([series.values * series.weight, series.weight])
    sums = np.array([np.bincount(series.cluster, row, n_clusters) for row in rows], dtype=np.float64)
    return sums[:-1], sums[-1]


@functools.lru_cache(maxsize=16)
def _weights(seed: int, n: int, replicates: int) -> Floats:
    """[R, n] how often each of n was redrawn, stretched for a small n; all ones where there is nothing to redraw."""
    if n == 1:
        return np.ones((replicates, 1))
    return np.asarray(1 + (times(n, replicates, seed) - 1) * np.sqrt(n / (n - 1)), dtype=np.float64)


def degrees(by_seed: float, n_seeds: int, by_item: float, n_clusters: int) -> float:
    """Satterthwaite's degrees of freedom of the sum of two variances."""
    parts: list[tuple[float, int]] = [(v, n - 1) for v, n in ((by_seed, n_seeds), (by_item, n_clusters)) if n > 1]
    total = sum(v for v, _ in parts)
    if total <= 0:
        return float(max(1, max((n for _, n in parts), default=1)))
    return float(total**2 / sum(v**2 / n for v, n in parts))
