"""A run of an ensemble: members that train one after the other, what they are asked, and a kill between or within them."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from methods.ensemble.average import Average
from methods.examples import Example
from methods.objective.label_words import LabelWords
from methods.parts import Refused
from methods.recipe import Recipe
from methods.scope.full import Full
from methods.scope.lora import Lora
from methods.training import Training
from methods.update.adamw import AdamW
from repro.inference import disagreement, gap, read
from repro.partial import Partial
from repro.study import Arm, Run, Stage
from repro.training import Course
from suites.options.coded import Coded
from tests.toys import toy_llama

WORDS, STEPS, M = (5, 6, 7), 4, 3


class Killed(BaseException):
    """Stands for SIGKILL: nothing gets to run after it."""


def examples(n, seed):
    drawn = torch.randint(8, 20, (n, 6), generator=torch.Generator().manual_seed(seed)).tolist()
    return tuple(Example((*row, WORDS[sum(row) % 3]), 6, "", f"f{i}") for i, row in enumerate(drawn))


def coded(n, seed):
    of = examples(n, seed)
    return Coded(of, WORDS, (3,) * n, tuple(WORDS.index(e.input_ids[-1]) for e in of), tuple(e.fact for e in of), 0)


SETS = {"toys": coded(8, 1), "toys/dev": coded(6, 2), "else": coded(5, 3)}


def make(tmp_path: Path, ensemble=None, scope=None, die_at=None, probes=("answers:3",), stages=1) -> Course:
    scope = scope or Lora(r=2, dropout=0.2 if "sampled:4" in probes else 0.0)
    recipe = Recipe(scope, AdamW(lr=3e-2), objective=LabelWords(), ensemble=ensemble or Average(M))
    stage = Stage(recipe, "toys", Training(steps=STEPS, batch_size=4))
    run = Run("fake", Arm("a", "A", "toy", (stage,) * stages, (), (0,), probes=probes), 3, "tiny", 1, {})
    spoken = []

    def say(phase: str, done: int, of: int) -> None:
        spoken.append(done)
        if len(spoken) == die_at:
            raise Killed

    return Course(run, toy_llama(2), lambda key, split: list(examples(12, 0)), 0, 4, Partial(tmp_path / run.id, every_s=0.0), say,
                  lambda: SETS)


def table(course: Course, key: str):
    found = course.asker.found()
    return read(found.samples[found.samples["suite"] == f"options:{key}"])


def test_members_differ_and_the_base_comes_back(tmp_path):
    course = make(tmp_path, probes=("answers:3", "averaged"))
    before = {n: t.clone() for n, t in course.model.state_dict().items()}
    model, curve, _ = course.go()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    own, far = table(course, "toys"), table(course, "else")
    assert own.answers.shape == (3, M, 8, 3)
    assert far.answers.shape == (1, M, 5, 3)
    assert gap(own).max() > 1e-3
    assert not (own.answers[0, 0] - own.answers[0, 1]).any()  # before the first step every member is the base model
    assert len(curve.values("train_loss")) == M * STEPS
    assert own.extras["averaged"].shape == (1, 8, 3)
    found = course.asker.found()
    assert found.metrics["options:toys"]["ensemble nll"].value <= found.metrics["options:toys"]["member nll"].value


def test_members_that_share_every_stream_are_one_and_the_same(tmp_path):
    course = make(tmp_path, Average(M, fresh=()))
    course.go()
    assert not disagreement(table(course, "toys")).any()
    assert not gap(table(course, "toys")).any()


@pytest.mark.parametrize("fresh", [("init",), ("order",)])
def test_one_fresh_stream_is_enough_to_differ(tmp_path, fresh):
    course = make(tmp_path, Average(2, fresh=fresh))
    course.go()
    assert gap(table(course, "toys")).max() > 1e-4


def test_the_first_member_is_the_plain_run(tmp_path):
    many, one = make(tmp_path / "a"), make(tmp_path / "b", Average(1))
    many.go(), one.go()
    assert (table(many, "toys").answers[:, 0] == table(one, "toys").answers[:, 0]).all()


@pytest.mark.parametrize("die_at", [1, 2, 5, 6, 7, 10, 12])
@pytest.mark.parametrize("scope", [Lora(r=2), Full()])
def test_a_killed_ensemble_ends_where_an_undisturbed_one_does(tmp_path, scope, die_at):
    whole = make(tmp_path / "whole", scope=scope)
    _, curve, _ = whole.go()
    with pytest.raises(Killed):
        make(tmp_path / "cut", scope=scope, die_at=die_at).go()
    again = make(tmp_path / "cut", scope=scope)
    _, curve_again, _ = again.go()
    assert curve_again.frame().equals(curve.frame())
    for key in SETS:
        assert (table(again, key).answers == table(whole, key).answers).all()


def test_passes_with_dropout_and_a_laplace_posterior(tmp_path):
    course = make(tmp_path, Average(1), probes=("answers:3", "sampled:4", "laplace"))
    course.go()
    own = table(course, "toys")
    assert own.extras["sampled"].shape == (4, 8, 3)
    assert own.extras["laplace"].shape == (1, 8, 3)
    assert own.extras["averaged"] is None


def test_what_cannot_be_run_is_refused(tmp_path):
    with pytest.raises(Refused, match="lettered questions"):
        make(tmp_path, probes=())
    with pytest.raises(Refused, match="after one stage"):
        make(tmp_path, stages=2)
    with pytest.raises(Refused, match="has no adapters"):
        make(tmp_path, scope=Full(), probes=("answers:3", "averaged")).go()
