"""The currency between estimator and update: a gradient held in memory, or one remade from the seeds of its directions."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from methods import directions

if TYPE_CHECKING:
    from methods.parts import Weight


class Gradient(ABC):
    """The currency between estimator and update. Iterable as (Weight, Tensor) in fixed order, more than once."""

    loss: Tensor
    """Scalar: the loss at which the gradient was taken."""

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[Weight, Tensor]]: ...

    def groups(self) -> Iterator[list[tuple[Weight, Tensor]]]:
        """The same in the same order, as many at a time as are made together; good until the next group is asked for."""
        yield list(self)

    def settle(self) -> None:
        """Puts the weights to where the gradient was taken, where the estimator left them elsewhere."""
        return None


@dataclass(frozen=True)
class Dense(Gradient):
    """A gradient held in memory, one tensor per moving weight."""

    loss: Tensor
    weights: tuple[Weight, ...]
    tensors: tuple[Tensor, ...]

    def __iter__(self) -> Iterator[tuple[Weight, Tensor]]:
        return zip(self.weights, self.tensors, strict=True)


class Again(Protocol):
    """The batch and the place at which a seeded gradient was taken, for what needs more forward passes there."""

    def value(self) -> Tensor:
        """The batch's loss at the weights as they stand now: a scalar."""

    def fresh(self) -> Seeded:
        """Another gradient of the same loss, by new directions (two more passes for each)."""


@dataclass
class Seeded(Gradient):
    """A gradient along random directions, mean_i c_i z(seed_i), remade from its seeds and never held as a whole.

    `offset`: the weights stand at w + offset z(the last seed) and every group is put back to w just before it is yielded
    for the first time; nothing may read the weights before that except after `settle`.
    """

    loss: Tensor
    weights: tuple[Weight, ...]
    c: tuple[float, ...]
    """Slopes of the batch's loss along the directions."""
    seeds: tuple[int, ...]
    again: Again
    squares: tuple[float, ...] = ()
    """Mean over examples of their own slopes' squares, per direction."""
    examples: int = 1
    """B: examples in the batch."""
    offset: float = 0.0
    _back: int = field(default=0, init=False)
    """Weights already put back."""

    def __iter__(self) -> Iterator[tuple[Weight, Tensor]]:
        for group in self.groups():
            for weight, part in group:
                yield weight, part.clone()

    def groups(self, c: Sequence[float] | None = None) -> Iterator[list[tuple[Weight, Tensor]]]:
        """`c` in place of the slopes, e.g. their signs."""
        if self.offset and len(self.seeds) > 1:
            self.settle()
        scales = [v / len(self.seeds) for v in (self.c if c is None else c)]
        away = self.offset and self._back < len(self.weights)
        tensors = [w.tensor for w in self.weights]
        for start, parts in directions.draw(tensors, self.seeds, (1.0,) if away else scales):
            stop = start + len(parts)
            if away:
                if self._back <= start:
                    self._put_back(tensors[start:stop], parts, stop)
                torch._foreach_mul_(parts, scales[0])
            yield list(zip(self.weights[start:stop], parts, strict=True))

    def settle(self) -> None:
        if self.offset and self._back < len(self.weights):
            tensors = [w.tensor for w in self.weights]
            for start, parts in directions.draw(tensors, self.seeds[-1:], (1.0,)):
                if self._back <= start:
                    self._put_back(tensors[start:start + len(parts)], parts, start + len(parts))

    def move(self, by: float) -> None:
        """w += by * gradient, in one sweep."""
        for group in self.groups():
            with torch.no_grad():
                directions.add([w.tensor for w, _ in group], [g for _, g in group], by)

    def _put_back(self, tensors: Sequence[Tensor], parts: Sequence[Tensor], stop: int) -> None:
        with torch.no_grad():
            directions.add(tensors, parts, -self.offset)
        self._back = stop
