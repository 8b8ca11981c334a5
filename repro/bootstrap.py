"""How sure an average is: a bootstrap over seeds and clusters of items, with Student's t for the few seeds there are.

Seeds and items are crossed (every seed answers the same items), so each replicate redraws the seeds and, independently,
the clusters, and averages what both drew (pigeonhole bootstrap, Owen 2007, which errs on the wide side). Three seeds
redrawn with replacement understate their own spread by sqrt(2/3): every weight w is therefore stretched to
1 + (w - 1) sqrt(S / (S - 1)). Quantiles come from Student's t, its degrees of freedom by Satterthwaite from the two
sources of spread, because percentiles of three seeds cannot reach 5 %.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from methods.parts import Refused
from repro.evidence import Floats, Series
from suites.resampling import times

REPLICATES = 2000
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
    """Variance of the mean that more seeds would shrink."""
    by_item: float
    """Variance of the mean that only more items would shrink."""

    def p_above(self, threshold: float) -> float:
        """One-sided p of "the true mean is at most the threshold"."""
        gap = self.mean - threshold
        if self.stderr == 0:
            return 0.0 if gap > 0 else 1.0
        return float(stats.t.sf(gap / self.stderr, self.df))

    def p_below(self, threshold: float) -> float:
        """One-sided p of "the true mean is at least the threshold"."""
        gap = threshold - self.mean
        if self.stderr == 0:
            return 0.0 if gap > 0 else 1.0
        return float(stats.t.sf(gap / self.stderr, self.df))


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

    def __sub__(self, other: Redrawn) -> Redrawn:
        """What redrawing the differences would give, for two series over the same seeds and items (the caller has lined them
        up): the draws depend on the numbers of both alone."""
        if (self.seeds, self.items, self.clusters) != (other.seeds, other.items, other.clusters):
            raise Refused("cannot take the difference of two redrawn means; because their seeds or items are not the same; "
                          "line them up first")
        return Redrawn(self.mean - other.mean, self.by_seed - other.by_seed, self.by_item - other.by_item,
                       self.both - other.both, self.seeds, self.items, self.clusters, self.trained or other.trained)


def estimate(series: Series, *, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """The mean of a series. One trained seed gives the items' error alone; `seeds` says so."""
    return settled(redraw(series, replicates=replicates, seed=seed))


def redraw(series: Series, *, replicates: int = REPLICATES, seed: int = 0) -> Redrawn:
    """The bootstrap's replicates of a mean."""
    n_seeds, n_clusters = len(series.values), int(series.cluster.max()) + 1
    sums, counts = _by_cluster(series, n_clusters)
    of_seeds, of_clusters = _weights(seed, n_seeds, replicates), _weights(seed + 1, n_clusters, replicates)
    even = np.ones((1, n_clusters)), np.ones((1, n_seeds))
    by_seed, by_item = _means(sums, counts, of_seeds, even[0]), _means(sums, counts, even[1], of_clusters)
    both = _means(sums, counts, of_seeds, of_clusters)
    return Redrawn(float(series.means.mean()), by_seed, by_item, both, n_seeds, len(series.items), n_clusters, series.trained)


def settled(drawn: Redrawn) -> Estimate:
    """The mean with its error and interval, from its replicates."""
    by_seed, by_item, both = (float(np.var(means)) for means in (drawn.by_seed, drawn.by_item, drawn.both))
    stderr = float(np.sqrt(both))
    df = _degrees(by_seed, drawn.seeds, by_item, drawn.clusters)
    half = float(stats.t.ppf(1 - LEVEL, df)) * stderr
    return Estimate(drawn.mean, stderr, drawn.mean - half, drawn.mean + half, df, drawn.seeds if drawn.trained else 0,
                    drawn.items, drawn.clusters, by_seed, by_item)


def _by_cluster(series: Series, n_clusters: int) -> tuple[Floats, Floats]:
    """([S, C] weighted sums over the items of each cluster, [C] the weight in it)."""
    member = np.zeros((len(series.items), n_clusters))
    member[np.arange(len(series.items)), series.cluster] = series.weight
    return series.values @ member, member.sum(axis=0)


def _weights(seed: int, n: int, replicates: int) -> Floats:
    """[R, n] how often each of n was redrawn, stretched for a small n; all ones where there is nothing to redraw."""
    if n == 1:
        return np.ones((replicates, 1))
    return np.asarray(1 + (times(n, replicates, seed) - 1) * np.sqrt(n / (n - 1)), dtype=np.float64)


def _means(sums: Floats, counts: Floats, of_seeds: Floats, of_clusters: Floats) -> Floats:
    """[R] the weighted mean of each replicate; a single row of weights stands for "as it is"."""
    total = ((of_seeds @ sums) * of_clusters).sum(axis=1)
    size = of_seeds.sum(axis=1) * (of_clusters @ counts)
    return np.asarray(total / size, dtype=np.float64)


def _degrees(by_seed: float, n_seeds: int, by_item: float, n_clusters: int) -> float:
    """Satterthwaite's degrees of freedom of the sum of two variances."""
    parts: list[tuple[float, int]] = [(v, n - 1) for v, n in ((by_seed, n_seeds), (by_item, n_clusters)) if n > 1]
    total = sum(v for v, _ in parts)
    if total <= 0:
        return float(max(1, max((n for _, n in parts), default=1)))
    return float(total**2 / sum(v**2 / n for v, n in parts))


def seeds_needed(e: Estimate, threshold: float, *, level: float = LEVEL, power: float = 0.8,
                 most: int = 1000) -> int | None:
    """Seeds at which an effect of the size seen would clear the threshold with 80 % power; None: seeds alone cannot."""
    seeds = np.arange(max(2, e.seeds), most + 1)
    by_seed = e.by_seed * max(e.seeds, 1) / seeds
    df = np.array([_degrees(v, n, e.by_item, e.clusters) for v, n in zip(by_seed.tolist(), seeds.tolist(), strict=True)])
    spread = np.sqrt(by_seed + e.by_item)
    enough = (stats.t.ppf(1 - level, df) + stats.t.ppf(power, df)) * spread <= abs(e.mean - threshold)
    return int(seeds[enough.argmax()]) if enough.any() else None
