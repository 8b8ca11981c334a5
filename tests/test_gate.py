"""The regression gate: planted regressions are caught and named, reruns pass, and what cannot be judged is said so."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from methods.parts import Refused
from repro.gate import costs, items, noise, words
from repro.gate.lineup import Pair
from repro.gate.words import higher, margin
from repro.store import Store
from repro.study import Record
from tests.gate_toys import Study, check_of, failing, in_suite, judged, noisy, only, rewrite
from tests.reference.gate_paired import by_bootstrap, by_loops

# ------------------------------------------------------------------------------------------- planted regressions


def test_equal_records_pass_and_every_metric_was_looked_at(tmp_path: Path) -> None:
    found = judged(tmp_path, Study())
    assert (found.status, found.runs) == (0, 12)
    assert sum(c.kind == "quality" for c in found.checks) == 8
    assert {c.outcome for c in found.checks} == {"same"}


def test_a_lisa_that_never_switches_is_caught_though_its_loss_is_the_same(tmp_path: Path) -> None:
    found = judged(tmp_path, Study(still=("1", "2")))
    assert ("lisa", "layers") in failing(found)
    assert {kind for _, kind in failing(found)} == {"layers"}
    assert "still now: 1, 2" in check_of(found, "lisa", "layers that moved").why


def test_one_flipped_label_is_caught(tmp_path: Path) -> None:
    def flip(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.copy()
        frame.loc[7, "gold"] = (frame.loc[7, "gold"] + 1) % 4
        return frame

    found = judged(tmp_path, Study(change=only("lora", flip, 1)))
    assert failing(found) == [("lora", "labels")]
    assert check_of(found, "lora", "mmlu relabelled").why == "1 item relabelled"


def test_an_item_that_is_lost_and_one_that_is_another_are_caught(tmp_path: Path) -> None:
    found = judged(tmp_path, Study(change=only("lora", lambda f: f.drop(index=11).reset_index(drop=True), 0)))
    assert failing(found) == [("lora", "items")]
    assert [c.name for c in found.failing] == ["mmlu lost"]
    found = judged(tmp_path, Study(change=only("colm", lambda f: f.assign(fact=f["fact"].where(f.index != 11, "other")))))
    assert sorted(c.name for c in found.failing) == ["mmlu added", "mmlu lost"]


def test_the_same_items_in_another_order_are_the_same(tmp_path: Path) -> None:
    found = judged(tmp_path, Study(change=lambda f, arm, seed: f.iloc[::-1].reset_index(drop=True)))
    assert (found.status, found.of("better", "skipped")) == (0, [])


def test_a_step_twice_as_slow_is_caught_on_a_machine_three_times_as_slow(tmp_path: Path) -> None:
    slow = {a: {"train_s": 18.0 * (2 if a == "colm" else 1)} for a in ("full", "lisa", "lora", "colm")}
    found = judged(tmp_path, Study(cost=slow))
    assert failing(found) == [("colm", "time")]
    assert judged(tmp_path, Study(cost={a: {"train_s": 18.0} for a in slow})).status == 0


def test_time_is_not_compared_on_another_device_or_for_one_seed() -> None:
    def record(device: str, train_s: float) -> Record:
        return Record("r", "p", "a", 0, "tiny", "done", None, {}, {"train_s": train_s, "steps": 10.0},
                      {"pins": {"device": device}, "threads": 1}, {})

    def clock(device: str, seeds: int) -> costs.Clock:
        made = costs.Clock()
        for i in range(12):
            made.add([Pair(("p", f"a{i}", s), True, True, record("cpu", 5.0), record(device, 5.0 * (1 + 9 * (i == 3))))
                      for s in range(seeds)])
        return made

    assert [c.arm for c in clock("cpu", 2).checks() if c.fails] == ["a3"]
    assert list(clock("cuda", 2).checks()) == []
    assert list(clock("cpu", 1).checks()) == []


@pytest.mark.parametrize(("name", "value", "kind"), [
    ("state_bytes_peak", 4.1e6, "memory"), ("peak_rss_bytes", 1.2e9, "memory"), ("tokens", 3.1e4, "work"),
    ("active", 4e5, "work")])
def test_more_memory_and_other_work_are_caught(tmp_path: Path, name: str, value: float, kind: str) -> None:
    found = judged(tmp_path, Study(cost={"lisa": {name: value}}))
    assert failing(found) == [("lisa", kind)]
    less = judged(tmp_path, Study(cost={"lisa": {"state_bytes_peak": 3e6}}))
    assert (less.status, [c.name for c in less.of("better")]) == (0, ["state_bytes_peak"])


@pytest.mark.parametrize(("selection", "measured", "tokens", "outcome"), [
    ("Uniform", None, 30_000, "same"), ("Uniform", None, 30_002, "changed"), ("UniformBySource", None, 30_002, "changed"),
    ("Uniform", 0.0, 30_002, "changed"),
    ("Colm", None, 30_149, "same"), ("Colm", None, 30_151, "changed"),
    ("Colm", 0.0, 30_002, "changed"), ("Colm", 2.0, 30_004, "same"), ("Colm", 2.0, 30_005, "changed")])
def test_tokens_may_move_as_far_as_repeats_did(selection: str, measured: float | None, tokens: float, outcome: str) -> None:
    content = {"stages": [{"recipe": {"selection": {"part": selection}}}]}
    before, now = (Record("r", "p", "a", 0, "tiny", "done", None, {}, {"tokens": n}, content, {}) for n in (30_000, tokens))
    floor = noise.Noise(2, {} if measured is None else {("p/a", noise.WORK, "tokens"): measured})
    check, = costs.work([Pair(("p", "a", 0), True, True, before, now)], floor)
    assert check.outcome == outcome


def test_worse_fails_and_better_does_not(tmp_path: Path) -> None:
    found = judged(tmp_path, Study(change=only("lisa", in_suite("heldout", "nll", lambda v: v + 0.02))))
    assert failing(found) == [("lisa", "quality")]
    assert check_of(found, "lisa", "heldout nll").change == pytest.approx(0.02)
    found = judged(tmp_path, Study(change=only("lisa", in_suite("heldout", "nll", lambda v: v - 0.02))))
    assert (found.status, [c.name for c in found.of("better")]) == (0, ["heldout nll"])


def test_a_metric_of_unknown_direction_fails_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "higher", lambda metric: None)
    for shift in (-0.02, 0.02):
        found = judged(tmp_path, Study(change=only("lisa", in_suite("heldout", "nll", lambda v, by=shift: v + by))))
        assert [(c.arm, c.outcome) for c in found.failing] == [("lisa", "changed")]


def test_a_number_that_became_nan_and_a_metric_that_is_gone_fail(tmp_path: Path) -> None:
    found = judged(tmp_path, Study(change=only("lisa", in_suite("heldout", "nll", lambda v: v * np.nan))))
    assert failing(found) == [("lisa", "quality")]
    path = next(p for p in sorted((tmp_path / "fresh" / "tiny").glob("*.json")) if json.loads(p.read_text())["arm"] == "lora")
    rewrite(path, lambda record: record["metrics"].pop("mmlu"))
    from repro.gate.compare import compare

    found = compare(Store(tmp_path / "fresh"), Store(tmp_path / "reference"), "tiny", {})
    assert "gone in 1 of 3 runs" in check_of(found, "lora", "mmlu acc").why


def test_a_metric_that_one_seed_alone_has_is_paired_for_that_seed(tmp_path: Path) -> None:
    Study().write(tmp_path / "reference")
    paths = sorted((tmp_path / "reference" / "tiny").glob("*.json"))
    without = [p for p in paths if (r := json.loads(p.read_text()))["arm"] == "lisa" and r["seed"] != 1]
    for path in without:
        rewrite(path, lambda record: record["metrics"].pop("heldout"))
    found = judged(tmp_path, Study(change=only("lisa", in_suite("heldout", "nll", lambda v: v + 0.02), 1)))
    assert len(without) == 2
    assert failing(found) == [("lisa", "quality")]
    assert check_of(found, "lisa", "heldout nll").seeds == 1


def test_missing_and_failed_runs_fail_but_not_those_that_nobody_asked_for(tmp_path: Path) -> None:
    assert failing(judged(tmp_path, Study(absent=("lora",)))) == [("lora", "run")]
    found = judged(tmp_path / "2", Study(failed=("colm",)))
    assert failing(found) == [("colm", "run")]
    assert "the loss became nan" in found.failing[0].why
    core = Study(absent=("lora",), ablations=("lora",))
    assert judged(tmp_path / "3", core).status == 0
    assert failing(judged(tmp_path / "3", core, arms="all")) == [("lora", "run")]


def test_a_failed_ablation_that_ran_fails(tmp_path: Path) -> None:
    assert failing(judged(tmp_path, Study(failed=("lora",), ablations=("lora",)))) == [("lora", "run")]


def test_new_arms_and_arms_no_longer_planned_are_told_and_do_not_fail(tmp_path: Path) -> None:
    found = judged(tmp_path, Study(arms=("full", "lisa", "lora", "new")))
    assert found.status == 0
    assert {(c.arm, c.why.partition(":")[0]) for c in found.of("skipped")} == {("new", "new"), ("colm", "no longer planned")}


def test_nothing_in_common_cannot_be_judged(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="share no finished run"):
        judged(tmp_path, Study(arms=("a",)), Study(arms=("b",)))
    Study().write(tmp_path / "fresh")
    with pytest.raises(Refused, match="share no finished run"):
        judged(tmp_path / "2", Study(), Study(arms=()))


def test_a_reference_without_an_index_is_compared_too(tmp_path: Path) -> None:
    Study().write(tmp_path / "reference")
    (tmp_path / "reference" / "tiny" / "index" / "fake.json").unlink()
    assert judged(tmp_path, Study()).runs == 12


def test_many_arms_are_shared_out_and_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(change=noisy(1, sd=0.05), failed=("lora",))
    alone = judged(tmp_path, study)
    monkeypatch.setattr("repro.gate.compare.MANY", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert judged(tmp_path, study) == alone
    (tmp_path / "fresh" / "tiny" / "index" / "fake.json").read_text()
    broken = next((tmp_path / "fresh" / "tiny").glob("*.json"))
    broken.write_text("{")
    from repro.gate.compare import compare

    with pytest.raises(Refused, match=broken.name):
        compare(Store(tmp_path / "fresh"), Store(tmp_path / "reference"), "tiny", {})


# ------------------------------------------------------------------------------------------------ the statistics


def test_fifty_reruns_on_other_machines_pass_fifty_times(tmp_path: Path) -> None:
    """300 items, 3 seeds, 4 arms: losses move by 0.003 an item, one answer of a hundred flips."""
    before = Study(items=300)
    found = [judged(tmp_path, dataclasses.replace(before, change=noisy(i)), before) for i in range(50)]
    assert [f.status for f in found] == [0] * 50
    assert all(any(c.change for c in f.checks if c.kind == "quality") for f in found)


@pytest.mark.parametrize(("suite", "column", "harm"), [
    ("heldout", "nll", lambda v, random: v + 0.01),
    ("mmlu", "correct", lambda v, random: np.where(random.random(len(v)) < 0.08, 0.0, v)),
], ids=["loss +0.01", "accuracy -5 points"])
def test_the_stated_effects_are_caught_in_nine_calls_of_ten(tmp_path: Path, suite: str, column: str, harm) -> None:  # type: ignore[no-untyped-def]
    """Of one arm, 300 items and 3 seeds, among reruns' noise: 0.01 nats, and about five points of accuracy."""
    before, hits = Study(items=300), 0
    for i in range(20):
        random, noise_of = np.random.default_rng(i), noisy(i)
        plant = only("lisa", in_suite(suite, column, lambda v, r=random: harm(v, r)))
        now = dataclasses.replace(before, change=lambda f, arm, seed, n=noise_of, p=plant: p(n(f, arm, seed), arm, seed))
        hits += ("lisa", "quality") in failing(judged(tmp_path, now, before))
    assert hits >= 18


def test_what_is_stated_as_detectable_is_what_is_detected(tmp_path: Path) -> None:
    worse = only("lisa", in_suite("heldout", "nll", lambda v: v + np.random.default_rng(0).normal(0.01, 0.05, len(v))))
    found = check_of(judged(tmp_path, Study(change=worse)), "lisa", "heldout nll")
    assert found.margin is not None
    assert found.stderr is not None
    assert found.detectable is not None
    assert found.margin + 4 * found.stderr < found.detectable < found.margin + 8 * found.stderr


def test_less_than_the_smallest_effect_never_fails(tmp_path: Path) -> None:
    (tmp_path / "reference" / "tiny" / "gate").mkdir(parents=True)
    Study().write(tmp_path / "reference")
    arms = {f"fake/{a}": 0.0 for a in ("full", "lisa", "lora", "colm")}
    floor = {"repeats": 2, "spread": {"heldout": {"nll": arms}, "mmlu": {"acc": arms}}}
    (tmp_path / "reference" / "tiny" / "gate" / "noise.json").write_text(json.dumps(floor))
    for shift, status in ((0.9 * words.SMALLEST, 0), (2 * words.SMALLEST, 1)):
        found = judged(tmp_path, Study(change=only("lisa", in_suite("heldout", "nll", lambda v, by=shift: v + by))))
        assert found.status == status
    assert "between 2 repeats" in found.notes[0]


def test_the_noise_floor_is_what_a_number_may_move_by(tmp_path: Path) -> None:
    assert margin(0.5, None) == words.FALLBACK
    assert margin(0.5, 0.0) == words.SMALLEST
    assert margin(0.5, 0.3) == 0.3 * words.SAFETY
    assert margin(-50.0, None) == 50 * words.FALLBACK


def test_directions_are_known_by_their_words() -> None:
    assert [higher(m) for m in ("acc", "exact_match,strict-match", "variance gain colm", "ensemble acc", "score")] == [True] * 5
    assert [higher(m) for m in ("nll", "loss", "variance colm at 0.5 b", "member nll")] == [False] * 4
    assert higher("by_program") is None


def differences(rng: np.random.Generator, seeds: int, items_: int) -> list[items.Differences]:
    fact = rng.normal(0, 1, items_ // 4).repeat(4)
    return [items.Differences(fact + rng.normal(0, 1, items_), rng.integers(1, 9, items_).astype(float),
                              np.array([f"f{i // 4}" for i in range(items_)], dtype=object)) for _ in range(seeds)]


def test_the_paired_error_is_the_slow_one_and_the_bootstraps() -> None:
    rng = np.random.default_rng(3)
    for seeds in (1, 3):
        found = differences(rng, seeds, 240)
        assert items.pooled(found) == pytest.approx(by_loops(found))
        assert items.pooled(found)[1] == pytest.approx(by_bootstrap(found, 1500, rng), rel=0.1)
    alone = [dataclasses.replace(d, facts=np.array([f"i{i}" for i in range(240)], dtype=object)) for d in found]
    assert items.pooled(found)[1] > 1.3 * items.pooled(alone)[1]
