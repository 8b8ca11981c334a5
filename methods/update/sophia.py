"""Sophia on a zeroth-order gradient: momentum over a diagonal of the Hessian, every entry of the ratio clipped.

Source: Liu et al., arXiv 2305.14342, algorithm 3 (Sophia-G), in its authors' re-parametrised form, with the SPSA gradient
in place of both of its gradients (the baseline "MeZO_Sophia" of arXiv 2411.10696). With g the gradient, B the examples:
m = beta1 m + (1 - beta1) g;  every k steps  h = beta2 h + (1 - beta2) g^2;
w = (1 - lr weight_decay) w - lr clip(m / (rho B h + eps), -1, 1).

Departures:
- The diagonal is of the loss with the true labels along the step's own direction; Sophia draws labels from the model and
  takes a second gradient, which forward passes cannot give.
- rho is tuned so that a tenth to a half of the entries are not clipped; the authors' 0.04 is for exact gradients.
- Refreshes are counted per weight from its first step; norms and biases do not decay, as in AdamW here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.adam import DECAYED, DTYPES, StateDtype
from methods.gradients import Gradient, Seeded
from methods.parts import Clock, Refused, State, Weight


@dataclass(frozen=True)
class Sophia:
    """State per weight: step [], m and h of its shape."""

    lr: float
    rho: float = 0.04
    beta1: float = 0.965
    beta2: float = 0.99
    k: int = 10
    eps: float = 1e-15
    weight_decay: float = 0.0
    state_dtype: StateDtype = "fp32"
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Seeded,)

    def __post_init__(self) -> None:
        if not (self.k >= 1 and self.rho > 0 and self.eps > 0):
            raise Refused(f"cannot use Sophia with k {self.k}, rho {self.rho} and eps {self.eps}; because it divides by a "
                          "positive number that it refreshes every so many steps; use k >= 1, rho > 0 and eps > 0")

    @torch.no_grad()
    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        assert isinstance(gradient, Seeded)
        lr = self.lr * clock.lr_scale
        for moving in gradient.groups():
            for weight, g in moving:
                ratio = self._ratio(weight, g, state.setdefault(weight.name, {}), gradient.examples)
                if self.weight_decay and weight.role in DECAYED:
                    weight.tensor.mul_(1 - lr * self.weight_decay)
                weight.tensor.add_(ratio, alpha=-lr)

    def _ratio(self, weight: Weight, g: Tensor, slots: dict[str, Tensor], examples: int) -> Tensor:
        """clip(m / (rho B h + eps), -1, 1) after m and, where it is due, h have taken in g."""
        if "m" not in slots:
            like = weight.tensor
            slots["step"] = torch.zeros((), dtype=torch.float32, device=like.device)
            for name in ("m", "h"):
                slots[name] = torch.zeros(like.shape, dtype=DTYPES.get(self.state_dtype, like.dtype), device=like.device)
        m, h = slots["m"].to(g.dtype), slots["h"].to(g.dtype)
        m.mul_(self.beta1).add_(g, alpha=1 - self.beta1)
        if int(slots["step"].item()) % self.k == 0:
            h.mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
        for name, new in (("m", m), ("h", h)):
            if new is not slots[name]:
                slots[name].copy_(new)
        slots["step"] += 1
        return torch.div(m, (h * (self.rho * examples)).add_(self.eps)).clamp_(-1, 1)
