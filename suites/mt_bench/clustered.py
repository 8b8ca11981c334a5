"""A mean over questions with its uncertainty: a bootstrap that draws whole questions, both turns of one together.

The standard error is the spread of the mean over resamples, times sqrt(Q / (Q - 1)) because Q questions drawn with replacement
understate their own spread; the interval is Student's with Q - 1 degrees of freedom, because the percentiles of ten questions
are too narrow. The p-value of "the mean is 0" is that t-test's, and no smaller than 2^(1 - Q), the least that flipping the
signs of Q questions could give.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from suites.resampling import times

Floats = npt.NDArray[np.float64]
DRAWS, LEVEL = 2000, 0.90


@dataclass(frozen=True)
class Estimate:
    """A mean of n values from some questions; NaN where there is too little to tell."""

    mean: float
    stderr: float
    low: float
    high: float
    n: int
    questions: int
    p: float


NAN = float("nan")
NOTHING = Estimate(NAN, NAN, NAN, NAN, 0, 0, NAN)


def mean(values: npt.ArrayLike, questions: npt.ArrayLike, bounds: tuple[float, float] = (-np.inf, np.inf), *,
         draws: int = DRAWS, seed: int = 0) -> Estimate:
    """The mean of values [N], each of a question [N]; the interval is cut to the bounds that the values have."""
    x = np.asarray(values, dtype=np.float64)
    if not len(x):
        return NOTHING
    sums, counts = _by_question(x, np.asarray(questions))
    drawn = times(len(counts), draws, seed)
    centre = float(x.mean())
    return interval(centre, (drawn @ sums) / (drawn @ counts), len(x), len(counts), bounds)


def interval(centre: float, resampled: Floats, n: int, questions: int, bounds: tuple[float, float]) -> Estimate:
    """An estimate of a statistic from its resamples over questions."""
    if questions < 2 or not np.isfinite(centre):
        return Estimate(centre, NAN, NAN, NAN, n, questions, NAN)
    finite = resampled[np.isfinite(resampled)]
    stderr = float(finite.std()) * float(np.sqrt(questions / (questions - 1)))
    half = float(stats.t.ppf((1 + LEVEL) / 2, questions - 1)) * stderr
    return Estimate(centre, stderr, max(bounds[0], centre - half), min(bounds[1], centre + half), n, questions,
                    _p(centre, stderr, questions))


def _by_question(x: Floats, questions: npt.NDArray[np.generic]) -> tuple[Floats, Floats]:
    _, at = np.unique(questions, return_inverse=True)
    return np.bincount(at, weights=x).astype(np.float64), np.bincount(at).astype(np.float64)


def _p(centre: float, stderr: float, questions: int) -> float:
    least = 2.0 ** (1 - questions)
    if stderr == 0:
        return 1.0 if centre == 0 else least
    return max(least, float(2 * stats.t.sf(abs(centre) / stderr, questions - 1)))
