"""Memory by part: to the byte what a real run keeps, and the shapes are those of the models that are named."""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from methods import directions
from methods.fit import Training, fit
from methods.gradients import Dense, Gradient, Seeded
from methods.parts import Clock, Refused, State
from methods.recipe import Recipe
from methods.scope.full import Full
from methods.streams import Streams
from repro.papers.helene.memory import METHODS, MODELS, count, drawn, of
from tests.toys import PAD, toy_examples, toy_llama

WEIGHTS = {"RoBERTa-large": 355_412_057, "OPT-1.3B": 1_315_758_080}
"""Weights of the released models, the head being the embedding."""


@pytest.mark.parametrize("method", METHODS)
def test_the_state_is_to_the_byte_what_a_real_run_keeps(method: str) -> None:
    recipe = METHODS[method]
    kept = count(recipe.scope.attach(toy_llama(2), Streams(0)), recipe)
    last = list(fit(toy_llama(2), recipe, toy_examples(), Training(steps=2, batch_size=2), Streams(0), pad_id=PAD))[-1]
    assert kept.state == last.state_bytes
    assert kept.weights == sum(p.nbytes for p in last.model.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_to_the_byte_what_is_alive(method: str) -> None:
    """Of backpropagation every moving weight's; of a random direction the one piece of memory that all groups are drawn into."""
    recipe = METHODS[method]
    attached = recipe.scope.attach(toy_llama(2), Streams(0))
    moving = attached.active(0)
    if recipe.estimator.gives is Dense:
        attached.model(input_ids=torch.ones(1, 3, dtype=torch.long)).logits.sum().backward()
        alive = sum(w.tensor.grad.nbytes for w in moving if w.tensor.grad is not None)
    else:
        drawings = directions.draw([w.tensor for w in moving], (0,), (1.0,))
        alive = max(part.untyped_storage().nbytes() for _, parts in drawings for part in parts)
    assert count(attached, recipe).gradients == alive > 0


def test_a_large_tensor_is_a_group_of_its_own() -> None:
    tensors = [torch.empty(n, device="meta") for n in (5, 3 * directions.CHUNK + 1, 7)]
    assert drawn(tensors) == 4 * (8 + 3 * directions.CHUNK + 4)


@pytest.mark.parametrize("shapes", MODELS, ids=lambda s: s.name)
def test_the_lines_of_the_table(shapes) -> None:
    kept = {method: of(shapes, method) for method in METHODS}
    n, full = WEIGHTS[shapes.name], 4 * WEIGHTS[shapes.name]
    assert all(k.weights == full for m, k in kept.items() if m != "LoRA-HELENE")
    adapters = 2 * shapes.layers * 2 * 8 * shapes.hidden
    assert kept["LoRA-HELENE"].weights == full + 4 * adapters
    parts = {m: (k.momentum, k.curvature) for m, k in kept.items()}
    tensors = kept["HELENE"].counters // 4
    assert parts == {
        "FT (AdamW)": (full, full), "FT (SGD)": (0, 0), "MeZO": (0, 0), "MeZO with momentum": (full, 0),
        "MeZO-Adam": (full, full), "ZO-Sophia": (full, full), "HELENE": (full, full), "HELENE, bf16 state": (2 * n, 2 * n),
        "HELENE, one curvature a tensor": (full, 4 * tensors), "LoRA-HELENE": (4 * adapters, 4 * adapters)}
    embedding = 4 * shapes.vocabulary * shapes.hidden
    assert embedding <= kept["MeZO"].gradients < 1.01 * embedding + 4 * directions.CHUNK
    assert kept["FT (SGD)"].gradients == full
    assert kept["FT (AdamW)"].total / full == pytest.approx(4, abs=0.001)


@dataclass(frozen=True)
class Odd:
    """Keeps a row's worth of state under some name."""

    slot: str
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Dense, Seeded)

    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        for weight, _ in gradient:
            state[weight.name] = {self.slot: torch.zeros(3)}


@pytest.mark.parametrize(("slot", "why"), [("m", "neither its weight's shape"), ("ghost", "belongs to no part")])
def test_a_state_that_cannot_be_counted_is_refused(slot: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        count(Full().attach(toy_llama(1), Streams(0)), Recipe(Full(), Odd(slot)))
