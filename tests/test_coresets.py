"""How well batches stand for the data: known answers on a toy model."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from methods.objective.nll import Nll
from methods.parts import Clock, Refused
from methods.probe import Pool
from methods.selection.colm import Colm
from methods.selection.uniform import Uniform
from methods.selection.uniform_by_source import UniformBySource
from methods.streams import Streams
from repro.papers.colm.contenders import PAIRS, contenders
from suites import coresets
from suites.coresets import Contender, evaluate
from tests.toys import toy_examples, toy_llama

DATA = [dataclasses.replace(e, source=("a", "a", "a", "b", "b", "rare")[i % 6]) for i, e in enumerate(toy_examples(96))]


def measure(rules, pools=12, data=DATA, seed=0, pairs=()):
    return evaluate(toy_llama().eval(), data, rules, size=8, pools=pools, seed=seed, pad_id=0, micro_batch=4, pairs=pairs)


def test_random_picks_gain_nothing_and_the_whole_pool_gains():
    found = measure({"same": Contender(Uniform()), "whole": Contender(Uniform(), 2)})
    scores, table = found.metrics["coresets"], found.samples
    assert len(table) == 12
    assert (table["variance gain same"] == 0).all()
    assert (table["error gain same"] == 0).all()
    assert scores["variance gain whole"].value > 0.2  # half of the variance is expected to go
    assert scores["variance gain whole"].n == 12
    assert np.isfinite(scores["variance gain whole"].stderr)


def test_gains_are_the_textbook_ones():
    found = measure({"whole": Contender(Uniform(), 2)}).samples
    model = toy_llama().eval()
    where = coresets._cut(len(DATA), 8, 12, 0)
    drawn = [Pool(DATA, w, frozenset(), Nll(), model, None, 0, 8, torch.device("cpu")) for w in where]
    g = [pool.gradients(torch.arange(8)).double() for pool in drawn]
    picks = [Uniform()(pool, 4, {}, Clock(i, i + 1, 1.0), Streams(0)).index for i, pool in enumerate(drawn)]
    random = torch.stack([a[i].mean(0) for a, i in zip(g, picks, strict=True)])
    whole = torch.stack([a.mean(0) for a in g])
    gain = 1 - (whole.var(0).sum() / random.var(0).sum())
    assert found["variance gain whole"].mean() == pytest.approx(float(gain), rel=1e-4)
    everything = torch.cat(g).mean(0)
    error = 1 - (whole - everything).square().sum() / (random - everything).square().sum()
    assert found["error gain whole"].mean() == pytest.approx(float(error), rel=1e-4)


def test_skill_is_one_for_the_oracle_itself_and_about_nothing_for_chance():
    truth = Colm(z="gradient", h=None)
    found = measure({"same": Contender(truth, oracle=truth), "chance": Contender(UniformBySource(pool=2), oracle=truth)})
    scores = found.metrics["coresets"]
    assert scores["skill same"].value == 1
    assert abs(scores["skill chance"].value) < 3 * scores["skill chance"].stderr + 0.1


def test_the_studys_rules_give_every_column_and_their_differences():
    found = measure(contenders(h=4, eps=1e-3, many=4), pools=3, pairs=PAIRS)
    columns = set(found.metrics["coresets"])
    for rule in ("colm", "many", "oracle", "mixture", "random-2x"):
        assert {f"variance gain {rule}", f"error gain {rule}"} <= columns
    assert {"skill colm", "skill many", "skill many minus colm", "variance gain mixture minus colm",
            "error gain random minus colm"} <= columns
    table = found.samples
    np.testing.assert_allclose(table["error gain random minus colm"], -table["error gain colm"])


def test_too_few_examples_are_refused():
    with pytest.raises(Refused, match="two pools of 8"):
        measure({"same": Contender(Uniform())}, data=DATA[:12])
    with pytest.raises(Refused, match="two pools"):
        measure({"same": Contender(Uniform())}, pools=1)
