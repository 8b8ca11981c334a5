"""Verdicts: right about truths that are known, silent without evidence, and never bare where a control explains them."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from methods import papers
from methods.fit import Training
from methods.parts import Refused
from repro.bootstrap import estimate
from repro.claims import Claim, Contrast, Control, Missing, OfItems
from repro.evidence import Evidence
from repro.series import Series
from repro.study import Arm, Record, Run, Stage, SuiteCall
from repro.verdict import holm, judge, put_to_test
from repro.verdict_json import verdict_json
from tests.fake_study import Memory, curve_of, samples_of

LOSS = OfItems("heldout", "loss", "nats", higher=False, column="correct")
ITEMS, PER_FACT = 80, 4


def series(values: np.ndarray, per_fact: int = PER_FACT) -> Series:
    n = values.shape[1]
    return Series(tuple(range(len(values))), values, np.arange(n) // per_fact, tuple(map(str, range(n))), np.ones(n))


def arm(name: str, lr: float, seeds: tuple[int, ...]) -> Arm:
    stage = Stage(papers.full(lr), "d", Training(steps=1))
    return Arm(name, name, "b", (stage,), (SuiteCall("heldout"),), seeds)


def study(means: dict[str, float], *, seeds: int = 3, rng: int = 0, sd_seed: float = 0.01, sd_item: float = 0.1,
          items: int = ITEMS, failed: tuple[tuple[str, int], ...] = ()) -> Evidence:
    """Arms whose true mean losses are given, over shared items with an effect of their own."""
    generator, store = np.random.default_rng(rng), Memory()
    arms = tuple(arm(name, 0.1 * (i + 1), tuple(range(seeds))) for i, name in enumerate(means))
    fact = generator.normal(0, 0.3, items // PER_FACT).repeat(PER_FACT)
    for a in arms:
        for seed in a.seeds:
            run = Run("p", a, seed, "tiny", 1, {})
            values = means[a.name] + fact + generator.normal(0, sd_seed) + generator.normal(0, sd_item, items)
            status = "failed" if (a.name, seed) in failed else "done"
            record = Record(run.id, "p", a.name, seed, "tiny", status, None, {}, {}, run.content, {})
            store.put(record, samples_of("heldout", values, PER_FACT), curve_of(generator, 1.0, 1.0))
    return Evidence(store, "p", "tiny", arms)


def better(left: str = "a", right: str = "b", **change: object) -> Contrast:
    return dataclasses.replace(Contrast(f"{left} below {right}", left, right, LOSS), **change)


def claim(*contrasts: Contrast, name: str = "C1", controls: tuple[Control, ...] = ()) -> Claim:
    return Claim(name, "a beats b", "here", "b beats a", contrasts, controls)


def word(evidence: Evidence, *claims: Claim) -> str:
    return judge(claims or (claim(better()),), evidence)[0].word


def test_a_large_effect_is_supported_and_its_opposite_refuted() -> None:
    assert word(study({"a": 0.5, "b": 1.0})) == "supported"
    assert word(study({"a": 1.0, "b": 0.5})) == "refuted"


def test_an_effect_short_of_the_claimed_size_is_direction_only() -> None:
    assert word(study({"a": 0.8, "b": 1.0}), claim(better(margin=0.5))) == "direction only"


def test_one_seed_never_supports() -> None:
    verdict = judge((claim(better()),), study({"a": 0.1, "b": 5.0}, seeds=1))[0]
    assert verdict.word == "inconclusive"
    assert "one seed" in verdict.why


def test_seeds_that_failed_do_not_count() -> None:
    evidence = study({"a": 0.1, "b": 5.0}, failed=(("a", 0), ("b", 1)))
    verdict = judge((claim(better()),), evidence)[0]
    assert verdict.tested[0].estimate is not None
    assert verdict.tested[0].estimate.seeds == 1
    assert verdict.word == "inconclusive"


def test_an_arm_without_records_is_not_run() -> None:
    assert word(study({"a": 0.5, "c": 1.0})) == "not run"
    evidence = study({"a": 0.5, "b": 1.0}, failed=tuple(("b", s) for s in range(3)))
    assert "b failed" in judge((claim(better()),), evidence)[0].why


def test_few_independent_items_say_nothing() -> None:
    assert word(study({"a": 0.1, "b": 5.0}, items=8)) == "inconclusive"


def test_par_needs_a_narrow_interval_and_a_small_difference() -> None:
    within = claim(better(goal="within", margin=0.1))
    assert word(study({"a": 1.0, "b": 1.0}), within) == "supported"
    assert word(study({"a": 1.0, "b": 1.5}), within) == "refuted"
    assert word(study({"a": 1.0, "b": 1.0}, sd_seed=0.5, rng=3), within) == "inconclusive"


def test_no_worse_allows_the_margin_and_no_more() -> None:
    no_worse = claim(better(goal="at least", margin=0.2))
    assert word(study({"a": 1.05, "b": 1.0}), no_worse) == "supported"
    assert word(study({"a": 1.5, "b": 1.0}), no_worse) == "refuted"


def test_all_parts_must_hold() -> None:
    evidence = study({"a": 0.5, "b": 1.0, "c": 0.2})
    both = claim(better(), better("a", "c"))
    assert word(evidence, both) == "refuted"
    assert [t.outcome for t in judge((both,), evidence)[0].tested] == ["holds", "fails"]


def test_inconclusive_says_how_many_seeds() -> None:
    evidence = study({"a": 0.9, "b": 1.0}, sd_seed=0.1, rng=2)
    verdict = judge((claim(better()),), evidence)[0]
    assert verdict.word == "inconclusive"
    assert verdict.seeds_needed is not None
    assert verdict.seeds_needed > 3
    assert f"about {verdict.seeds_needed - 3} more seeds" in verdict.headline
    assert verdict_json(verdict)["more_seeds"] == verdict.seeds_needed - 3


def test_a_control_that_holds_explains_the_claim_away() -> None:
    explained = Control("c alone", (better("c", "a", goal="at least", margin=0.1),), "c does it")
    not_explained = Control("d alone", (better("d", "a", goal="at least", margin=0.1),), "d does it")
    evidence = study({"a": 0.5, "b": 1.0, "c": 0.5, "d": 2.0})
    verdict = judge((claim(better(), controls=(explained, not_explained)),), evidence)[0]
    assert verdict.headline == "supported, but explained by its control: c alone"
    assert not verdict.stands
    assert [c.outcome for c in verdict.controls] == ["explains it", "does not explain it"]
    assert judge((claim(better(), controls=(not_explained,)),), evidence)[0].stands


def test_a_claim_does_not_stand_while_a_control_is_undecided() -> None:
    unsure = Control("c alone", (better("c", "a", goal="at least", margin=0.0),), "c does it")
    verdict = judge((claim(better(), controls=(unsure,)),), study({"a": 0.5, "b": 1.0, "c": 0.5}, rng=4))[0]
    assert verdict.controls[0].outcome == "undecided"
    assert verdict.headline == "supported, but undecided against its control: c alone"
    assert not verdict.stands


def test_a_claim_whose_control_has_not_run_is_not_supported() -> None:
    absent = Control("e", (better("e", "a"),), "e does it")
    verdict = judge((claim(better(), controls=(absent,)),), study({"a": 0.5, "b": 1.0}))[0]
    assert verdict.word == "inconclusive"
    assert "its controls have not run: e" in verdict.why


def test_many_claims_are_corrected_by_holm() -> None:
    evidence = study({"a": 0.975, "b": 1.0}, sd_seed=0.02, rng=5)
    alone = judge((claim(better()),), evidence)[0]
    among = judge(tuple(claim(better(), name=f"C{i}") for i in range(12)), evidence)[0]
    assert alone.p is not None
    assert among.p == pytest.approx(min(1.0, 12 * alone.p))
    assert (alone.word, among.word) == ("supported", "direction only")


def test_holm_is_the_known_one() -> None:
    from statsmodels.stats.multitest import multipletests

    for seed in range(20):
        p = np.random.default_rng(seed).random(9) ** 3
        ours = holm({str(i): float(v) for i, v in enumerate(p)})
        assert [ours[str(i)] for i in range(9)] == pytest.approx(list(multipletests(p, method="holm")[1]))


def test_claims_that_cannot_be_tried_say_why() -> None:
    untried = Claim("C9", "needs a judge", "", "", untried="untestable", reason="no judge")
    verdict = judge((untried,), study({"a": 1.0, "b": 1.0}))[0]
    assert (verdict.word, verdict.why) == ("untestable", "no judge")


def test_json_carries_n_effect_interval_and_p() -> None:
    part = verdict_json(judge((claim(better()),), study({"a": 0.5, "b": 1.0}))[0])["contrasts"][0]
    assert part["n_seeds"] == 3
    assert part["n_items"] == ITEMS
    assert part["n_clusters"] == ITEMS // PER_FACT
    assert part["low_90"] < part["effect"] < part["high_90"]
    assert 0 <= part["p"] <= 1


# ------------------------------------------------------------------------------------------ the statistics


@pytest.mark.parametrize(("sd_seed", "sd_fact", "sd_item"), [(1.0, 0.0, 1.0), (0.3, 3.0, 1.0), (0.0, 1.0, 0.3), (1.0, 1.0, 3.0)])
def test_under_a_true_null_few_studies_are_significant(sd_seed: float, sd_fact: float, sd_item: float) -> None:
    rng, studies, hits = np.random.default_rng(11), 400, 0
    for _ in range(studies):
        fact = rng.normal(0, sd_fact, ITEMS // PER_FACT).repeat(PER_FACT)
        values = rng.normal(0, sd_seed, (3, 1)) + fact + rng.normal(0, sd_item, (3, ITEMS))
        hits += estimate(series(values), replicates=400).p_above(0.0) <= 0.05
    assert stats.binomtest(hits, studies, 0.05, alternative="greater").pvalue > 0.001


def test_ignoring_that_items_share_a_fact_would_be_wrong() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, ITEMS // PER_FACT).repeat(PER_FACT) + rng.normal(0, 0.01, (3, ITEMS))
    assert estimate(series(values)).stderr > 1.5 * estimate(series(values, per_fact=1)).stderr


def test_under_a_large_effect_nearly_all_studies_find_it() -> None:
    found = [word(study({"a": 0.8, "b": 1.0}, rng=i, sd_seed=0.02)) for i in range(20)]
    assert found.count("supported") >= 18


def test_stderr_of_seeds_alone_is_the_textbook_one() -> None:
    values = np.array([[1.0], [2.0], [4.0]])
    e = estimate(Series.one_each((0, 1, 2), list(values[:, 0]), "x"), replicates=20000)
    assert e.mean == pytest.approx(7 / 3)
    assert e.stderr == pytest.approx(values.std(ddof=1) / np.sqrt(3), rel=0.02)
    assert e.df == 2


def test_an_interval_ends_where_p_is_five_percent() -> None:
    e = estimate(series(np.random.default_rng(0).normal(1, 1, (3, ITEMS))))
    assert e.p_above(e.low) == pytest.approx(0.05)
    assert e.p_below(e.high) == pytest.approx(0.05)


# ------------------------------------------------------------------------------------------ lining up


def test_items_count_by_their_weight() -> None:
    values = np.array([[1.0, 5.0], [1.0, 5.0]])
    weighted = Series((0, 1), values, np.arange(2), ("a", "b"), np.array([3.0, 1.0]))
    assert estimate(weighted).mean == pytest.approx(2.0)
    with pytest.raises(Refused, match="weights"):
        dataclasses.replace(weighted, weight=np.zeros(2))


def test_an_empty_set_raises() -> None:
    with pytest.raises(Refused, match="empty set"):
        Series((), np.empty((0, 3)), np.zeros(3, np.int64), ("a", "b", "c"), np.ones(3))


def test_unequal_items_cannot_be_paired() -> None:
    one, other = study({"a": 1.0}), study({"x": 1.0, "b": 1.0}, items=40)
    merged = Memory()
    for e, name in ((one, "a"), (other, "b")):
        for r in (r for r in e.source.records("tiny", "p") if r.arm == name):
            merged.put(r, e.source.samples(r.run_id), e.source.curve(r.run_id))
    evidence = Evidence(merged, "p", "tiny", (*one.arms, other.arms[1]))
    with pytest.raises(Refused, match="different items"):
        evidence.effect(better())


def test_an_untrained_model_goes_with_every_seed() -> None:
    trained = study({"a": 0.5})
    plain = Arm("base", "base", "b", (), (SuiteCall("heldout"),), (0,))
    run = Run("p", plain, 0, "tiny", 1, {})
    record = Record(run.id, "p", "base", 0, "tiny", "done", None, {}, {}, run.content, {})
    store = trained.source
    assert isinstance(store, Memory)
    store.put(record, samples_of("heldout", np.full(ITEMS, 2.0), PER_FACT), curve_of(np.random.default_rng(0), 1, 1))
    tested = put_to_test(Evidence(store, "p", "tiny", (*trained.arms, plain)), better("a", "base"))
    assert tested.holds
    assert tested.estimate is not None
    assert tested.estimate.seeds == 3


def test_two_states_of_the_code_are_not_mixed() -> None:
    evidence = study({"a": 1.0})
    old = evidence.source.records("tiny", "p")[0]
    assert isinstance(evidence.source, Memory)
    evidence.source.put(dataclasses.replace(old, run_id="other"), evidence.source.samples(old.run_id),
                        evidence.source.curve(old.run_id))
    with pytest.raises(Refused, match="pinned"):
        Evidence(evidence.source, "p", "tiny", evidence.arms)


def test_a_run_serves_every_arm_with_its_content() -> None:
    evidence = study({"a": 1.0})
    twin = dataclasses.replace(evidence.arms[0], name="twin", label="the same under another name")
    both = Evidence(evidence.source, "p", "tiny", (*evidence.arms, twin))
    assert np.array_equal(both.series("a", LOSS).values, both.series("twin", LOSS).values)


def test_a_measure_that_was_not_taken_is_missing() -> None:
    with pytest.raises(Missing, match="not measured"):
        study({"a": 1.0}).series("a", dataclasses.replace(LOSS, suite="mmlu"))


def test_a_range_is_over_arms_per_seed() -> None:
    spread = study({"a": 1.0, "b": 1.3, "c": 1.1}, sd_seed=0.0).effect(
        Contrast("range", ("a", "b", "c"), None, LOSS, "within", 0.5))
    assert spread.values.mean() == pytest.approx(0.3, abs=0.05)
