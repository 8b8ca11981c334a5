"""Where few items differ, or nothing does: p and intervals that no exact test would call too small."""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from repro.bootstrap import LEVEL, Estimate, estimate, redraw, settled
from repro.claims import Claim, Contrast, Goal
from repro.series import Floats, Series
from repro.simulated import LOSS, MEASURE, Drawn
from repro.sparse import ENOUGH, Few, Within
from repro.verdict import judge
from tests.reference.flips import size

BOTH_WAYS: Within = (-100.0, 100.0)


def series(values: Floats, within: Within | None = BOTH_WAYS) -> Series:
    n = values.shape[1]
    return Series(tuple(range(len(values))), values, np.arange(n), tuple(map(str, range(n))), np.ones(n), within=within)


def flips(up: int, down: int, n: int = 134, within: Within | None = BOTH_WAYS) -> Estimate:
    """The same answers differ in each of three seeds."""
    values = np.zeros((3, n))
    values[:, :up], values[:, up:up + down] = 100.0, -100.0
    return estimate(series(values, within))


def word(values: Series, goal: Goal = "above", margin: float = 0.0) -> tuple[str, str, float | None]:
    verdict = judge((Claim("C", "s", "x", "y", (Contrast("c", "l", "r", MEASURE, goal, margin),)),), Drawn({"c": values}))[0]
    return verdict.headline, verdict.why, verdict.p


@pytest.mark.parametrize("clusters", [38, 134])
@pytest.mark.parametrize(("level", "most"), [(LEVEL, 0.058), (LEVEL / 8, 0.0085)])
def test_of_all_shares_of_flips_few_show_what_is_not_true(clusters: int, level: float, most: float) -> None:
    for truth in (-0.1, -0.05, -0.02, -0.01, -0.002, 0.0, 0.02):
        assert size(clusters, truth, level) <= most
    assert size(clusters, -0.01, level, exact=False) > 5 * level  # the check can fail


@pytest.mark.parametrize(("up", "down"), [(1, 0), (3, 0), (5, 0), (7, 1), (4, 4), (1, 5)])
def test_few_flips_show_no_more_than_their_signs_do(up: int, down: int) -> None:
    e = flips(up, down)
    assert e.p_above(0.0) >= stats.binomtest(up, up + down, alternative="greater").pvalue - 1e-12
    assert e.p_below(0.0) >= stats.binomtest(up, up + down, alternative="less").pvalue - 1e-12
    assert flips(3, 0).p_above(0.0) == pytest.approx(0.125)


def test_no_flip_at_all_is_no_proof() -> None:
    e = flips(0, 0)
    assert e.stderr == 0
    assert e.p_above(-1.0) == pytest.approx(0.99**134)
    assert e.p_below(3.0) == pytest.approx(0.97**134)
    assert e.p_above(0.0) == 1.0
    high = 100 * proportion_confint(0, 134, alpha=2 * LEVEL, method="beta")[1]
    assert (e.low, e.high) == pytest.approx((-high, high))


@pytest.mark.parametrize(("up", "down"), [(0, 0), (2, 0), (3, 2), (0, 6), (8, 1)])
def test_an_interval_of_few_flips_ends_where_p_is_five_percent(up: int, down: int) -> None:
    e = flips(up, down)
    assert e.low <= e.mean <= e.high
    inside, outside = (e.p_above(e.low + 1e-6), e.p_below(e.high - 1e-6)), (e.p_above(e.low - 1e-6), e.p_below(e.high + 1e-6))
    assert max(outside) <= LEVEL + 1e-6
    assert min(inside) >= LEVEL - 1e-6


def test_shares_end_at_all_and_at_none() -> None:
    all_right = estimate(series(np.full((3, 134), 100.0), (0.0, 100.0)))
    low = 100 * proportion_confint(134, 134, alpha=2 * LEVEL, method="beta")[0]
    assert (all_right.low, all_right.high) == pytest.approx((low, 100.0))
    assert all_right.p_below(100.0) == 1.0


def test_a_bound_that_is_not_known_is_not_used() -> None:
    assert flips(4, 0, within=None).p_above(-50.0) == pytest.approx(0.0625)
    assert flips(4, 0, within=None).p_above(0.0) == pytest.approx(0.0625)
    assert flips(0, 0, within=None).no_spread


def test_enough_that_differ_are_left_to_t() -> None:
    assert flips(5, 4).few is not None
    assert flips(5, 5).few is None
    assert estimate(LOSS.drawn(np.random.default_rng(0), 0.0)).few is None
    small = np.random.default_rng(0).normal(0, 1, (3, ENOUGH))  # all ten differ from each other
    assert estimate(series(small, None)).few is None


def test_seeds_that_vary_where_items_do_not_are_left_to_t() -> None:
    values = np.array([[1.0], [2.0], [4.0]]) + np.zeros((3, 20))
    e = estimate(series(values, None))
    assert e.few is None
    assert 0 < e.p_above(0.0) < 0.5


def test_clusters_of_unequal_weight_count_as_fewer() -> None:
    share = np.array([0.5, *np.full(50, 0.01)])
    few = Few.of(np.zeros(51), share, BOTH_WAYS)
    assert few is not None
    assert few.clusters == int(1 / (share**2).sum())


def test_the_larger_p_and_the_wider_side_are_taken() -> None:
    rng = np.random.default_rng(1)
    e = estimate(series(np.repeat(rng.exponential(1, (1, 40)), 3, axis=0), None))
    plain = replace(e, skew=0.0)
    assert e.skew > 0.1
    assert e.p_above(0.6) == plain.p_above(0.6) > 0
    assert e.p_below(1.6) > plain.p_below(1.6)
    t = stats.t.ppf(1 - LEVEL, e.df)
    assert e.low == pytest.approx(e.mean - t * e.stderr)
    assert e.high > e.mean + t * e.stderr


def test_a_difference_of_redrawn_means_knows_how_few_differ() -> None:
    one, other = np.zeros((3, 50)), np.zeros((3, 50))
    one[:, :20], other[:, :17] = 100.0, 100.0
    found = settled(redraw(series(one, (0.0, 100.0))) - redraw(series(other, (0.0, 100.0))))
    assert found.few == Few(0.0, 3, 0, 50, BOTH_WAYS)


# ------------------------------------------------------------------------------------------ nothing to judge by


@pytest.mark.parametrize("numbers", [(2.0, 2.0, 2.0), (0.3, 0.1 + 0.2, 0.3), (2.0, 2.0)])
def test_one_number_a_run_that_is_always_the_same_is_not_judged(numbers: tuple[float, ...]) -> None:
    same = Series.one_each(tuple(range(len(numbers))), numbers, "x")
    assert estimate(same).no_spread
    assert estimate(same).p_above(0.0) == 1.0
    headline, why, p = word(same)
    assert (headline, p) == ("inconclusive", None)
    assert "no spread to judge by" in why


@pytest.mark.parametrize("lost", [math.nan, math.inf])
@pytest.mark.parametrize("order", ["NGH", "GNH", "GHN"])
def test_values_that_are_not_finite_spoil_no_other_claim(lost: float, order: str) -> None:
    good = series(np.random.default_rng(1).normal(5, 0.1, (3, 200)), None)
    diverged = replace(good, values=np.where(np.arange(200) == 7, lost, good.values))
    claims = tuple(Claim(i, "s", "x", "y", (Contrast(i, "l", "r", MEASURE),)) for i in order)
    found = {v.claim.id: v for v in judge(claims, Drawn({"N": diverged, "G": good, "H": good}))}
    assert [found[i].word for i in "GH"] == ["supported", "supported"]
    assert found["N"].word == "not run"
    assert "no finite numbers" in found["N"].why
