"""What a step cannot do without: bytes that must be alive at once, floating-point operations that must be done.

Functions of shapes, a recipe and a training alone. Each is a lower bound for this recipe, whatever computes it, so that it
says how far an implementation is from the limit.

Bytes: the larger of two moments.
- The update: all weights, for backpropagation the moving ones' gradients, and the state of all weights that have moved.
- The end of the last micro-batch's forward pass: all weights, the state from before, and for backpropagation the gradients
  of the micro-batches before and the input of every block above the lowest that moves; otherwise one block's input.
Not counted: activations inside a block, logits, buffers, copies in another dtype, random directions, a selection's buffers.

Operations (a multiplication and an addition are two): products of matrices alone, for tokens on which the loss depends.
- Forward: every matrix of the blocks by every token (of the last block by the tokens that predict an answer), attention's
  two products over what a token sees, the head where an answer is predicted. A LoRA product counts as merged into its matrix.
- Backward: as many again for a moving matrix's gradient; as many again for the gradient of a matrix's input, and twice
  attention's, in blocks above the lowest that moves; the head's input where anything below it moves.
Not counted: norms, softmax, element-wise operations, updates, recomputation, tangents, trial passes of an update.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from methods import anatomy
from methods.anatomy import Anatomy
from methods.estimator.spsa import Spsa
from methods.gradients import Dense, Gradient, Seeded
from methods.parts import Attached, Clock, OnSwitch, Role, Sight, State, Weight
from methods.recipe import Recipe
from methods.streams import Streams
from methods.training import Training
from suites.cost.hollow import Hollowing
from suites.cost.simulate import empty


@dataclass(frozen=True)
class Work:
    """Texts of one length: `tokens` each, the last `answers` (at most tokens - 1) of which the loss is taken on."""

    tokens: int
    answers: int


@dataclass(frozen=True)
class Bound:
    """Of one step."""

    bytes: int
    forward: int
    """Operations of the forward passes."""
    backward: int
    pool: int
    """Operations of scoring a whole pool once before it is chosen from; a selection may leave examples out."""

    @property
    def operations(self) -> int:
        """Of training on the batch."""
        return self.forward + self.backward


def bounds(config: Any, recipe: Recipe, training: Training, work: Work, seed: int = 0) -> tuple[Bound, ...]:
    """One for each of the training's steps, all batches full. Raises Refused as the recipe's parts do."""
    with Hollowing():
        model = empty(config, training.weight_dtype, "eager")
        attached = recipe.scope.attach(model, Streams(seed))
        limits = _Limits(config, recipe, training, work, anatomy.read(attached.model), _kept(recipe, attached))
        found: list[Bound] = []
        held: frozenset[str] = frozenset()
        moved: tuple[Weight, ...] = ()
        for step in range(training.steps or 0):
            active = attached.active(step)
            if active is not moved:
                held = _held(held, moved, active, recipe.scope.on_switch)
                moved = active
            found.append(limits.of(active, held))
            held |= {w.name for w in active}
    return tuple(found)


def _held(held: frozenset[str], before: Sequence[Weight], now: Sequence[Weight], on_switch: OnSwitch) -> frozenset[str]:
    """Whose state outlives a switch."""
    frozen = {w.name for w in before} - {w.name for w in now}
    return held - {"keep": set[str](), "drop": frozen, "reset": {w.name for w in before}}[on_switch]


class _Once:
    """The batch of a step that no byte depends on."""

    def __init__(self, weights: tuple[Weight, ...]) -> None:
        self._weights = weights

    def value(self) -> Tensor:
        return torch.zeros(())

    def fresh(self) -> Seeded:
        return Seeded(torch.zeros(()), self._weights, (1.0,), (0,), self, (1.0,))


def _kept(recipe: Recipe, attached: Attached) -> dict[str, int]:
    """Bytes of state by weight: what the recipe's own update makes in one step of every weight."""
    state: State = {}
    gradient: Gradient = _Once(attached.weights).fresh()
    if recipe.estimator.gives is Dense:
        gradient = Dense(torch.zeros(()), attached.weights, tuple(torch.zeros_like(w.tensor) for w in attached.weights))
    recipe.update(gradient, state, Clock(0, 1, 1.0))
    return {name: sum(t.nbytes for t in slots.values()) for name, slots in state.items()}


@dataclass(frozen=True)
class _Limits:
    config: Any
    recipe: Recipe
    training: Training
    work: Work
    body: Anatomy
    kept: dict[str, int]

    def of(self, active: Sequence[Weight], held: frozenset[str]) -> Bound:
        forward, backward = self._operations(active)
        batch = self.training.batch_size
        return Bound(self._bytes(active, held), batch * self._passes * forward, batch * backward if self._dense else 0,
                     batch * self.recipe.selection.pool * self._scoring())

    @property
    def _passes(self) -> int:
        """Forward passes a step."""
        estimator = self.recipe.estimator
        return 2 * estimator.n if isinstance(estimator, Spsa) else 1

    @property
    def _dense(self) -> bool:
        return self.recipe.estimator.gives is Dense

    @property
    def _blocks(self) -> int:
        return self.body.n_blocks

    # --------------------------------------------------------------------------------------------- bytes

    def _bytes(self, active: Sequence[Weight], held: frozenset[str]) -> int:
        weights = sum(w.tensor.nbytes for w in self.body.weights)
        gradients = sum(w.tensor.nbytes for w in active) if self._dense else 0
        after = sum(self.kept.get(name, 0) for name in held | {w.name for w in active})
        before = sum(self.kept.get(name, 0) for name in held)
        rows, parts = self._last_part()
        hidden: int = self.config.hidden_size
        inputs = max(0, self._blocks - 1 - self._lowest(active)) if self._dense else 1
        width = 2 if self.training.precision != "fp32" else 4
        end = before + (gradients if parts > 1 else 0) + inputs * rows * self.work.tokens * hidden * width
        return weights + max(gradients + after, end)

    def _last_part(self) -> tuple[int, int]:
        """(examples in the last micro-batch, micro-batches)"""
        size = min(self.training.micro_batch or self.training.batch_size, self.training.batch_size)
        parts = -(-self.training.batch_size // size)
        return self.training.batch_size - (parts - 1) * size, parts

    def _lowest(self, active: Iterable[Weight]) -> int:
        """The lowest block that moves; -1 with the embedding, the number of blocks where head or norm alone move."""
        return min((self._place(w) for w in active), default=self._blocks)

    def _place(self, weight: Weight) -> int:
        if weight.layer is not None:
            return weight.layer
        if weight.plays(Role.EMBEDDING) or weight.plays(Role.POSITION):
            return -1
        above = weight.plays(Role.HEAD) or weight.role in (Role.FINAL_NORM, Role.NORM, Role.BIAS, Role.MATRIX)
        return self._blocks if above else 0

    # ---------------------------------------------------------------------------------------- operations

    def _operations(self, active: Sequence[Weight]) -> tuple[int, int]:
        """(forward, backward) of one example."""
        lowest, moving = self._lowest(active), {w.name for w in active}
        forward = sum(2 * self._attention(block) for block in range(self._blocks))
        backward = sum(4 * self._attention(block) for block in range(self._blocks) if block > lowest)
        for weight in self.body.weights:
            product = 2 * weight.tensor.numel() * self._tokens(weight)
            factor = anatomy.adapter_factor(weight)
            forward += product if factor is None or (factor == "A" and self._dense) else 0
            backward += product * ((weight.name in moving) + self._input_too(weight, lowest, factor))
        return forward, backward

    def _input_too(self, weight: Weight, lowest: int, factor: str | None) -> bool:
        """Whether the gradient of the matrix's input is needed; of LoRA's A it comes with the matrix it is merged into."""
        return factor == "B" or (factor is None and lowest < (self._blocks if weight.layer is None else weight.layer))

    def _tokens(self, weight: Weight) -> int:
        """By how many tokens a weight is multiplied; 0 for what is no matrix."""
        if weight.plays(Role.HEAD) and weight.role is not Role.ADAPTER:
            return self.work.answers
        lora = weight.role is Role.ADAPTER and anatomy.adapter_factor(weight) is not None
        if weight.layer is None or not (weight.role is Role.MATRIX or lora):
            return 0
        return self.work.answers if weight.layer == self._blocks - 1 else self.work.tokens - 1

    def _attention(self, block: int) -> int:
        """Operations of one of attention's products: every token by what it sees."""
        heads = self.config.num_attention_heads
        width = heads * (getattr(self.config, "head_dim", None) or self.config.hidden_size // heads)
        tokens = self.work.answers if block == self._blocks - 1 else self.work.tokens - 1
        window = getattr(self.config, "sliding_window", None) or tokens
        return 2 * int(width) * sum(min(place, window) for place in range(1, tokens + 1))

    def _scoring(self) -> int:
        if self.recipe.selection.sees is Sight.NOTHING:
            return 0
        whole = self._operations(())[0]
        last = [w for w in self.body.weights if w.layer == self._blocks - 1 or w.plays(Role.HEAD)]
        tail = sum(2 * w.tensor.numel() * self._tokens(w) for w in last if w.role is not Role.ADAPTER)
        return whole if self.recipe.selection.sees is Sight.LOSSES else whole - tail - 2 * self._attention(self._blocks - 1)
