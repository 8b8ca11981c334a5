"""SGD with momentum.

Source: Sutskever et al., ICML 2013, in PyTorch's form, to the last bit that of torch.optim.SGD:
g = g + weight_decay w;  b = momentum b + (1 - dampening) g  (b = g at a weight's first step);
w = w - lr b,  or with Nesterov's momentum  w = w - lr (g + momentum b).

Departures:
- The learning rate is outside the momentum buffer, as in PyTorch: a schedule then acts on the whole step at once.
- The weight decay is the gradient of an L2 penalty and acts on every weight, norms and biases too.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from methods.gradients import Dense, Gradient, Seeded
from methods.parts import Clock, Refused, State, Weight


@dataclass(frozen=True)
class Sgd:
    """State per weight: momentum_buffer of its shape; nothing without momentum."""

    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Dense, Seeded)

    def __post_init__(self) -> None:
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise Refused("cannot use SGD with nesterov=True; because it needs a momentum and no dampening; "
                          "use momentum > 0 and dampening=0")

    @torch.no_grad()
    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        for moving in gradient.groups():
            self._step(moving, state, self.lr * clock.lr_scale)

    def _step(self, moving: Sequence[tuple[Weight, Tensor]], state: State, lr: float) -> None:
        weights: list[Tensor] = [w.tensor for w, _ in moving]
        grads = [g.to(w.tensor.dtype) for w, g in moving]
        if not (self.momentum or self.weight_decay):  # nothing is kept or read: one sum, the same to the last bit
            torch._foreach_add_(weights, grads, alpha=-lr)
            return
        buffers: list[Tensor | None] = []
        if self.momentum:
            buffers = [state[w.name]["momentum_buffer"] if w.name in state else None for w, _ in moving]
        else:
            buffers = [None] * len(moving)
        sgd(weights, grads, buffers, foreach=True, weight_decay=self.weight_decay, momentum=self.momentum,
            lr=lr, dampening=self.dampening, nesterov=self.nesterov, maximize=False)
        for (weight, _), buffer in zip(moving, buffers, strict=True):
            if buffer is not None:
                state[weight.name] = {"momentum_buffer": buffer}
