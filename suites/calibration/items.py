"""Measures of calibration as a mean over questions, so that differences can be paired question by question.

Each value is the measure plus the question's influence on it, with bins, thresholds and shares held where the sample puts
them: the mean over questions is the measure itself, exactly, and a bootstrap of the values is one of the measure to first
order (von Mises expansion). Held back by that: that a binned error is biased upwards, the more so the thinner its bins fill,
which `suites.calibration.table` tells beside it as the value under perfect calibration.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from methods.parts import Refused
from suites.calibration.answers import Answers, Floats
from suites.calibration.metrics import FLOOR, binned

TPR = 0.95
"""Share of in-distribution questions that an out-of-distribution detector must accept (FPR95)."""


def right(a: Answers) -> Floats:
    """[N] 1 where the likeliest option is the right one; of equally likely ones the first counts."""
    return np.asarray(a.chosen == a.labels, dtype=np.float64)


def nll(a: Answers) -> Floats:
    return np.asarray(-np.log(np.maximum(_of_label(a), FLOOR)))


def brier(a: Answers) -> Floats:
    return np.asarray((a.probabilities**2).sum(1) + 1 - 2 * _of_label(a))


def ece(bins: int, mass: bool = False) -> Callable[[Answers], Floats]:
    """ECE = mean_i s_b(i) (a_i - c_i), s_b being the sign of the bin's gap."""
    def values(a: Answers) -> Floats:
        gap = right(a) - a.confidence
        where = binned(a.confidence, bins, mass)
        return np.asarray(np.sign(np.bincount(where, gap, bins))[where] * gap)
    return values


def overconfidence(a: Answers) -> Floats:
    """Confidence minus accuracy."""
    return np.asarray(a.confidence - right(a))


def confidence(a: Answers) -> Floats:
    return a.confidence


def confidence_when_wrong(a: Answers) -> Floats:
    """Mean confidence of wrong answers; NaN where all are right."""
    wrong = 1 - right(a)
    if not wrong.any():
        return np.full(len(a), np.nan)
    mean = float((wrong * a.confidence).sum() / wrong.sum())
    return np.asarray(mean + wrong * (a.confidence - mean) / wrong.mean())


def auroc(a: Answers) -> Floats:
    """Of confidence for correctness; NaN where all answers are right, or none is."""
    return _auroc(a.confidence, right(a) > 0)


def aurc(a: Answers) -> Floats:
    """Mean over questions of the error among those answered at least as surely; equally sure ones come together."""
    wrong, n = 1 - right(a), len(a)
    order = (-a.confidence).argsort(kind="stable")
    sure = a.confidence[order]
    end = np.searchsorted(-sure, -sure, side="right")  # how many are at least as sure
    risk = wrong[order].cumsum()[end - 1] / end
    start = np.searchsorted(-sure, -sure, side="left")
    behind = [np.concatenate(([0.0], v[::-1].cumsum()))[::-1] for v in (1 / end, risk / end)]  # sums over the less sure
    of_less = wrong[order] * behind[0][start] - behind[1][start]
    values = np.empty(n)
    values[order] = risk + of_less
    return values


def entropy(a: Answers) -> Floats:
    """[N] of the options' probabilities, divided by the log of their number, so that it lies in 0..1 for any number of them."""
    p = np.where(a.probabilities > 0, a.probabilities, 1.0)
    return np.asarray(-(a.probabilities * np.log(p)).sum(1) / np.log(a.options))


def ood_auroc(inside: Answers, outside: Answers) -> Floats:
    """[N inside + N outside] that a question of the own set is answered with less normalised entropy than one from outside."""
    said = -np.concatenate([entropy(inside), entropy(outside)])
    return _auroc(said, np.arange(len(said)) < len(inside))


def fpr95(inside: Answers, outside: Answers) -> Floats:
    """[N outside] 1 for those accepted where 95 % of the own set are at least: entropy up to their 95 % quantile.

    The quantile is held where the sample puts it: its own error, which more own questions shrink, is not in the spread.
    """
    if not len(outside):
        raise Refused("cannot measure FPR95; because no question is from outside; give some")
    return np.asarray(entropy(outside) <= np.quantile(entropy(inside), TPR, method="higher"), dtype=np.float64)


def risk_coverage(a: Answers) -> tuple[Floats, Floats]:
    """([L] shares of questions answered, [L] error among them), surest first; equally sure ones come together."""
    order = (-a.confidence).argsort(kind="stable")
    wrong, sure = (1 - right(a))[order].cumsum(), a.confidence[order]
    ends = np.flatnonzero(np.concatenate((sure[1:] != sure[:-1], [True])))
    return np.asarray((ends + 1) / len(a)), np.asarray(wrong[ends] / (ends + 1))


def _auroc(score: Floats, positive: npt.NDArray[np.bool_]) -> Floats:
    n, high = len(score), int(positive.sum())
    if high in (0, n):
        return np.full(n, np.nan)
    ranks, among = rankdata(score), np.empty(n)
    for kind in (positive, ~positive):
        among[kind] = rankdata(score[kind])
    below = (ranks - among) / np.where(positive, n - high, high)  # share of the other kind that lies below, ties half
    won = np.where(positive, below, 1 - below)
    area = float(won[positive].mean())
    return np.asarray(area + (won - area) / np.where(positive, high / n, 1 - high / n))


def _of_label(a: Answers) -> Floats:
    return np.asarray(a.probabilities[np.arange(len(a)), a.labels], dtype=np.float64)


ITEMS: Mapping[str, Callable[[Answers], Floats]] = {
    "accuracy": right, "nll": nll, "brier": brier, "ece (15 bins)": ece(15), "ece (10 bins)": ece(10),
    "ece (15 equal-mass bins)": ece(15, mass=True), "auroc": auroc, "aurc": aurc,
    "overconfidence": overconfidence, "confidence": confidence,
    "confidence when wrong": confidence_when_wrong}
"""Higher is better for accuracy and auroc, lower for the others."""
