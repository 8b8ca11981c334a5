"""The plan: distinct runs, what is missing, honest estimates, and a name for everything a run reads."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from methods import digests
from methods.fit import Training
from methods.papers import full
from repro import pins, plan
from repro.claims import Paper
from repro.scale import DataRef, ModelRef, Scale
from repro.store import Store
from repro.study import Arm, Run, Stage
from tests.engine_fakes import arm, record, result


@pytest.fixture
def scale(tmp_path: Path) -> Scale:
    weights = tmp_path / "base"
    weights.mkdir()
    (weights / "weights").write_text("1")
    return Scale("tiny", "a test", (0, 1), (), {f"base-{n}": ModelRef("x/y", folder=weights) for n in "abcd"},
                 {"texts": DataRef("x/texts", answer="text")}, {}, ("base-a",))


def paper(*arms: Arm) -> Paper:
    return Paper("fake", "Fake", "0000.00000", arms=lambda scale: arms, trials=lambda scale: {}, tables=lambda scale: (),
                 figures=lambda scale: (), claims=lambda scale: ())


def trained(name: str, steps: int) -> Arm:
    return dataclasses.replace(arm(name), stages=(Stage(full(1e-3), "texts", Training(steps=steps)),))


def test_equal_arms_share_a_run_and_ablations_wait(scale: Scale, tmp_path: Path) -> None:
    arms = (arm("a", (0, 1)), dataclasses.replace(arm("a", (0,)), name="twin"), arm("b", core=False))
    store = Store(tmp_path)
    assert len(plan.make([paper(*arms)], scale, store, "core").runs) == 2
    assert len(plan.make([paper(*arms)], scale, store, "all").runs) == 3
    assert len(plan.make([paper(arms[0]), paper(arms[0])], scale, store, "core").runs) == 2


def test_only_what_is_done_is_cached(scale: Scale, tmp_path: Path) -> None:
    store, made = Store(tmp_path), plan.make([paper(arm("a"), arm("b"))], scale, Store(tmp_path), "core")
    assert (made.cached, len(made.missing)) == (0, 2)
    one, other = made.runs
    store.put(*result(one))
    failed = dataclasses.replace(record(other), status="failed", error="no", metrics={}, cost={})
    store.put(failed, *result(other)[1:])
    again = plan.make([paper(arm("a"), arm("b"))], scale, store, "core")
    assert (again.cached, again.missing) == (1, (other,))


def test_other_weights_make_another_run(scale: Scale, tmp_path: Path) -> None:
    before = pins.pins(scale, arm("a"))["weights"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "weights").write_text("2")
    changed = dataclasses.replace(scale, models={"base-a": ModelRef("x/y", folder=other)})
    assert pins.pins(changed, arm("a"))["weights"] != before


def test_there_is_no_estimate_without_a_record(scale: Scale, tmp_path: Path) -> None:
    made = plan.make([paper(trained("a", 10))], scale, Store(tmp_path), "core")
    assert made.estimates == (None,)
    assert made.seconds(jobs=2) is None


def test_estimates_go_by_equal_work_else_by_the_rate(scale: Scale, tmp_path: Path) -> None:
    runs = plan.runs_of("fake", [trained("a", 10), trained("b", 10), trained("c", 40)], scale)
    past = record(runs[0])
    past = dataclasses.replace(past, cost={"wall_s": 7.0, "train_s": 5.0, "eval_s": 2.0, "steps": 10.0})
    assert plan.estimate(runs[1], [past]) == pytest.approx(7.0)
    assert plan.estimate(runs[2], [past]) == pytest.approx(2.0 + 40 * 0.5)


def test_the_longest_runs_come_first_and_bound_the_time(scale: Scale, tmp_path: Path) -> None:
    arms = [trained("a", 5), trained("b", 50), trained("c", 20)]
    made = plan.make([paper(*arms)], scale, Store(tmp_path), "core")
    assert [r.arm.name for r in made.missing] == ["b", "c", "a"]
    timed = dataclasses.replace(made, estimates=(50.0, 20.0, 5.0))
    assert timed.seconds(jobs=1) == pytest.approx(75.0)
    assert timed.seconds(jobs=3) == pytest.approx(50.0)


def test_the_index_names_every_arm(scale: Scale, tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = plan.make([paper(arm("a", (0, 1)), arm("b", core=False))], scale, store, "core")
    for one in made.runs:
        store.put(*result(one))
    assert [(r.arm, r.seed) for r in store.records("tiny", "fake")] == [("a", 0), ("a", 1)]


def test_code_is_pinned_by_what_it_does(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "f.py").write_text(text)
        return digests.of_files([tmp_path / "f.py"], tmp_path)

    before = digest('def f(x):\n    """Adds."""\n    return x + 1\n')
    assert digest('"""A file."""\ndef f(x):\n    # one more\n    return x + 1\n') == before
    assert digest('def f(x):\n    return x + 2\n') != before


def test_a_change_of_any_method_changes_the_code_pin(tmp_path: Path) -> None:
    for place in ("methods/scope/lisa.py", "suites/harness.py", "suites/world/draw.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("x = 1\n")
    seen = [pins.code.__wrapped__(tmp_path)]
    for place in ("methods/scope/lisa.py", "suites/harness.py"):
        (tmp_path / place).write_text("x = 2\n")
        seen.append(pins.code.__wrapped__(tmp_path))
    assert len(set(seen)) == 3
    (tmp_path / "suites/world/draw.py").write_text("x = 2\n")
    assert pins.code.__wrapped__(tmp_path) == seen[-1]


def test_a_run_is_named_by_its_content_alone() -> None:
    one = Run("fake", arm("a"), 0, "tiny", 1, {"code": "1"})
    assert dataclasses.replace(one, paper="other").id == one.id
    assert dataclasses.replace(one, seed=1).id != one.id
    assert dataclasses.replace(one, pins={"code": "2"}).id != one.id
    assert dataclasses.replace(one, threads=2).id != one.id
