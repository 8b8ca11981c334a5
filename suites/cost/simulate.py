"""The memory of a training run: simulated without numbers on any configuration, or measured on a real model, by one tracker.

What runs is the run itself: the recipe's own parts through `methods.fit.fit`, micro-batch by micro-batch and switch by
switch; the simulated one differs in that its weights hold no numbers (`suites.cost.hollow` says what follows from that).
"""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from methods import directions
from methods.examples import Example
from methods.fit import Training
from methods.parts import Refused
from methods.recipe import Recipe
from suites.cost.footprint import Footprint
from suites.cost.hollow import Hollowing, hollow
from suites.cost.loops import Loop, ours
from suites.cost.tracker import Kind, Peak, Tracker

MASKED = ("roberta",)
"""Model types without a next token."""
CONCRETE = ("forward", "selection")
"""Phases in which new tables have numbers: masks and scores. In others they are weights, optimizer state, random directions."""


def simulate(config: Any, recipe: Recipe, training: Training, data: Sequence[Example], *, attention: str = "sdpa",
             seed: int = 0) -> Footprint:
    """A recipe on a transformers configuration, nothing allocated. See `simulate_loop`."""
    return simulate_loop(config, ours(recipe, training, data, seed), training, attention=attention)


def simulate_loop(config: Any, loop: Loop, training: Training, *, attention: str = "sdpa") -> Footprint:
    """Any loop's memory. Weights are made in the training's own dtype.

    The device is a CPU's: kernels that only a GPU has (its own fused attention, its list of operations that autocast
    widens) are stood for by the CPU's.
    """
    return _tracked(empty(config, training.weight_dtype, attention), loop, attention, simulated=True)


def measure(model: nn.Module, recipe: Recipe, training: Training, data: Sequence[Example], *, seed: int = 0) -> Footprint:
    """The same of a model with numbers, which is trained by it; its attention is what its configuration says."""
    return measure_loop(model, ours(recipe, training, data, seed))


def measure_loop(model: nn.Module, loop: Loop) -> Footprint:
    next(directions.draw([torch.empty(1)], (0,), (1.0,)))  # the quantiles that a CPU keeps for the whole process are made here
    return _tracked(model, loop, attention_of(model), simulated=False)


def empty(config: Any, dtype: torch.dtype, attention: str) -> nn.Module:
    """A model of the configuration without numbers."""
    of = AutoModelForMaskedLM if config.model_type in MASKED else AutoModelForCausalLM
    with torch.device("meta"):
        model: nn.Module = of.from_config(config, dtype=dtype, attn_implementation=attention)
    return hollow(model)


def attention_of(model: nn.Module) -> str:
    """The name of a transformers model's attention back end. Raises Refused for another model."""
    config = getattr(model, "config", None)
    name = getattr(config, "_attn_implementation", None)
    if not isinstance(name, str):
        raise Refused(f"cannot measure a {type(model).__name__}; because it does not say how it computes attention; use a "
                      "transformers model")
    return name


def texts(n: int, tokens: int, vocabulary: int, prompt: int = 0, sources: int = 1) -> list[Example]:
    """Random tokens, loss on all behind the first `prompt`; they come from `sources` in turn."""
    rows = torch.randint(2, vocabulary, (n, tokens), generator=torch.Generator().manual_seed(1)).tolist()
    return [Example(tuple(row), prompt, source=f"source {i % sources}") for i, row in enumerate(rows)]


def _tracked(model: nn.Module, loop: Loop, attention: str, simulated: bool) -> Footprint:
    tracker = Tracker(model)
    peaks: list[Peak] = []
    moving: list[int] = []
    with ExitStack() as modes:
        if simulated:
            modes.enter_context(Hollowing(lambda: tracker.now in CONCRETE))
        modes.enter_context(tracker)
        for now in loop(model, tracker.phase):
            tracker.model = now.model
            tracker.mark([*now.model.parameters(), *now.model.buffers()], Kind.WEIGHTS)
            tracker.mark(now.optimizer, Kind.OPTIMIZER)
            tracker.mark(now.selection, Kind.SELECTION)
            peaks.append(tracker.cut())
            moving.append(now.moving)
            weights, numbers = tracker.live[Kind.WEIGHTS], sum(p.numel() for p in now.model.parameters())
            del now  # it holds the optimizer's state, some of which the next step may free
    if len(peaks) < 2:
        raise Refused("cannot say what a run's memory is; because it took no step; use steps >= 1")
    return Footprint(peaks[0], tuple(peaks[1:]), weights, numbers, tuple(moving[1:]), attention, simulated)
