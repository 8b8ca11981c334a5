"""Intervals of shares of right answers, which stay between 0 and 100 %.

Wilson's interval (1927), taken at the number of independent answers that would give the estimate's own standard error, and at
its quantile of Student's t: seeds and clusters of items count as they do in the error. Where nothing varies, every cluster
counts as one answer.
"""
from __future__ import annotations

from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

from repro.bootstrap import LEVEL, Estimate
from repro.claims import Measure, OfAnswers, OfItems, OfMean

COLUMNS = frozenset({"correct", "original"})
"""What suites write for an item that is right (1) or wrong (0)."""
SAID = "shares of right answers have Wilson's, from the same standard error, which stays within 0 and 100 %"


def is_share(measure: Measure | None) -> bool:
    """Whether a measure is a mean of answers that are right or wrong."""
    if isinstance(measure, OfMean):
        return all(is_share(of) for of in measure.of)
    if isinstance(measure, OfAnswers):
        return measure.score == "accuracy"
    return isinstance(measure, OfItems) and measure.unit == "%" and measure.column in COLUMNS


def interval(e: Estimate, measure: Measure | None) -> tuple[float, float]:
    """The 90 % interval of a mean: the estimate's own, or for a share of right answers (%) one that stays within 0 and 100."""
    if measure is None or not is_share(measure):
        return e.low, e.high
    share, error = min(1.0, max(0.0, e.mean / measure.times)), e.stderr / measure.times
    spread = share * (1 - share)
    answers = spread / error**2 if error > 0 and spread > 0 else float(e.clusters)
    tail = 2 * float(norm.sf(t.ppf(1 - LEVEL, e.df)))
    low, high = proportion_confint(share * answers, answers, alpha=tail, method="wilson")
    return measure.times * float(low), measure.times * float(high)
