"""The leaderboard: who stands on which board, who is told apart, and what becomes of what cannot be compared."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from repro import plot_pareto
from repro.bootstrap import estimate
from repro.claims import Contrast, OfItems
from repro.evidence import Evidence
from repro.leaderboard import costs, export
from repro.leaderboard.boards import ONE_SEED
from repro.leaderboard.entrants import made
from repro.leaderboard.ties import Compared, two_sided
from repro.study import SuiteCall
from tests.fake_study import Memory
from tests.leaderboard_toys import Study, all_boards, arm, board, letters, standing

LEVELS = {"good": 0.9, "same": 0.9, "bad": 0.5}


# ------------------------------------------------------------------------------------------------ who is told apart


def test_methods_are_ranked_and_told_apart() -> None:
    found = board(Study(LEVELS))
    assert letters(found) == {"Good": "a", "Same": "a", "Bad": "b"}
    assert {s.entrant.label: s.rank for s in found.standings} == {"Good": (1, 2), "Same": (1, 2), "Bad": (3, 3)}
    assert found.standings[-1].entrant.label == "Bad"


def test_less_is_better_where_the_measure_says_so() -> None:
    call = SuiteCall("heldout:alpaca-gpt4")
    arms = [arm(n, lr=i + 1.0, suites=(call,)) for i, n in enumerate(LEVELS)]

    def as_loss(frame: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
        return frame.assign(suite="heldout", nll=frame["correct"], tokens=3)

    found = board(Study(LEVELS, arms, change=as_loss))
    assert standing(found, "Bad").rank == (1, 1)
    assert found.standings[0].entrant.label == "Bad"


def test_a_pair_is_tested_as_the_paired_bootstrap_tests_it() -> None:
    """Means are redrawn once a method; the difference is that of the differences, item by item and seed by seed."""
    study = Study({"one": 0.7, "two": 0.68})
    evidence = Evidence(study.fill(Memory()), "toy", "tiny", tuple(study.arms))
    measure = OfItems("mmlu", "MMLU", "%", higher=True, times=100)
    slow = estimate(evidence.effect(Contrast("", "one", "two", measure)))
    (pair,) = board(study).pairs
    assert pair.estimate is not None
    sign = 1 if board(study).standings[0].entrant.label == "One" else -1
    mine = (sign * pair.estimate.mean, pair.estimate.stderr, pair.estimate.df)
    assert mine == pytest.approx((slow.mean, slow.stderr, slow.df), rel=1e-9)
    assert pair.p == pytest.approx(two_sided(slow), rel=1e-6)


def test_p_values_are_corrected_over_the_pairs_of_the_board() -> None:
    levels = {"a": 0.7, "b": 0.694}
    alone = board(Study(levels)).pairs[0].p
    names = {**levels, **{f"far{i}": 0.7 for i in range(6)}}
    crowd = board(Study(names))
    at = {s.entrant.label: i for i, s in enumerate(crowd.ranked)}
    corrected = next(c.p for c in crowd.pairs if set(c.pair) == {at["A"], at["B"]})
    assert alone is not None
    assert corrected is not None
    assert alone < corrected


def test_methods_that_are_alike_are_seldom_told_apart() -> None:
    """Twenty boards of four methods of one level: the correction holds a board's chance of any difference near its level."""
    wrong = 0
    for trial in range(20):
        found = board(Study({f"m{trial}-{i}": 0.7 for i in range(4)}, items=60, noise=0.1))
        wrong += any(c.differs for c in found.pairs)
    assert wrong <= 3


def test_a_metric_without_variance_ties_what_is_equal() -> None:
    found = board(Study({"one": 0.5, "two": 0.5, "more": 0.9}, noise=0.0))
    assert letters(found) == {"More": "a", "One": "b", "Two": "b"}
    assert all(s.estimate and s.estimate.stderr < 1e-12 for s in found.ranked)
    assert next(c for c in found.pairs if c.estimate and c.estimate.mean == 0).p == 1.0


def test_a_difference_of_rounding_is_none() -> None:
    found = board(Study({"one": 0.3, "two": 0.1 + 0.2}, noise=0.0))
    assert found.ranked[0].estimate != found.ranked[1].estimate
    assert set(letters(found).values()) == {"a"}


def test_pairs_of_too_few_items_are_not_told_apart() -> None:
    found = board(Study(LEVELS, items=8))
    assert set(letters(found).values()) == {"a"}
    assert "3 of 3 pairs share too few" in found.notes[0]
    assert not any(c.differs for c in found.pairs)


def test_a_pair_that_was_not_tested_never_differs() -> None:
    assert not Compared((0, 1), None, None).differs


# -------------------------------------------------------------------------------------------- who cannot be compared


def test_one_seed_is_shown_and_not_compared() -> None:
    arms = [arm("good"), arm("bad", 2.0), arm("lonely", 3.0, seeds=(0,))]
    found = board(Study({"good": 0.9, "bad": 0.5, "lonely": 0.1}, arms))
    lonely = standing(found, "Lonely")
    assert (lonely.rank, lonely.letters, lonely.why, lonely.fronts) == (None, "", ONE_SEED, ())
    assert lonely.estimate is not None
    assert lonely.estimate.seeds == 1
    assert len(found.pairs) == 1


def test_where_all_have_one_seed_nothing_is_ranked() -> None:
    found = board(Study(LEVELS, [arm(n, i + 1.0, seeds=(0,)) for i, n in enumerate(LEVELS)]))
    assert (found.ranked, found.pairs, len(found.standings)) == ((), (), 3)
    assert "nothing to compare" in found.notes[-1]


def test_a_failed_seed_is_named_and_the_pair_goes_by_the_seeds_that_both_have() -> None:
    found = board(Study(LEVELS, failed=frozenset({("bad", 1)})))
    assert [(t.label, t.kind, t.why) for t in found.troubles] == [
        ("Bad", "failed", "seed 1: Diverged: the loss <b>became</b> nan")]
    bad = standing(found, "Bad").estimate
    assert bad is not None
    assert bad.seeds == 2
    at = [s.entrant.label for s in found.ranked].index("Bad")
    assert {c.estimate.seeds for c in found.pairs if c.estimate and at in c.pair} == {2}
    assert letters(found)["Bad"] == "b"


def test_two_methods_without_a_common_seed_are_not_told_apart() -> None:
    arms = [arm("good", seeds=(0, 1)), arm("bad", 2.0, seeds=(2, 3))]
    found = board(Study({"good": 0.9, "bad": 0.1}, arms))
    assert set(letters(found).values()) == {"a"}
    assert found.pairs[0].p is None


def test_an_arm_that_failed_whole_is_listed() -> None:
    found = board(Study(LEVELS, failed=frozenset(("bad", s) for s in range(3))))
    assert {s.entrant.label for s in found.standings} == {"Good", "Same"}
    assert [t.kind for t in found.troubles] == ["failed"] * 3


def test_a_board_on_which_all_failed_is_still_there() -> None:
    found = board(Study({"bad": 0.5}, failed=frozenset(("bad", s) for s in range(3))))
    assert (found.standings, len(found.troubles)) == ((), 3)


def test_an_arm_without_items_is_listed_as_not_measured() -> None:
    found = board(Study(LEVELS, change=lambda f, a, s: f.assign(suite="other") if a == "bad" else f))
    assert {s.entrant.label for s in found.standings} == {"Good", "Same"}
    assert [(t.label, t.kind) for t in found.troubles] == [("Bad", "not measured")]


def test_nan_is_said_and_never_averaged_away() -> None:
    def broken(frame: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
        return frame.assign(correct=frame["correct"].where(frame.index > 0, np.nan)) if (name, seed) == ("bad", 1) else frame

    found = board(Study(LEVELS, change=broken))
    assert {s.entrant.label for s in found.standings} == {"Good", "Same"}
    assert [(t.label, t.kind, t.why.partition(":")[0]) for t in found.troubles] == [
        ("Bad", "not measured", "1 of 240 values of MMLU are no finite numbers")]


def test_one_method_alone_is_shown() -> None:
    found = board(Study({"only": 0.5}))
    assert (found.ranked[0].rank, found.ranked[0].letters, found.pairs) == ((1, 1), "a", ())
    assert "nothing to compare" in found.notes[0]


def test_unequal_items_are_brought_to_those_that_all_share() -> None:
    found = board(Study(LEVELS, change=lambda f, a, s: f.iloc[:60] if a == "bad" else f))
    assert "60 or 80 items: all are compared on the 60 that they share" in found.notes[0]
    assert {s.estimate.items for s in found.ranked if s.estimate} == {60}
    whole = board(Study(LEVELS, items=80))
    assert standing(found, "Good").estimate != standing(whole, "Good").estimate


def test_other_items_are_left_out_and_so_are_other_facts() -> None:
    other = board(Study(LEVELS, change=lambda f, a, s: f.assign(item=f["item"] + 1000) if a == "bad" else f))
    assert [(t.label, t.kind, t.why) for t in other.troubles] == [("Bad", "not comparable", "it was measured on other items")]
    facts = board(Study(LEVELS, change=lambda f, a, s: f.assign(fact=f["item"].astype(str)) if a == "bad" else f))
    assert [t.why for t in facts.troubles] == ["its items are of other facts"]


def test_seeds_of_one_arm_on_other_items_are_refused_by_name() -> None:
    found = board(Study(LEVELS, change=lambda f, a, s: f.iloc[:40] if (a, s) == ("bad", 2) else f))
    assert [(t.label, t.kind) for t in found.troubles] == [("Bad", "not comparable")]
    assert "different items" in found.troubles[0].why


# ------------------------------------------------------------------------------------------------ who is on which board


def test_two_names_of_the_same_runs_are_one_method() -> None:
    same = [arm("good"), arm("bad", 2.0)]
    twice = [*same, replace(arm("good"), name="again", label="Another name")]
    found = board(Study({"good": 0.9, "bad": 0.5, "again": 0.9}, twice))
    assert {s.entrant.label for s in found.standings} == {"Good = Another name", "Bad"}
    other = Study({"good": 0.9}, [arm("good")], name="other")
    both = board(Study({"good": 0.9, "bad": 0.5}, same), other)
    assert standing(both, "Good").entrant.names == ("toy/good", "other/good")


def test_methods_of_several_papers_meet_on_one_board() -> None:
    one = Study({"good": 0.9}, [arm("good")])
    two = Study({"bad": 0.5}, [arm("bad", 2.0)], name="other")
    assert letters(board(one, two)) == {"Good": "a", "Bad": "b"}


@pytest.mark.parametrize("change", [{"data": "gsm8k"}, {"base": "mistral-7b"}, {"suites": (SuiteCall("mmlu", 5, 24),)},
                                    {"suites": (SuiteCall("mmlu", 0, 48),)}])
def test_other_data_base_shots_or_limit_are_another_board(change: dict[str, object]) -> None:
    arms = [arm("good"), arm("bad", 2.0, **change)]  # type: ignore[arg-type]
    assert len(all_boards(Study({"good": 0.9, "bad": 0.5}, arms))) == 2


def test_other_weights_under_the_same_name_are_not_compared() -> None:
    one = Study({"good": 0.9, "fair": 0.8})
    two = Study({"bad": 0.5}, [arm("bad", 9.0)], name="other", pins={"weights": "others", "data alpaca-gpt4": "d"})
    found = board(one, two)
    assert [(t.label, t.why) for t in found.troubles] == [("Bad", "its weights or data have another digest")]


def test_ablations_dev_questions_and_diagnostics_have_no_board() -> None:
    arms = [arm("good"), arm("bad", 2.0, core=False)]
    assert {s.entrant.label for s in board(Study({"good": 0.9, "bad": 0.5}, arms)).standings} == {"Good"}
    unranked = (SuiteCall("options:reading/dev"), SuiteCall("coresets:math-instruct"))
    assert all_boards(Study({"good": 0.9}, [arm("good", suites=unranked)])) == ()


def test_the_base_model_stands_below_and_is_no_method() -> None:
    base = replace(arm("before", seeds=(0,)), stages=())
    found = board(Study({**LEVELS, "before": 0.2}, [*Study(LEVELS).arms, base]))
    assert found.before is not None
    assert found.before.estimate is not None
    assert found.before.estimate.seeds == 0
    assert found.before.rank is None
    assert "Before" not in letters(found)


def test_equal_labels_are_told_apart_by_name() -> None:
    arms = [arm("a/lora", label="MeZO"), arm("a/prefix", 2.0, label="MeZO")]
    assert set(letters(board(Study({"a/lora": 0.9, "a/prefix": 0.5}, arms)))) == {"MeZO (a/lora)", "MeZO (a/prefix)"}


# ------------------------------------------------------------------------------------------------------- what it costs


BASE = replace(arm("before", seeds=(0,)), stages=())
PINS = {"weights": "w", "data alpaca-gpt4": "d", "code": "c"}


def test_seconds_of_several_states_of_the_code_are_not_compared() -> None:
    one = Study({"good": 0.9}, [arm("good")])
    for pins, what in (({**PINS, "code": "later"}, "states of the code"), ({**PINS, "device": "cuda"}, "machines")):
        two = Study({"bad": 0.5}, [arm("bad", 2.0)], name="other", pins=pins)
        found = board(one, two)
        assert [s.cost.train_s for s in found.standings] == [None, None]
        assert not any("time" in s.fronts for s in found.standings)
        assert f"no seconds are shown, for the runs are of 2 {what}" in found.notes
        assert plot_pareto.panel(found, "time").points == ()
        assert {str(e) for e in (row[export.HEADER.index("training (s)")] for row in export.to_table(found).rows)} == {"–"}


def test_seconds_of_one_state_of_the_code_are_shown() -> None:
    found = board(Study({"good": 0.9}, [arm("good")]), Study({"bad": 0.5}, [arm("bad", 2.0)], name="other"))
    assert all(s.cost.train_s for s in found.standings)
    assert not any("seconds" in note for note in found.notes)


def test_other_machines_and_threads_are_other_ways_to_take_seconds() -> None:
    (record, *_) = Study({"good": 0.9}).fill(Memory()).records("tiny", "toy")
    ways = {frozenset(made(r)) for r in (
        record, replace(record, machine={"processor": "a", "cores": 2}), replace(record, machine={"processor": "b", "cores": 2}),
        replace(record, content={**record.content, "threads": 8}))}
    assert len(ways) == 4


def test_a_base_model_that_is_better_is_alone_on_the_fronts() -> None:
    found = board(Study({**LEVELS, "before": 0.95}, [*Study(LEVELS).arms, BASE]))
    assert found.before is not None
    assert found.before.fronts == ("optimizer state", "time")
    assert [s.fronts for s in found.standings] == [()] * 3
    assert found.against_base is not None
    assert (found.against_base.better, set(found.against_base.worse)) == ((), {"Good", "Same", "Bad"})
    assert export.remarks(found)[0].startswith("no method is better than the base model before training; 3 of 3 are worse")
    told = "On 1 of 1 boards no method is better than the base model before training: tiny-world MMLU (%). "
    assert told in export.readme([found])


def test_a_method_counts_as_better_than_the_base_where_its_paired_interval_leaves_out_0() -> None:
    found = board(Study({"good": 0.9, "close": 0.701, "before": 0.7}, [arm("good"), arm("close", 2.0), BASE], noise=0.05))
    assert found.against_base is not None
    assert (found.against_base.better, found.against_base.worse) == (("Good",), ())
    assert "better than the base model before training: 1 of 2 (Good)" in export.remarks(found)[0]
    assert standing(found, "Close").estimate.mean > found.before.estimate.mean  # type: ignore[union-attr]
    assert export.unmoved([found]) == ""


def test_less_loss_than_the_bases_is_better() -> None:
    call = SuiteCall("heldout:alpaca-gpt4")
    arms = [arm("good", suites=(call,)), replace(BASE, suites=(call,))]

    def as_loss(frame: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
        return frame.assign(suite="heldout", nll=frame["correct"], tokens=3)

    found = board(Study({"good": 0.5, "before": 0.9}, arms, change=as_loss))
    assert found.against_base is not None
    assert found.against_base.better == ("Good",)


def test_a_few_bytes_more_keep_no_method_off_the_front() -> None:
    state = {"plain": 700_752.0, "more": 700_776.0, "much": 1_400_000.0}
    cost = {name: {"state_bytes_peak": n} for name, n in state.items()}
    found = board(Study({"plain": 0.6, "more": 0.9, "much": 0.8}, cost=cost))
    assert {s.entrant.label: "optimizer state" in s.fronts for s in found.standings} == {
        "Plain": False, "More": True, "Much": False}


def test_fronts_go_by_state_and_by_time() -> None:
    cost = {"good": {"state_bytes_peak": 100.0, "train_s": 9.0}, "cheap": {"state_bytes_peak": 1.0, "train_s": 9.0},
            "worse": {"state_bytes_peak": 100.0, "train_s": 1.0}}
    found = board(Study({"good": 0.9, "cheap": 0.7, "worse": 0.6}, cost=cost))
    assert {s.entrant.label: s.fronts for s in found.standings} == {
        "Good": ("optimizer state", "time"), "Cheap": ("optimizer state",), "Worse": ("time",)}


def test_costs_that_no_record_holds_are_none_and_on_no_front() -> None:
    found = board(Study(LEVELS, cost={"good": {"state_bytes_peak": float("nan"), "train_s": float("nan")}}))
    good = standing(found, "Good")
    assert (good.cost.state_bytes, good.cost.train_s, good.cost.peak_gpu_bytes, good.fronts) == (None, None, None, ())


def test_a_mean_time_has_its_error_and_n() -> None:
    study = Study({"good": 0.9})
    records = study.fill(Memory()).records("tiny", "toy")
    time = costs.of(records).train_s
    assert time is not None
    assert (time.mean, time.least, time.greatest, time.n) == (7.0, 6.0, 8.0, 3)
    assert time.stderr == pytest.approx(1 / np.sqrt(3))
    assert "(no error)" in str(costs.of(records[:1]).train_s)


def test_a_member_is_charged_its_part_and_an_ensemble_keeps_all_members() -> None:
    records = Study({"good": 0.9}).fill(Memory()).records("tiny", "toy")
    member, ensemble = costs.of(records, share=0.2), costs.of(records, kept=5)
    assert (member.trainable, ensemble.trainable) == (5, 25)
    assert member.train_s is not None
    assert member.train_s.mean == pytest.approx(1.4)
    assert (member.steps, ensemble.steps) == (2, 10)
    assert (member.passes, ensemble.passes) == (1, 5)
