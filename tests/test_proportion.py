"""Intervals of shares of right answers: within 0 and 100 %, as wide as the error says, near the estimate's own in the middle."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from repro.bootstrap import Estimate, estimate
from repro.claims import OfAnswers, OfItems, OfMean
from repro.papers.colm.measures import variance
from repro.papers.lisa.measures import GSM8K, LOSS, MMLU
from repro.papers.lora_ensembles.measures import ECE, on
from repro.proportion import interval, is_share
from repro.series import Series


def answered(rights: list[int], items: int) -> Estimate:
    """Seeds of so many right answers, the first ones."""
    values = 100.0 * np.array([np.arange(items) < n for n in rights])
    names = tuple(map(str, range(items)))
    return estimate(Series(tuple(range(len(rights))), values, np.arange(items), names, np.ones(items)))


@pytest.mark.parametrize("rights", [[0, 1, 3], [3, 1, 0], [30, 32, 31], [0, 0, 0], [32, 32, 32], [1, 1, 1]])
def test_a_share_stays_within_0_and_100_and_its_interval_holds_it(rights: list[int]) -> None:
    e = answered(rights, 32)
    low, high = interval(e, GSM8K)
    assert 0 <= low <= e.mean <= high <= 100
    assert high - low > 2


def test_the_estimates_own_interval_does_leave_them() -> None:
    assert answered([0, 1, 3], 32).low < 0


def test_in_the_middle_it_is_nearly_the_estimates_own() -> None:
    e = answered([90, 96, 102], 192)
    assert interval(e, MMLU) == pytest.approx((e.low, e.high), abs=1.0)


def test_of_plain_answers_it_is_wilsons() -> None:
    """The error of independent answers and many degrees of freedom."""
    items, right = 200, 30
    share = right / items
    e = Estimate(100 * share, 100 * float(np.sqrt(share * (1 - share) / items)), 0, 0, 1e9, 3, items, items, 0, 1)
    wanted = binomtest(right, items).proportion_ci(0.90, "wilson")
    assert interval(e, MMLU) == pytest.approx((100 * wanted.low, 100 * wanted.high), abs=1e-6)


def test_a_larger_error_makes_it_wider() -> None:
    wide, narrow = (interval(Estimate(10.0, error, 0, 0, 9.0, 3, 99, 99, 0, 1), MMLU) for error in (6.0, 3.0))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_other_measures_keep_their_own() -> None:
    e = answered([0, 1, 3], 32)
    for measure in (LOSS, variance("colm"), on("reading", ECE), on("reading", "nll"), None):
        assert not is_share(measure)
        assert interval(e, measure) == (e.low, e.high)
    assert all(is_share(m) for m in (MMLU, on("reading", "accuracy"), OfMean((MMLU, GSM8K), "both")))
    assert not is_share(OfMean((MMLU, LOSS), "both"))
    assert isinstance(on("reading", "accuracy"), OfAnswers)
    assert isinstance(MMLU, OfItems)
