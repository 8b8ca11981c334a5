"""The one training loop, a generator: any recipe, any causal model, any tokenised examples.

Every step: the scope says who moves, the stream "order" which examples form the pool, the selection which of them are
used, the estimator gives a gradient, the update applies it. All randomness comes from named streams, so a run resumed
from a checkpoint is the undisturbed run to the last bit. Dropout draws from torch's global generator, which is seeded
anew at every step; a caller that relies on that generator must save it.
"""
from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from methods import anatomy, checkpoint, examples
from methods.examples import Example, collate
from methods.gradients import Dense, Gradient
from methods.losses import BatchLoss, Phase, Watch
from methods.parts import Attached, Batch, Chosen, Clock, Prepared, Refused, State, Weight
from methods.probe import Pool, small_sources
from methods.recipe import Recipe, describe
from methods.refusals import check
from methods.streams import Streams
from methods.training import Training

__all__ = ["Diverged", "Phase", "Snapshot", "Training", "Watch", "fit"]
class Diverged(RuntimeError):
    """The loss, the clipped gradient's norm (both: before the step was taken) or the final weights stopped being numbers.

    Without `clip_norm` a gradient that is not a number under a loss that is one shows in the next step's loss.
    """

    def __init__(self, what: str, value: float, step: int, index: list[int]) -> None:
        self.step, self.index = step, index
        super().__init__(f"the {what} became {value} at step {step} on the examples {index}; "
                         "use a lower learning rate, clip_norm, or look at these examples")


class Snapshot:
    """A run between two steps. It shows the live model: read what is needed before asking for the next one."""

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop
        self.step, self.steps = loop.step, loop.steps
        self.loss, self.lr_scale = loop.loss, loop.lr_scale
        self.tokens, self.seconds, self.selecting = loop.tokens, loop.seconds, loop.selecting
        self.used, self.small = loop.used, loop.small
        self.active, self.weights, self.model = loop.moving, loop.attached.weights, loop.attached.model

    @property
    def state(self) -> State:
        """Optimizer state by weight name, selection state by a name of its own."""
        return self._loop.state

    @property
    def state_bytes(self) -> int:
        """Bytes of optimizer and selection state held now."""
        return sum(t.nbytes for slots in self.state.values() for t in slots.values())

    @property
    def ever(self) -> tuple[Weight, ...]:
        """Those of the weights that move at some step of the run."""
        return self._loop.attached.ever(self.steps)

    def save(self, folder: Path) -> None:
        """Writes a checkpoint that `fit(resume=folder)` continues from exactly."""
        self._loop.save(folder)


def fit(model: nn.Module, recipe: Recipe, data: Sequence[Example], training: Training, streams: Streams, *,
        pad_id: int, resume: Path | None = None, watch: Watch = contextlib.nullcontext) -> Iterator[Snapshot]:
    """Trains `model` in place; yields before the first step and after every step.

    Raises Refused before the first step where the recipe, the model or the data cannot work (the model's dtype may have
    been converted by then), Diverged at a NaN.
    """
    if not len(data):
        raise Refused("cannot train on an empty data set; because there is no example in it; use one with rows")
    check(recipe, anatomy.read(model))
    if training.clip_norm is not None and recipe.estimator.gives is not Dense:
        raise Refused(f"cannot use clip_norm {training.clip_norm} with {describe(recipe.estimator)}; because the norm of a "
                      "gradient along random directions tells of the number of weights; use clip_norm=None")
    loop = _start(model, recipe, data, training, streams, pad_id, watch)
    if resume is not None:
        loop.load(resume)
    yield Snapshot(loop)
    while loop.step < loop.steps:
        loop.advance()
        if loop.step == loop.steps:
            loop.check_weights()
        yield Snapshot(loop)


@dataclass
class _Loop:
    recipe: Recipe
    attached: Attached
    data: Sequence[Example]
    training: Training
    streams: Streams
    pad_id: int
    prepared: Prepared
    steps: int
    identity: dict[str, Any]
    small: frozenset[str]
    watch: Watch
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    selecting: float = 0.0
    """Seconds of `seconds` in which examples were chosen, since the loop was made."""
    loss: float = math.nan
    lr_scale: float = math.nan
    moving: tuple[Weight, ...] = ()
    used: tuple[int, ...] = ()
    """The last step's batch: positions in the data."""
    state: State = field(default_factory=dict)
    _order: tuple[int, list[int]] = (-1, [])
    _probe: Pool | None = None

    def advance(self) -> None:
        """One optimizer step."""
        started = time.perf_counter()
        model = self.attached.model
        if not model.training:
            model.train()
        with self.watch("switch"):
            self._switch(self.attached.active(self.step))
        self._seed_dropout()
        self.lr_scale = self.training.lr_scale(self.step, self.steps)
        clock = Clock(self.step, self.steps, self.lr_scale)
        loss = self._loss(clock)
        with self.watch("gradient"):
            gradient = self.recipe.estimator(loss, model, self.moving, self.streams, self.step)
        self.loss = float(gradient.loss)
        if not math.isfinite(self.loss):
            gradient.settle()
            raise Diverged("loss", self.loss, self.step, loss.batch.index.tolist())
        with self.watch("update"):
            self._clip(gradient, loss.batch)
            self._update(gradient, clock)
        for weight in self.moving:
            weight.tensor.grad = None
        self.tokens += int(loss.batch.attention_mask.sum())
        self.step += 1
        self.seconds += time.perf_counter() - started

    def _seed_dropout(self) -> None:
        """On a CPU its generator alone: torch.manual_seed takes a stack trace for every kind of accelerator, used or not."""
        seed = self.streams.number("dropout", self.step)
        if self.moving[0].tensor.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def check_weights(self) -> None:
        """Raises Diverged where the last step left something else than numbers."""
        for weight in self.moving:
            worst = float(weight.tensor.detach().abs().max())
            if not math.isfinite(worst):
                raise Diverged(f"weight {weight.name}", worst, self.step - 1, [])

    def _loss(self, clock: Clock) -> BatchLoss:
        """The step's batch, rows of like length together: a batch's loss knows no order, and micro-batches pad less."""
        pool, device = self._pool(), self.moving[0].tensor.device
        with self.watch("selection"):
            chosen = self._choose(pool, clock, device)
        self.used = tuple(pool[i] for i in chosen.index.tolist())
        by_length = sorted(range(len(chosen.index)), key=lambda i: len(self.data[pool[int(chosen.index[i])]].input_ids))
        batch = collate(self.data, [pool[int(chosen.index[i])] for i in by_length], self.pad_id)
        mass = self.recipe.objective.mass(batch).double() * chosen.weight[by_length]
        return BatchLoss(self.recipe.objective, self.attached.model, batch.to(device), mass / mass.sum(),
                          self.training.micro_batch or len(batch), self.prepared,
                          self.training.precision == "bf16-mixed", self.watch)

    def _choose(self, pool: list[int], clock: Clock, device: torch.device) -> Chosen:
        started = time.perf_counter()
        if self._probe is None:
            self._probe = Pool(self.data, pool, self.small, self.recipe.objective, self.attached.model, self.prepared,
                               self.pad_id, self.training.micro_batch or len(pool), device)
        self._probe.positions = pool
        chosen = self.recipe.selection(self._probe, self.training.batch_size, self.state, clock, self.streams)
        self.selecting += time.perf_counter() - started
        return chosen

    def _pool(self) -> list[int]:
        """The examples of this step: the epoch's order cut into pools, the last of which may be partial."""
        size = self.training.batch_size * self.recipe.selection.pool
        per_epoch = math.ceil(len(self.data) / size)
        epoch, place = divmod(self.step, per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, self.streams.permutation(len(self.data), "order", epoch).tolist())
        return self._order[1][place * size:(place + 1) * size]

    def _switch(self, active: tuple[Weight, ...]) -> None:
        """At a switch: freezes, thaws, and keeps, drops or resets optimizer state."""
        if active is self.moving:
            return
        now, before = {w.name for w in active}, {w.name for w in self.moving}
        for weight in self.attached.weights:
            weight.tensor.requires_grad_(weight.name in now)
        gone = {"keep": set[str](), "drop": before - now, "reset": before}[self.recipe.scope.on_switch]
        for name in gone:
            self.state.pop(name, None)
        self.moving = active

    def _clip(self, gradient: Gradient, batch: Batch) -> None:
        if self.training.clip_norm is None or not isinstance(gradient, Dense):
            return
        tensors = list(gradient.tensors)
        norm = torch.nn.utils.get_total_norm(tensors)
        if not bool(torch.isfinite(norm)):
            raise Diverged("gradient's norm", float(norm), self.step, batch.index.tolist())
        torch._foreach_mul_(tensors, (self.training.clip_norm / (norm + 1e-6)).clamp(max=1.0))

    def _update(self, gradient: Gradient, clock: Clock) -> None:
        stretched = [w for w in self.moving if w.name in self.attached.stretch]
        if stretched:
            gradient.settle()
        before = [w.tensor.detach().clone() for w in stretched]
        self.recipe.update(gradient, self.state, clock)
        with torch.no_grad():
            for weight, old in zip(stretched, before, strict=True):
                weight.tensor.copy_(torch.lerp(old, weight.tensor, self.attached.stretch[weight.name]))

    def save(self, folder: Path) -> None:
        here = checkpoint.Position(self.step, self.tokens, self.seconds, self.identity)
        checkpoint.save(folder, self.attached.weights, self.state, here)

    def load(self, folder: Path) -> None:
        here = checkpoint.load(folder, self.attached.weights, self.state, self.identity)
        self.step, self.tokens, self.seconds = here.step, here.tokens, here.seconds
        if self.step:
            self.moving = self.attached.active(self.step - 1)
            for weight in self.attached.weights:
                weight.tensor.requires_grad_(weight in self.moving)


def _start(model: nn.Module, recipe: Recipe, data: Sequence[Example], training: Training, streams: Streams,
           pad_id: int, watch: Watch) -> _Loop:
    model.to(training.weight_dtype)
    attached = recipe.scope.attach(model, streams)
    body = attached.model
    for parameter in body.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    if training.gradient_checkpointing:
        body.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})  # type: ignore[operator]
    device = attached.weights[0].tensor.device
    batches = (collate(data, range(start, min(start + training.batch_size, len(data))), pad_id).to(device)
               for start in range(0, len(data), training.batch_size))
    prepared = recipe.objective.prepare(body, batches)
    steps = training.total_steps(training.batch_size * recipe.selection.pool, len(data))
    identity = {"recipe": recipe.to_json(), "training": training.to_json(), "seed": streams.seed,
                "own seeds": dict(streams.own), "data": examples.digest(data), "steps": steps}
    return _Loop(recipe, attached, data, training, streams, pad_id, prepared, steps, identity, small_sources(data),
                 watch)
