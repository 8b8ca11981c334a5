"""Lower bounds are below every tracked peak and below PyTorch's own count of operations, and tight where they can be."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig

from methods import papers
from methods.fit import Training, fit
from methods.recipe import Recipe
from methods.streams import Streams
from suites.cost.bounds import Work, bounds
from suites.cost.simulate import simulate, texts
from tests.cost_toys import DATA, RECIPES, SMALL, TRAINING, real
from tests.test_cost_simulate import parts

WORK = Work(24, 16)


@pytest.mark.parametrize("recipe", [*parts(), *RECIPES.values()], ids=str)
def test_bytes_are_below_every_peak(recipe: Recipe) -> None:
    training = replace(TRAINING, steps=2, micro_batch=None)
    found = simulate(SMALL, recipe, training, DATA)
    for bound, peak in zip(bounds(SMALL, recipe, training, WORK), found.steps, strict=True):
        assert found.weight_bytes - 4 * SMALL.hidden_size < bound.bytes <= peak.bytes


@pytest.mark.parametrize("fields", [{"precision": "bf16"}, {"precision": "bf16-mixed"}, {"gradient_checkpointing": True},
                                    {"micro_batch": None}, {"micro_batch": 1}, {"batch_size": 3}], ids=str)
@pytest.mark.parametrize("name", RECIPES)
def test_bytes_are_below_every_peak_however_it_trains(name: str, fields: dict[str, Any]) -> None:
    training = replace(TRAINING, **fields)
    data = texts(24, 24, 60, prompt=8, sources=4)
    found = simulate(SMALL, RECIPES[name], training, data)
    bound = bounds(SMALL, RECIPES[name], training, WORK)
    assert all(b.bytes <= peak.bytes for b, peak in zip(bound, found.steps, strict=True))


def test_bytes_of_full_tuning_are_four_times_the_weights() -> None:
    numbers = sum(p.numel() for p in real().parameters())
    last = bounds(SMALL, RECIPES["full"], replace(TRAINING, batch_size=1), Work(2, 1))[-1]
    assert last.bytes == 16 * numbers + 4 * len(list(real().parameters()))


def test_state_follows_the_switches() -> None:
    def of(on_switch: str) -> list[int]:
        recipe = papers.lisa(1e-3, gamma=1, K=1, on_switch=on_switch)
        return [b.bytes for b in bounds(SMALL, recipe, Training(steps=12, batch_size=1), Work(2, 1))]
    assert max(of("drop")) == min(of("drop")) == max(of("reset"))
    assert of("keep")[-1] > of("keep")[0] == of("drop")[0]


@pytest.mark.parametrize("name", ["full", "LoRA", "LISA", "MeZO"])
def test_operations_are_below_those_of_a_real_step(name: str) -> None:
    """All tokens but the first are answers. Above the bound: what no token sees, the last token.

    LoRA has more: outputs of every B and, but for the first block, input gradients of every A, which the bound takes as merged.
    """
    config = LlamaConfig(**{**SMALL.to_dict(), "num_key_value_heads": 4})
    training, data = replace(TRAINING, steps=1), texts(4, 24, 60)
    stream = fit(real(config, attention="eager"), RECIPES[name], data, training, Streams(0), pad_id=0)
    model = next(stream).model
    with FlopCounterMode(display=False) as counted:
        next(stream)
    bound = bounds(config, RECIPES[name], training, Work(24, 23))[0].operations
    apart = [p for n, p in model.named_parameters() if "lora_B" in n or ("lora_A" in n and "layers.0." not in n)]
    unmerged = sum(2 * 4 * 24 * p.numel() for p in apart)
    assert 0.75 * (counted.get_total_flops() - unmerged) < bound <= counted.get_total_flops() - unmerged


def test_frozen_weights_save_operations() -> None:
    def of(recipe: Recipe) -> int:
        return bounds(SMALL, recipe, TRAINING, WORK)[0].operations
    full, lisa, ends = of(RECIPES["full"]), of(RECIPES["LISA"]), of(papers.embeddings_and_head(1e-3))
    assert ends < lisa < full
    assert of(papers.lisa(1e-3, gamma=0, embeddings=False)) < 0.6 * ends
    assert bounds(SMALL, RECIPES["CoLM"], TRAINING, WORK)[0].pool > 0
