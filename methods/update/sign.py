"""Sign SGD on a zeroth-order gradient: a step of one length, whatever the slope.

Source: the baseline ZO-SGD-Sign of Zhang et al., arXiv 2402.11592.
of = "slope":   w = w - lr (1 / n) sum_i sign(c_i) z_i, as its authors' code reads;
of = "entries": w = w - lr sign(g), as sign SGD (Bernstein et al., arXiv 1802.04434) and the baseline's name read.

Departures: none from the code in "slope" but that nothing else steps along: its published sweeps name no optimizer, and
their trainer's default, AdamW, then does.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from methods.gradients import Gradient, Seeded
from methods.parts import Clock, State


@dataclass(frozen=True)
class Sign:
    """No state."""

    lr: float
    of: Literal["slope", "entries"] = "slope"
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Seeded,)

    @torch.no_grad()
    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        assert isinstance(gradient, Seeded)
        signs = [float((c > 0) - (c < 0)) for c in gradient.c] if self.of == "slope" else None
        for moving in gradient.groups(signs):
            for weight, g in moving:
                weight.tensor.add_(g if signs else g.sign_(), alpha=-self.lr * clock.lr_scale)
