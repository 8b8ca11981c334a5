"""AdamW: Adam whose weight decay acts on the weights and not through the gradient.

Source: Loshchilov and Hutter, arXiv 1711.05101, algorithm 2; the arithmetic is in `methods.adam`.

Departures:
- Norms and biases do not decay, as everywhere in practice; the paper decays everything. `decays` = all roles is the paper.
- Steps are counted per weight, so that the bias correction of a weight that was frozen for a while is right for its
  moments; PyTorch does the same. One count for all would shorten the first steps of a block that moves late.
- `state_dtype`: "weight" keeps the moments in the weight's own dtype as PyTorch does, "fp32" widens those of a bfloat16
  model (where beta2 = 0.999 is lost in rounding), "bf16" halves them. The papers' reported memory implies "weight".
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from methods.adam import DECAYED, Adam, StateDtype
from methods.gradients import Dense, Gradient, Seeded
from methods.parts import Clock, Role, State


@dataclass(frozen=True)
class AdamW:
    """State per weight: step [], exp_avg and exp_avg_sq of its shape."""

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decays: tuple[Role, ...] = DECAYED
    state_dtype: StateDtype = "weight"
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Dense, Seeded)

    @torch.no_grad()
    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        adam = Adam(self.lr * clock.lr_scale, self.beta1, self.beta2, self.eps)
        for moving in gradient.groups():
            adam.by_role(moving, state, self.weight_decay, self.decays, self.state_dtype)
