"""AdamW that shrinks one factor of LoRA alone: a pull towards the base model in weight space.

B <- (1 - lr decay) B - lr (Adam's direction);  A without decay, or the other way round.

B = 0 is the base model, so decay on B leads there. Adam's direction has entries of order 1: in equilibrium |B_ij| is about
1 / decay at most, and the half-life is ln 2 / (lr decay) steps, so that the usual 0.01 does nothing.

Source: the weight-decay regulariser of Wang et al., arXiv 2310.00035 (large decay on the adapters); derivation ours.

Departures: the paper's coefficients and factor could not be read. Decay is decoupled (Loshchilov and Hutter, arXiv 1711.05101).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from methods.adam import Adam, moments
from methods.anatomy import adapter_factor
from methods.gradients import Dense, Gradient, Seeded
from methods.parts import Clock, Refused, State


@dataclass(frozen=True)
class AdamWOnFactor:
    """State per weight as AdamW's. `decay` acts on the named factor of every adapter."""

    lr: float
    decay: float
    factor: Literal["A", "B"] = "B"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Dense, Seeded)

    def __post_init__(self) -> None:
        if not 0 <= self.lr * self.decay < 1:
            raise Refused(f"cannot use a decay of {self.decay:g} at a rate of {self.lr:g}; because their product is the share of "
                          f"{self.factor} that each step takes away; use a decay from 0 to less than {1 / self.lr:g}")

    @torch.no_grad()
    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        adam = Adam(self.lr * clock.lr_scale, self.beta1, self.beta2, self.eps)
        for moving in gradient.groups():
            for decay, here in ((self.decay, True), (0.0, False)):
                rows = [(w, g) for w, g in moving if (adapter_factor(w) == self.factor) is here]
                if rows:
                    slots = [moments(state.setdefault(w.name, {}), w.tensor, w.tensor.dtype) for w, _ in rows]
                    adam.step([w.tensor for w, _ in rows], [g for _, g in rows], slots, decay)
