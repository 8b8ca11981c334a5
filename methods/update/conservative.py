"""Conservative SGD on a zeroth-order gradient: of staying, the step and the opposite step, the one with the least loss.

Source: the baseline ZO-SGD-Cons of Zhang et al., arXiv 2402.11592; with g the gradient of the batch's loss L:
w = the one of w, w - lr g, w + lr g at which L is least (the first of equals).

It needs the loss three more times, so that a step is five forward passes; the gradient carries the batch for that
(`Seeded.again`), and the loss is taken in the mode the gradient was.

Departures:
- A step not taken is undone by the opposite sum, which leaves the rounding of two sums: 2 u (|w| + 2 lr |g|) with u as in
  SPSA. The authors' code undoes it through whatever optimizer runs.
- A trial loss that is not a number loses against one that is.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from methods.gradients import Gradient, Seeded
from methods.parts import Clock, State


@dataclass(frozen=True)
class Conservative:
    """No state."""

    lr: float
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Seeded,)

    @torch.no_grad()
    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        assert isinstance(gradient, Seeded)
        lr = self.lr * clock.lr_scale
        gradient.settle()
        found: list[tuple[float, int, float]] = []
        at = 0.0
        for place in (0.0, -lr, lr):
            if place != at:
                gradient.move(place - at)
                at = place
            loss = float(gradient.again.value())
            found.append((loss if math.isfinite(loss) else math.inf, len(found), place))
        best = min(found)[2]
        if best != at:
            gradient.move(best - at)
