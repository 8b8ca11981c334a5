"""Measures of calibration, each for many weightings or many labellings of the same answers at once.

With W [B, N] how often a question counts and y [B, N] its right option (one row of either stands for all), p_i the
probabilities, c_i the largest, a_i whether that option is right:
- nll = mean -log max(p_i[y_i], 1e-12), natural log; brier = mean sum_k (p_ik - 1[k = y_i])^2, from 0 to 2.
- ece = sum_b (n_b / N) |mean a - mean c| over bins of confidence (right edges belong to a bin, as in netcal and torchmetrics);
  equal width on [0, 1] or equal mass (quantiles of c); mce is the largest |mean a - mean c|.
- classwise ece = mean over options k of the ece of p_ik against 1[k = y_i] (Kull et al., arXiv 1910.12656, Eq. 4); adaptive: the
  same with equal-mass bins, each bin counting alike (Nixon et al., arXiv 1904.01685); pooled: all options in one.
- auroc of c for a: the chance that a right answer has the larger confidence, ties half (scikit-learn's roc_auc_score).
- aurc: mean over questions of the error rate among those of at least their confidence (Geifman et al., arXiv 1805.08206).

Bins are those of the sample, also under resampling. A measure that cannot be taken (auroc where all are right) is NaN.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from suites.calibration.answers import Answers, Floats, Ints

FLOOR = 1e-12


@dataclass(frozen=True)
class Draws:
    """Weightings `weight` [B or 1, N] and labellings `label` [B or 1, N] of answers."""

    answers: Answers
    weight: Floats
    label: Ints
    _gaps: dict[tuple[int | None, int, bool], tuple[Floats, Floats]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def total(self) -> Floats:
        """[B or 1]"""
        return np.asarray(self.weight.sum(1))

    @cached_property
    def right(self) -> Floats:
        """[B or 1, N] 1 where the chosen option is the right one."""
        return np.asarray(self.label == self.answers.chosen, dtype=np.float64)

    @cached_property
    def of_label(self) -> Floats:
        """[B or 1, N] the right option's probability."""
        return np.asarray(self.answers.probabilities[np.arange(len(self.answers)), self.label])

    def mean(self, values: Floats) -> Floats:
        """[B] of [B or 1, N]"""
        return np.asarray(np.einsum("bn,bn->b", *np.broadcast_arrays(self.weight, values)) / self.total)

    def gaps(self, option: int | None, bins: int, mass: bool = False) -> tuple[Floats, Floats]:
        """([B, bins] sum of weight (hit - said), [B, bins] sum of weight) of the chosen option (None), or of one among those that
        have it. What several measures ask for is worked out once."""
        if (option, bins, mass) not in self._gaps:
            of = self.answers
            if option is None:
                there, said, hits = np.ones(len(of), dtype=bool), of.confidence, self.right
            else:
                there, said = of.there[:, option], of.probabilities[:, option]
                hits = (self.label == option).astype(np.float64)
            place = np.full(len(of), -1, dtype=np.int64)
            place[there] = binned(said[there], bins, mass)
            inside = (place[:, None] == np.arange(bins)).astype(np.float64)
            self._gaps[option, bins, mass] = (self.weight * (hits - said)) @ inside, self.weight @ inside
        return self._gaps[option, bins, mass]


def accuracy(draws: Draws) -> Floats:
    return draws.mean(draws.right)


def nll(draws: Draws) -> Floats:
    return draws.mean(-np.log(np.maximum(draws.of_label, FLOOR)))


def brier(draws: Draws) -> Floats:
    squares = (draws.answers.probabilities**2).sum(1)
    return draws.mean(squares + 1 - 2 * draws.of_label)


def top_label(bins: int, mass: bool = False) -> Callable[[Draws], Floats]:
    """ECE of the chosen option."""
    def measure(draws: Draws) -> Floats:
        gap, _ = draws.gaps(None, bins, mass)
        return np.asarray(abs(gap).sum(1) / draws.total)
    return measure


def mce(draws: Draws, bins: int = 15) -> Floats:
    gap, n = draws.gaps(None, bins)
    return np.asarray(np.divide(abs(gap), n, out=np.zeros(np.broadcast_shapes(gap.shape, n.shape)), where=n > 0).max(1))


def classwise(draws: Draws, bins: int = 15, adaptive: bool = False) -> Floats:
    """Mean over options of the ECE of each; questions that lack an option do not count for it."""
    found = []
    for k in range(draws.answers.probabilities.shape[1]):
        gap, n = draws.gaps(k, bins, adaptive)
        if adaptive:
            filled = n > 0
            share = np.divide(abs(gap), n, out=np.zeros(np.broadcast_shapes(gap.shape, n.shape)), where=filled)
            found.append(_ratio(share.sum(1), filled.sum(1)))
        else:
            found.append(_ratio(abs(gap).sum(1), n.sum(1)))
    return np.asarray(np.nanmean(np.broadcast_arrays(*found), axis=0))


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where nothing is below: a resample without any question that has the option."""
    return np.asarray(np.divide(above, below, out=np.full(np.broadcast_shapes(above.shape, below.shape), np.nan),
                                where=below > 0))


def pooled(draws: Draws, bins: int = 15) -> Floats:
    """ECE of all options of all questions together."""
    gaps: Floats | float = 0.0
    n: Floats | float = 0.0
    for k in range(draws.answers.probabilities.shape[1]):
        gap, count = draws.gaps(k, bins)
        gaps, n = gaps + gap, n + count
    return np.asarray(abs(np.asarray(gaps)).sum(1) / np.asarray(n).sum(1))


def auroc(draws: Draws) -> Floats:
    """NaN where all answers are right, or none is."""
    by_level, level = _levels(draws.answers.confidence)
    right, wrong = (_by_level(draws.weight * of, by_level, level) for of in (draws.right, 1 - draws.right))
    below = wrong.cumsum(1) - wrong
    pairs = right.sum(1) * wrong.sum(1)
    return np.asarray(np.divide((right * (below + wrong / 2)).sum(1), pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0))


def aurc(draws: Draws) -> Floats:
    """Questions of equal confidence are taken or left together."""
    by_level, level = _levels(-draws.answers.confidence)
    wrong, n = (_by_level(of, by_level, level) for of in (draws.weight * (1 - draws.right), draws.weight))
    covered = n.cumsum(1)
    risk = np.divide(wrong.cumsum(1), covered, out=np.zeros(np.broadcast_shapes(wrong.shape, covered.shape)), where=covered > 0)
    return np.asarray((n * risk).sum(1) / draws.total)


def _levels(values: Floats) -> tuple[Ints, Ints]:
    """([N] order by value, [L] where each of the L different values begins in it)"""
    order = values.argsort(kind="stable")
    ordered = values[order]
    return order, np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def _by_level(values: Floats, order: Ints, starts: Ints) -> Floats:
    """[B, N] -> [B, L] sums over questions of one value."""
    return np.asarray(np.add.reduceat(values[:, order], starts, axis=1))


def binned(values: Floats, bins: int, mass: bool = False) -> Ints:
    """[N] the bin of each: ((b / bins), (b + 1) / bins], or between neighbouring quantiles; 0 belongs to the first."""
    inner = np.quantile(values, np.arange(1, bins) / bins) if mass else np.arange(1, bins) / bins
    return np.searchsorted(inner, values, side="left").astype(np.int64)


MEASURES: Mapping[str, Callable[[Draws], Floats]] = {
    "accuracy": accuracy, "nll": nll, "brier": brier, "ece (15 bins)": top_label(15), "ece (10 bins)": top_label(10),
    "ece (15 equal-mass bins)": top_label(15, mass=True), "mce (15 bins)": mce, "classwise ece": classwise,
    "adaptive ece": lambda draws: classwise(draws, adaptive=True), "pooled-option ece": pooled, "auroc": auroc, "aurc": aurc}
"""Higher is better for accuracy and auroc, lower for the others."""
