"""A run's stages: what is watched, and that a run which was killed goes on to the same numbers."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from methods import papers
from methods.parts import Refused
from methods.recipe import Recipe
from methods.training import Training
from repro.curve import Curve, evenly
from repro.partial import Partial
from repro.study import Arm, Run, Stage
from repro.training import Course
from tests.toys import toy_examples, toy_llama, weights_of

STEPS = 6


class Killed(BaseException):
    """Stands for SIGKILL: nothing gets to run after it."""


def make(tmp_path: Path, *recipes: Recipe, die_at: int | None = None, probes: tuple[str, ...] = ("dev", "norms")) -> Course:
    stages = tuple(Stage(r, "toys", Training(steps=STEPS, batch_size=4, schedule="linear")) for r in recipes)
    run = Run("fake", Arm("a", "A", "toy", stages, (), (0,), probes=probes), 3, "tiny", 1, {})

    def say(phase: str, done: int, of: int) -> None:
        if done == die_at:
            raise Killed

    data = {"train": toy_examples(12), "dev": toy_examples(5)}
    return Course(run, toy_llama(2), lambda key, split: data[split], 0, 4, Partial(tmp_path / run.id, every_s=0.0), say)


RECIPES = {"full": (papers.full(1e-3),), "lora": (papers.lora(1e-3, r=2, alpha=4),), "lisa": (papers.lisa(1e-3, 1, 2),),
           "two stages": (papers.lisa(1e-3, 1, 2), papers.lora(1e-3, r=2, alpha=4))}


DEATHS = [(n, at) for n in RECIPES for at in (1, 4, STEPS)] + [("two stages", STEPS + 2), ("two stages", 2 * STEPS)]


@pytest.mark.parametrize(("name", "die_at"), DEATHS)
def test_a_killed_run_ends_where_an_undisturbed_one_does(name: str, die_at: int, tmp_path: Path) -> None:
    recipes = RECIPES[name]
    model, curve, _ = make(tmp_path / "whole", *recipes).go()
    with pytest.raises(Killed):
        make(tmp_path / "cut", *recipes, die_at=die_at).go()
    again, curve_again, _ = make(tmp_path / "cut", *recipes).go()
    assert curve_again.frame().equals(curve.frame())
    for (name_, a), (_, b) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(a, b), name_


def test_a_resumed_run_does_not_train_again_what_is_done(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        make(tmp_path, papers.full(1e-3), die_at=4).go()
    seen: list[int] = []
    course = make(tmp_path, papers.full(1e-3))
    course.say = lambda phase, done, of: seen.append(done)
    course.go()
    assert seen == [4, 5, 6]


def test_the_curve_holds_what_was_asked_for(tmp_path: Path) -> None:
    _, curve, seconds = make(tmp_path, *RECIPES["two stages"]).go()
    frame = curve.frame()
    steps = frame[frame.kind == "train_loss"].step.tolist()
    assert steps == list(range(1, 2 * STEPS + 1))
    assert seconds > 0
    assert {"lr", "state_bytes", "dev_loss", "dev_n", "norm", "delta_norm", "active", "tokens"} <= set(frame.kind)
    assert set(frame[(frame.kind == "norm") & (frame.step == 0)].layer) == {"embedding", "0", "1", "head"}
    bare = make(tmp_path / "bare", papers.full(1e-3), probes=()).go()[1].frame()
    assert not {"dev_loss", "norm"} & set(bare.kind)


def test_an_arm_says_at_how_many_steps_a_probe_looks(tmp_path: Path) -> None:
    frame = make(tmp_path, papers.full(1e-3), probes=("dev:2", "norms:3")).go()[1].frame()
    assert frame[frame.kind == "dev_loss"].step.tolist() == [0, STEPS]
    assert sorted(set(frame[frame.kind == "norm"].step)) == [0, round(STEPS / 2), STEPS]


@pytest.mark.parametrize("probe", ["devv", "dev:1"])
def test_a_probe_that_is_none_is_refused(tmp_path: Path, probe: str) -> None:
    with pytest.raises(Refused, match="a probe is one of dev, norms, choice, sources"):
        make(tmp_path, papers.full(1e-3), probes=(probe,))


def of_kind(curve: Curve, kind: str, step: int) -> dict[str, float]:
    frame = curve.frame()
    rows = frame[(frame.kind == kind) & (frame.step == step)]
    return dict(zip(rows.layer, rows.value, strict=True))


def test_norms_are_those_of_the_weights_and_of_their_change(tmp_path: Path) -> None:
    before = toy_llama(2)
    after, curve, _ = make(tmp_path, papers.full(1e-3)).go()

    def norm(of: nn.Module, minus: nn.Module | None = None) -> float:
        old = weights_of(minus) if minus else {}
        parts = [(p - old[n] if minus else p).flatten() for n, p in weights_of(of).items() if ".layers.0." in n]
        return float(torch.cat(parts).double().norm())

    assert of_kind(curve, "norm", 0)["0"] == pytest.approx(norm(before))
    assert set(of_kind(curve, "delta_norm", 0).values()) == {0.0}
    assert of_kind(curve, "norm", STEPS)["0"] == pytest.approx(norm(after))
    assert of_kind(curve, "delta_norm", STEPS)["0"] == pytest.approx(norm(after, before), rel=1e-4)


def test_an_adapters_change_is_that_of_the_merged_weights(tmp_path: Path) -> None:
    before = weights_of(toy_llama(2))
    after, curve, _ = make(tmp_path, papers.lora(1e-2, r=2, alpha=4)).go()
    moved = [(p - before[n]).flatten() for n, p in weights_of(after).items() if ".layers.1." in n]
    assert of_kind(curve, "delta_norm", STEPS)["1"] == pytest.approx(float(torch.cat(moved).norm()), rel=1e-3)
    assert of_kind(curve, "delta_norm", 0)["1"] == 0.0
    assert of_kind(curve, "norm", 0)["1"] > 0


def test_a_run_without_stages_is_the_base_model(tmp_path: Path) -> None:
    model, curve, seconds = make(tmp_path).go()
    assert (curve.rows, seconds) == ([], 0.0)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), toy_llama(2).parameters(), strict=True))


def test_a_short_run_writes_no_checkpoint(tmp_path: Path) -> None:
    course = make(tmp_path, *RECIPES["two stages"])
    course.partial = dataclasses.replace(course.partial, every_s=3600.0)
    course.go()
    assert not list(tmp_path.rglob("*"))


def test_points_are_even_and_hold_both_ends() -> None:
    assert sorted(evenly(100, 11)) == list(range(0, 101, 10))
    assert sorted(evenly(3, 11)) == [0, 1, 2, 3]
