"""Backpropagation: the exact gradient of the batch's loss, micro-batch by micro-batch.

g = sum over parts of d loss_part / d w, accumulated in `.grad`, for the moving weights alone.

Departures: none.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.gradients import Dense, Gradient
from methods.parts import Loss, Refused, Role, Weight
from methods.streams import Streams


@dataclass(frozen=True)
class Backprop:
    """Gives the `.grad` tensors themselves: whoever owns the loop sets them to None after the update."""

    gives: ClassVar[type[Gradient]] = Dense

    def __call__(self, loss: Loss, model: nn.Module, active: Sequence[Weight], streams: Streams, step: int) -> Dense:
        total: Tensor | None = None
        for part in loss.parts():
            part.backward()  # type: ignore[no-untyped-call]
            total = part.detach() if total is None else total + part.detach()
        if total is None:
            raise Refused("cannot take the gradient of an empty batch; because it has no loss; use at least one example")
        return Dense(total, tuple(active), tuple(_gradient(weight) for weight in active))


def _gradient(weight: Weight) -> Tensor:
    """A weight's gradient; zeros for positions that a batch may leave out. Refused for any other weight without one."""
    if weight.tensor.grad is not None:
        return weight.tensor.grad
    if weight.plays(Role.POSITION):
        return torch.zeros_like(weight.tensor)
    raise Refused(f"cannot train {weight.name}; because it is to move and the loss gave it no gradient; "
                  "use a scope without it, or a model whose forward pass reaches it")
