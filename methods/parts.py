"""The vocabulary that every part of a method shares: weights, batches, streams, and the six slots.

Shapes: B examples, T tokens, P pool size, C answers, M members, N test items, V vocabulary.

A part is a frozen dataclass whose fields are the paper's hyper-parameters. A part holds no state: what it must remember
is passed in (`State`) or computed once from the model (`Attached`), so that any run can be stopped, resumed and compared.
"""
from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from methods.gradients import Gradient
from methods.streams import Streams

State = dict[str, dict[str, Tensor]]
"""What an update or a selection remembers: weight name (or a name of its own) -> slot name -> tensor."""

OnSwitch = Literal["keep", "drop", "reset"]
"""What becomes of optimizer state at a switch: all stays, that of weights which freeze goes, all goes (also at a switch to
the same weights)."""


class Refused(ValueError):
    """Input or a recipe that cannot work. The message is one sentence: the input, the reason, the way out."""


class Role(enum.StrEnum):
    """What a weight does in the model; decay, LISA and the memory tables go by it."""

    EMBEDDING = "embedding"
    POSITION = "position"
    HEAD = "head"
    FINAL_NORM = "final_norm"
    NORM = "norm"
    MATRIX = "matrix"
    BIAS = "bias"
    ADAPTER = "adapter"


@dataclass(frozen=True, eq=False)
class Weight:
    """One tensor of a model under its first name, however many modules share it (tied weights are one weight).

    `layer` is the index of the block it belongs to, counted from the input, or None outside the blocks.
    """

    name: str
    tensor: nn.Parameter
    role: Role
    layer: int | None = None
    tied: tuple[Role, ...] = ()
    """Further roles the same tensor plays, e.g. an embedding that is also the head."""

    def plays(self, role: Role) -> bool:
        return role is self.role or role in self.tied


@dataclass(frozen=True)
class Clock:
    """Where a run stands: `step` counts optimizer steps from 0, `steps` is their total, `lr_scale` the schedule's factor."""

    step: int
    steps: int
    lr_scale: float


@dataclass(frozen=True)
class Batch:
    """Right-padded examples. `index` [B] are positions in the data set; `labels` [B, T] are -100 where no loss is taken."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    index: Tensor

    def __len__(self) -> int:
        return int(self.input_ids.shape[0])

    def rows(self, start: int, stop: int) -> Batch:
        """Examples start..stop, cut to the longest of them."""
        mask = self.attention_mask[start:stop]
        width = max(1, int(mask.sum(1).max()))
        cut = (slice(start, stop), slice(0, width))
        return Batch(self.input_ids[cut], self.attention_mask[cut], self.labels[cut], self.index[start:stop])

    def to(self, device: torch.device) -> Batch:
        return Batch(*(t.to(device, non_blocking=True) for t in
                       (self.input_ids, self.attention_mask, self.labels, self.index)))


# ---------------------------------------------------------------------------------------------- scope


@dataclass(frozen=True)
class Attached:
    """A scope bound to a model: the model to train (PEFT may wrap it), its weights, and who moves at which step.

    Laws: `active(step)` is a subset of `weights` in their order, and depends on (model at step 0, streams, step) alone;
    it is one and the same tuple for as long as one draw lasts, so that a new tuple means a switch, even to the same weights.
    """

    model: nn.Module
    weights: tuple[Weight, ...]
    active: Callable[[int], tuple[Weight, ...]]
    stretch: Mapping[str, float] = field(default_factory=dict)
    """Factors on single weights' steps, by name (LISA's re-weighting by 1/p); empty for none."""

    def ever(self, steps: int) -> tuple[Weight, ...]:
        """Those that move at one of the first `steps` steps or more."""
        names, last = set[str](), None
        for step in range(steps):
            if (now := self.active(step)) is not last:
                names.update(w.name for w in now)
                last = now
        return tuple(w for w in self.weights if w.name in names)


@runtime_checkable
class Scope(Protocol):
    """Which weights exist, and which move now."""

    @property
    def on_switch(self) -> OnSwitch: ...

    def attach(self, model: nn.Module, streams: Streams) -> Attached:
        """Adds what the scope needs to the model (in place) and binds to it. Raises Refused where it cannot."""


# ------------------------------------------------------------------------------------------ objective

Prepared = Any
"""What an objective computed before step 0 (for instance the base model's answers); None where it needs nothing."""


@runtime_checkable
class Objective(Protocol):
    """The loss. A batch's loss is sum(mass * loss) / sum(mass), so that micro-batches add up to the big batch."""

    def prepare(self, model: nn.Module, batches: Iterator[Batch]) -> Prepared: ...

    def mass(self, batch: Batch) -> Tensor:
        """[B] how much each example counts: its answer tokens for a mean per token, 1 for a mean per example."""

    def __call__(self, model: nn.Module, batch: Batch, prepared: Prepared) -> Tensor:
        """[B] mean loss of each example's answer, in nats."""


class Loss(Protocol):
    """The loss of one big batch, evaluated in micro-batches whose parts add up to it."""

    def parts(self) -> Iterator[Tensor]:
        """Scalars with a graph, one per micro-batch; their sum is the loss."""

    def value(self) -> Tensor:
        """The loss as a scalar tensor without a graph, from forward passes alone."""

    def each(self) -> tuple[Tensor, Tensor]:
        """[B] the loss of every example and [B] its share (of sum 1), without a graph; the loss is the sum of products."""


# ---------------------------------------------------------------------------------- estimator, update


@runtime_checkable
class Estimator(Protocol):
    """From a loss to a gradient over the moving weights."""

    @property
    def gives(self) -> type[Gradient]: ...

    def __call__(self, loss: Loss, model: nn.Module, active: Sequence[Weight], streams: Streams, step: int) -> Gradient: ...


@runtime_checkable
class Update(Protocol):
    """From a gradient to new weights, in place. State is keyed by weight name and made at a weight's first step."""

    @property
    def accepts(self) -> tuple[type[Gradient], ...]: ...

    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None: ...


# ------------------------------------------------------------------------------------------ selection


class Sight(enum.IntEnum):
    """What a selection must see of the pool before it can choose."""

    NOTHING = 0
    LOSSES = 1
    FEATURES = 2
    GRADIENTS = 3


@dataclass(frozen=True)
class Chosen:
    """`index` [k] distinct positions in the pool, `weight` [k] > 0."""

    index: Tensor
    weight: Tensor


class Probe(Protocol):
    """The pool of a step and what can be asked of it; nothing is computed before it is asked for.

    Answers are about the weights as they stand and the recipe's own loss, example by example: who else is in the pool, how
    it is padded and whether training runs in mixed precision do not touch them. `rows` [R] are positions in the pool.
    The matrix meant by slopes and gradients is the last block's value projection (d numbers), or the factor of its
    adapter that is next to the output where it has one (LoRA's B).
    """

    def __len__(self) -> int: ...

    @property
    def index(self) -> Tensor:
        """[P] positions of the pool's examples in the training set."""

    @property
    def sources(self) -> tuple[str, ...]:
        """[P] the data set that each example came from."""

    @property
    def small(self) -> frozenset[str]:
        """Sources with fewer examples in the training set than the mean over its sources."""

    def losses(self) -> Tensor:
        """[P] float64, in nats per answer token."""

    def slopes(self, rows: Tensor, seeds: Sequence[int], eps: float) -> Tensor:
        """[R, n] float64: (loss(W + eps z) - loss(W - eps z)) / (2 eps) of each example along each direction."""

    def direction(self, seed: int) -> Tensor:
        """[d] standard normal numbers."""

    def gradients(self, rows: Tensor) -> Tensor:
        """[R, d] float32: each example's own gradient."""

    def hidden(self) -> Tensor:
        """[N, H] float32: what reaches the last block at the last token of EVERY training example, in their order."""


@runtime_checkable
class Selection(Protocol):
    """Which examples of the pool form the batch.

    Laws: picks are distinct and k in number (all where the pool has no more); they depend on the pool's examples, the state
    and (streams, step) alone, so that another order of the pool gives the same examples up to ties.
    """

    @property
    def sees(self) -> Sight: ...

    @property
    def pool(self) -> int:
        """How many times the batch the pool is (1: nothing to choose)."""

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen: ...


# ------------------------------------------------------------------------------------------- ensemble


@runtime_checkable
class Ensemble(Protocol):
    """How many members, in which random streams they differ, and how their answers are combined.

    Laws: an ensemble of one answers as its member; the order of members changes no answer.
    """

    @property
    def members(self) -> int: ...

    def streams(self, streams: Streams, member: int) -> Streams:
        """The streams of one member of a run, counted from 0; member 0 has the run's own."""

    def combine(self, answers: Tensor) -> Tensor:
        """[M, N, C] log-probabilities of the options -> [N, C] probabilities."""
