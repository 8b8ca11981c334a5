"""Memory over LISA's switches: freezing alone piles state up; drop and reset do not; keep piles up state and nothing else."""
from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from transformers import LlamaConfig

from methods import papers
from methods.fit import Training
from methods.recipe import Recipe
from methods.scope.lisa import Lisa
from suites.cost.footprint import Footprint
from suites.cost.loops import naive_lisa
from suites.cost.simulate import simulate, simulate_loop
from tests.cost_toys import DATA
from tests.cost_toys import SMALL as SHALLOW

SMALL = LlamaConfig(**{**SHALLOW.to_dict(), "num_hidden_layers": 5})
SWITCHES = 20
TRAINING = Training(steps=SWITCHES, batch_size=1)
LISA = Lisa(gamma=1, K=1)
STATE, GRADIENTS = "optimizer state", "gradients"


@cache
def ours(on_switch: str) -> Footprint:
    recipe: Recipe = papers.lisa(1e-3, gamma=1, K=1, on_switch=on_switch)
    return simulate(SMALL, recipe, TRAINING, DATA)


def early(found: Footprint) -> int:
    return max(peak.bytes for peak in found.steps[:3])


def late(found: Footprint) -> int:
    return max(peak.bytes for peak in found.steps[3:])


def kept(found: Footprint, kind: str) -> list[int]:
    return [peak.composition[kind] for peak in found.steps]


@pytest.mark.parametrize("on_switch", ["drop", "reset"])
def test_ours_does_not_grow(on_switch: str) -> None:
    found = ours(on_switch)
    assert max(kept(found, STATE)) <= 2 * 4 * max(found.moving) + 4 * 64
    block = found.moving[0] - (2 * SMALL.vocab_size + 1) * SMALL.hidden_size
    assert late(found) <= early(found) + 2 * 4 * block  # a block drawn twice running keeps its moments under "drop"


def test_keep_grows_in_state_alone() -> None:
    kept_all, dropped = ours("keep"), ours("drop")
    assert kept(kept_all, STATE)[-1] > 1.5 * max(kept(dropped, STATE))
    assert kept(kept_all, STATE) == sorted(kept(kept_all, STATE))
    for kind in ("weights", GRADIENTS, "activations"):
        assert max(kept(kept_all, kind)) <= max(kept(dropped, kind)) + 4 * max(kept_all.moving)


def test_freezing_alone_grows_to_full_adamw() -> None:
    naive = simulate_loop(SMALL, naive_lisa(LISA, TRAINING, DATA), TRAINING)
    full = simulate(SMALL, papers.full(1e-3), replace(TRAINING, steps=2), DATA)
    everything = max(kept(full, STATE))
    assert kept(naive, STATE)[1] < 0.7 * everything
    assert late(naive) > early(naive) + 2 * 4 * (naive.weights // SMALL.num_hidden_layers) // 2
    assert kept(naive, STATE)[-1] == everything  # every block was drawn in twenty draws of one of five


def test_gradients_that_are_zeroed_pile_up_too() -> None:
    zeroed = simulate_loop(SMALL, naive_lisa(LISA, TRAINING, DATA, set_to_none=False), TRAINING)
    freed = simulate_loop(SMALL, naive_lisa(LISA, TRAINING, DATA), TRAINING)
    assert kept(zeroed, GRADIENTS)[-1] == 4 * zeroed.weights > max(kept(freed, GRADIENTS))
