"""Predictions from members: laws of averaging, and what is chosen on dev questions alone."""
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from methods.ensemble.average import Average
from methods.ensemble.single import Single
from methods.parts import Refused
from methods.streams import Streams
from repro import answered, inference
from repro.claims import Missing, OfAnswers
from repro.inference import WAYS, Said, predict, read
from repro.members import Asker, frame
from suites.options.coded import Coded


def said(e=3, m=4, n=12, k=4, seed=0, extras=None):
    rng = np.random.default_rng(seed)
    answers = log_softmax(rng.normal(size=(e, m, n, k + 3)) * 2, axis=-1)[..., :k]  # out of a larger vocabulary
    return Said(answers, rng.integers(0, k, n), tuple(f"f{i // 2}" for i in range(n)), extras or {})


def nll(answers, gold):
    return -np.log(answers.probabilities[np.arange(len(gold)), gold])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 20), st.integers(2, 6), st.integers(0, 10**6))
def test_the_average_is_no_worse_than_the_mean_member(m, n, k, seed):
    s = said(2, m, n, k, seed)
    members = np.mean([nll(a, s.gold) for a in predict("member", s, None)], axis=0)
    for way in ("ensemble", "logits"):
        (together,) = predict(way, s, None)
        assert (nll(together, s.gold) <= members + 1e-9).all()


@pytest.mark.parametrize("way", ["ensemble", "logits", "vocabulary", "tempered ensemble", "early ensemble"])
def test_an_ensemble_of_one_is_its_member_and_order_does_not_matter(way):
    dev = said(seed=1)
    one = said(m=1)
    alike = {"tempered ensemble": "tempered member", "early ensemble": "early member"}.get(way, "member")
    np.testing.assert_allclose(predict(way, one, said(m=1, seed=1))[0].probabilities,
                               predict(alike, one, said(m=1, seed=1))[0].probabilities, atol=1e-12)
    s = said()
    turned = [Said(x.answers[:, ::-1], x.gold, x.facts, {}) for x in (s, dev)]
    np.testing.assert_allclose(predict(way, s, dev)[0].probabilities, predict(way, *turned)[0].probabilities, atol=1e-12)


@pytest.mark.parametrize("of", ["options", "vocabulary", "logits"])
def test_the_part_and_the_prediction_say_the_same(of):
    s = said()
    way = {"options": "ensemble"}.get(of, of)
    ours = Average(4, of=of).combine(torch.from_numpy(s.answers[-1])).numpy()
    np.testing.assert_allclose(ours, predict(way, s, None)[0].probabilities, atol=1e-12)
    np.testing.assert_allclose(Average(1, of=of).combine(torch.from_numpy(s.answers[-1, :1])).numpy(),
                               Single().combine(torch.from_numpy(s.answers[-1, :1])).numpy(), atol=1e-12)


def test_members_differ_in_the_streams_they_do_not_share():
    run = Streams(3, {"blocks": 7})
    assert Average(3).streams(run, 0) is run
    fresh = Average(3, fresh=("init",)).streams(run, 1)
    assert fresh.number("init") != run.number("init")
    assert fresh.number("order") == run.number("order")
    assert fresh.number("blocks") == run.number("blocks")
    assert Average(3, fresh=()).streams(run, 2).number("init") == run.number("init")
    assert Average(3).streams(run, 1).number("order") != Average(3).streams(run, 2).number("order")
    for wrong in ({"members": 0}, {"fresh": ("weather",)}):
        with pytest.raises(Refused, match=r"cannot use Average.*; because .*; use"):
            Average(**wrong)


def test_choices_are_made_on_dev_questions():
    s, dev = said(), said(seed=1)
    best = int(dev.nll(dev.options[-1]).argmin())
    np.testing.assert_array_equal(predict("best", s, dev)[0].probabilities,
                                  predict("member", s, dev)[best].probabilities)
    with pytest.raises(Missing, match="dev questions"):
        predict("best", s, None)
    early = predict("early member", s, dev)
    for m, of in enumerate(early):
        point = int(dev.nll(dev.options)[:, m].argmin())
        np.testing.assert_allclose(of.probabilities, np.exp(s.options[point, m]), atol=1e-12)


def test_a_temperature_has_the_least_nll_on_dev():
    one = said(n=400).options[-1, 0]
    rng = np.random.default_rng(2)
    gold = np.array([rng.choice(4, p=p) for p in np.exp(log_softmax(one / 2, axis=-1))])  # as if half as sure
    dev = Said(one[None, None], gold, ("",) * 400, {})
    t = inference.temperature(dev, one)
    losses = {f: float(dev.nll(log_softmax(one / (t * f), axis=-1))) for f in (0.9, 1.0, 1.1)}
    assert min(losses, key=losses.get) == 1.0
    assert 1.5 < t < 2.7
    assert inference.temperature(dev, log_softmax(one / t, axis=-1)) == pytest.approx(1.0, abs=0.01)


def test_subsets_points_and_names():
    s, dev = said(), said(seed=1)
    assert len(predict("ensemble of 2", s, dev)) == 6
    assert inference.subsets(4, 4) == [(0, 1, 2, 3)]
    assert len(inference.subsets(10, 5)) == inference.MOST_SUBSETS
    np.testing.assert_allclose(predict("ensemble of 1 at 0", s, dev)[2].probabilities, np.exp(s.options[0, 2]), atol=1e-12)
    for wrong, why in (("magic", "no such way"), ("ensemble of 9", "there are 4"), ("member at 7", "3 were looked at")):
        with pytest.raises(Refused, match=why):
            predict(wrong, s, dev)
    for extra in ("sampled", "averaged", "laplace"):
        with pytest.raises(Missing, match=extra):
            predict(extra, s, dev)
    assert answered.named("lora|ensemble of 3") == ("lora", "ensemble of 3")
    assert answered.named("lora") == ("lora", "member")
    assert len(WAYS) == len(set(WAYS))


def coded(n=6, k=3):
    return Coded((), tuple(range(k)), (k,) * (n - 1) + (2,), (1,) * n, tuple(f"f{i}" for i in range(n)), 0)


def written(extras=None):
    torch.manual_seed(0)
    asked = coded()
    answers = torch.randn(2, 3, 6, 3).log_softmax(-1)
    answers[..., -1, 2] = -torch.inf  # the last question has two options
    return frame("set", asked, answers, extras or {"sampled": None, "averaged": answers[0, 0], "laplace": None}), answers


def test_answers_survive_being_written(tmp_path):
    table, answers = written()
    table.to_parquet(tmp_path / "x.parquet")
    again = read(pd.read_parquet(tmp_path / "x.parquet"))
    np.testing.assert_allclose(again.answers, answers.double().numpy(), rtol=1e-6)
    assert again.extras["sampled"] is None
    np.testing.assert_allclose(again.extras["averaged"][0], answers[0, 0].double().numpy(), rtol=1e-6)
    of = predict("ensemble", again, None)[0]
    assert of.options.tolist() == [3, 3, 3, 3, 3, 2]
    assert of.probabilities[-1, 2] == 0


def measure(score, outside=None):
    return OfAnswers("set", score, score, "", True, 1.0, outside)


def test_every_score_is_taken_or_said_to_be_missing():
    table, _ = written()

    def find(key):
        return table if key in ("set", "other") else None

    for score in answered.SCORES:
        found = answered.score(measure(score, "other"), "member", find, None)
        assert np.isfinite(found.values).all()
        assert len(found.values) == len(found.facts) == len(found.items)
    with pytest.raises(Missing, match="were not asked"):
        answered.score(OfAnswers("elsewhere", "nll", "NLL", "", False), "member", find, None)
    with pytest.raises(Missing, match="second set"):
        answered.score(measure("ood auroc"), "member", find, None)


def test_identical_members_do_not_disagree_and_different_ones_do():
    s = said(m=1)
    twins = Said(np.repeat(s.answers, 2, axis=1), s.gold, s.facts, {})
    assert not inference.disagreement(twins).any()
    assert not inference.gap(twins).any()
    assert inference.disagreement(said()).mean() > 0
    assert not inference.disagreement(s).any()


def test_an_asker_puts_members_and_points_in_order():
    asked = coded()
    kept = {f"answers/{name}/{m}/{s}": torch.full((6, 3), float(10 * m + s)) for name in ("a", "a/dev")
            for m in (1, 0) for s in (8, 0, 12)}
    asker = Asker({"a": asked, "a/dev": asked}, kept, 0, 4)
    for name in ("a", "a/dev"):
        assert asker._answers(name)[:, :, 0, 0].tolist() == [[0, 10], [8, 18], [12, 22]]
