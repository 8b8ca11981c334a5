"""Memory by part, counted to the byte: what a method keeps between two steps on a base model's shapes.

The shapes are the base model's own, on PyTorch's "meta" device, which holds no numbers. The optimizer state is what the
method's own update makes in one step: it is run on stand-ins of at most two numbers along each axis, and a slot of its
weight's shape counts with the weight's true entries, a single number once. Any other slot is refused, so that nothing
is guessed. Activations and temporaries are left out.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from methods import directions, papers
from methods.gradients import Dense, Seeded
from methods.parts import Attached, Clock, Refused, State, Weight
from methods.recipe import Recipe
from methods.scope.full import Full
from methods.scope.lora import Lora
from methods.streams import Streams
from repro.shapes import OPT_1_3B, ROBERTA_LARGE, Shapes

MODELS = (ROBERTA_LARGE, OPT_1_3B)
RATE = 1.0
"""No byte depends on it."""
QUERY_VALUE = Lora(r=8, alpha=16.0, targets="query_value")
METHODS: Mapping[str, Recipe] = {
    "FT (AdamW)": papers.full(RATE), "FT (SGD)": papers.full_sgd(RATE), "MeZO": papers.mezo(RATE),
    "MeZO with momentum": papers.mezo(RATE, momentum=0.9), "MeZO-Adam": papers.mezo_adam(RATE),
    "ZO-Sophia": papers.zo_sophia(RATE), "HELENE": papers.helene(RATE),
    "HELENE, bf16 state": papers.helene(RATE, state_dtype="bf16"),
    "HELENE, one curvature a tensor": papers.helene(RATE, curvature="scalar"),
    "LoRA-HELENE": papers.helene(RATE, scope=QUERY_VALUE),
}
PARTS: Mapping[str, str] = {
    "m": "momentum", "exp_avg": "momentum", "momentum_buffer": "momentum", "h": "curvature", "exp_avg_sq": "curvature",
    "step": "counters", "floor": "counters"}
"""Slot of an update's state -> part of the table. Adam's second moment stands where a curvature would."""


@dataclass(frozen=True)
class Kept:
    """Bytes by part. `gradients`: all of them for backpropagation; for a zeroth-order method the random numbers of the
    largest group of tensors, as no more are alive at a time."""

    weights: int
    gradients: int
    momentum: int
    curvature: int
    counters: int

    @property
    def state(self) -> int:
        return self.momentum + self.curvature + self.counters

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.state


@cache
def of(shapes: Shapes, method: str) -> Kept:
    """A line of the table."""
    scope = METHODS[method].scope
    return count(_attached(shapes, scope if isinstance(scope, Lora) else papers.FULL), METHODS[method])


@cache
def _attached(shapes: Shapes, scope: Full | Lora) -> Attached:
    return scope.attach(shapes.model(), Streams(0))


def count(attached: Attached, recipe: Recipe) -> Kept:
    """Of a recipe on a model that its scope is attached to, with or without numbers in it.

    Raises Refused where the update keeps a slot that is neither of its weight's shape nor a single number.
    """
    moving = attached.active(0)
    small = tuple(_stand_in(weight) for weight in moving)
    state: State = {}
    recipe.update(_gradient(recipe, small), state, Clock(0, 1, 1.0))
    found: Counter[str] = Counter()
    for weight, one in zip(moving, small, strict=True):
        for slot, tensor in state.get(weight.name, {}).items():
            found[_part(slot, recipe)] += tensor.itemsize * _entries(slot, tensor, one, weight, recipe)
    zeroth = issubclass(recipe.estimator.gives, Seeded)
    tensors = [w.tensor for w in moving]
    gradients = drawn(tensors) if zeroth else sum(t.nbytes for t in tensors)
    return Kept(sum(p.nbytes for p in attached.model.parameters()), gradients,
                *(found[part] for part in ("momentum", "curvature", "counters")))


def drawn(tensors: Sequence[Tensor]) -> int:
    """Bytes of the numbers of a random direction that are alive at a time (`methods.directions.draw`)."""
    sizes = [math.ceil(t.numel() / directions.LANES) * directions.LANES for t in tensors]
    width = torch.promote_types(tensors[0].dtype, torch.float32).itemsize
    return width * max(sum(sizes[start:stop]) for start, stop in directions.groups_of(tensors))


def _stand_in(weight: Weight) -> Weight:
    small = nn.Parameter(torch.zeros([min(2, n) for n in weight.tensor.shape], dtype=weight.tensor.dtype))
    return Weight(weight.name, small, weight.role, weight.layer, weight.tied)


class _Once:
    """Stands for the batch, which one step with its own direction asks nothing of."""

    def value(self) -> Tensor:
        raise NotImplementedError

    def fresh(self) -> Seeded:
        raise NotImplementedError


def _gradient(recipe: Recipe, weights: tuple[Weight, ...]) -> Dense | Seeded:
    loss = torch.zeros(())
    if issubclass(recipe.estimator.gives, Seeded):
        return Seeded(loss, weights, (1.0,), (0,), _Once(), (1.0,))
    return Dense(loss, weights, tuple(torch.zeros_like(w.tensor) for w in weights))


def _part(slot: str, recipe: Recipe) -> str:
    if slot not in PARTS:
        raise Refused(f"cannot count the state of {recipe}; because its slot {slot!r} belongs to no part; add it to PARTS in "
                      "repro/papers/helene/memory.py")
    return PARTS[slot]


def _entries(slot: str, tensor: Tensor, small: Weight, weight: Weight, recipe: Recipe) -> int:
    if tensor.shape == small.tensor.shape:
        return weight.tensor.numel()
    if tensor.dim() == 0:
        return 1
    raise Refused(f"cannot count the state of {recipe}; because its slot {slot!r} has neither its weight's shape nor a single "
                  "number; use an update whose slots do")
