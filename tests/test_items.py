"""Per-question values whose mean is the measure of the calibration table, and whose spread is that of resampling."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from suites.calibration import items
from suites.calibration.answers import Answers
from suites.calibration.metrics import MEASURES, Draws


def answers(n=60, c=4, seed=0, ties=False, sharp=2.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, c)) * sharp
    if ties:
        logits = np.round(logits)
    return Answers.of_logits(logits, rng.integers(0, c, n))


SHARED = sorted(set(items.ITEMS) & set(MEASURES))


@pytest.mark.parametrize("name", SHARED)
@settings(max_examples=40, deadline=None)
@given(st.integers(5, 80), st.integers(2, 5), st.integers(0, 10**6), st.booleans())
def test_the_mean_over_questions_is_the_measure(name, n, c, seed, ties):
    a = answers(n, c, seed, ties)
    whole = MEASURES[name](Draws(a, np.ones((1, n)), a.labels[None]))[0]
    mean = items.ITEMS[name](a).mean()
    assert (np.isnan(whole) and np.isnan(mean)) or mean == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("name", ["accuracy", "nll", "brier", "auroc", "aurc"])
def test_the_spread_is_that_of_resampling(name):
    a = answers(400, 4, 3)
    rng = np.random.default_rng(1)
    weight = rng.multinomial(400, np.full(400, 1 / 400), size=2000).astype(float)
    again = MEASURES[name](Draws(a, weight, a.labels[None])).std()
    assert items.ITEMS[name](a).std() / np.sqrt(400) == pytest.approx(again, rel=0.1)


def test_out_of_distribution_scores():
    inside, outside = answers(80, 4, 1, sharp=4.0), answers(50, 5, 2, sharp=0.5)
    said = -np.concatenate([items.entropy(inside), items.entropy(outside)])
    where = np.arange(130) < 80
    assert items.ood_auroc(inside, outside).mean() == pytest.approx(roc_auc_score(where, said))
    assert items.ood_auroc(inside, inside).mean() == pytest.approx(0.5)
    accepted = items.fpr95(inside, outside)
    assert len(accepted) == 50
    assert items.fpr95(inside, inside).mean() == pytest.approx(0.95, abs=0.02)


def test_entropy_knows_no_number_of_options():
    for c in (2, 3, 5):
        flat, sure = Answers.of(np.full((1, c), 1 / c), [0]), Answers.of(np.eye(c)[:1], [0])
        assert items.entropy(flat)[0] == pytest.approx(1.0)
        assert items.entropy(sure)[0] == pytest.approx(0.0)


def test_what_is_not_defined_is_not_a_number():
    all_right = Answers.of([[0.9, 0.1], [0.8, 0.2]], [0, 0])
    assert np.isnan(items.auroc(all_right)).all()
    assert np.isnan(items.confidence_when_wrong(all_right)).all()


def test_confidence_when_wrong_and_risk_against_coverage():
    a = Answers.of([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]], [0, 1, 1])
    assert items.confidence_when_wrong(a).mean() == pytest.approx(0.65)
    share, risk = items.risk_coverage(a)
    np.testing.assert_allclose(share, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(risk, [0, 1 / 2, 2 / 3])
