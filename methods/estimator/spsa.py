"""SPSA: the slope of the loss along random directions, from two forward passes each, in the memory of a forward pass.

Source: Spall, IEEE TAC 1992; Malladi et al. (MeZO), arXiv 2305.17333, definition 1 and algorithm 1.
c_i = (L(w + eps z_i) - L(w - eps z_i)) / (2 eps),  g = (1 / n) sum_i c_i z_i,  z_i ~ N(0, I) over the moving weights.
The weights are perturbed in place and z_i is remade from its seed at (seed of the run, step, i), group by group.
The loss of the gradient is the mean of all passes, which is L(w) up to eps^2.

Weights come back to within the rounding of three sums (four with the update, whose sum is not counted here):
|w' - w| <= 3 u (|w| + 4.33 eps) (1 + 4 u) per direction, u = 2^-24 in float32, 2^-8 in bfloat16, 2^-11 in float16, 2^-53 in
float64 (on other devices with their generator's greatest number in place of 4.33). In bfloat16 this is as large as the
perturbation itself wherever |w| > 80 eps |z|: use restore="exact" there.

Departures:
- `restore`: "fused" puts the weights back in the sweep that applies the update, so that a step makes three random sweeps
  and not the authors' four; "sweep" puts them back at once, as they do; "exact" keeps a copy of the moving weights (their
  memory once more) and is exact to the bit.
- c is the mean of the examples' own slopes, taken in float64: the difference of two float32 means of about 3 nats would
  leave c an error of 2^-22 / eps, a tenth of a per cent of a usual c at eps = 1e-3.
- z is float32 (float64 beside float64 weights) in every model; the authors draw it in the model's own half precision.
  `methods.directions` says which numbers they are.
- The model computes in evaluation mode, as the authors' does, and every module gets its mode back.
"""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from methods import directions
from methods.gradients import Gradient, Seeded
from methods.modes import evaluating
from methods.parts import Loss, Refused, Weight
from methods.streams import Streams


@dataclass(frozen=True)
class Spsa:
    """`n` directions a step, 2 n forward passes."""

    eps: float = 1e-3
    n: int = 1
    restore: Literal["fused", "sweep", "exact"] = "fused"
    gives: ClassVar[type[Gradient]] = Seeded

    def __post_init__(self) -> None:
        if not (self.eps > 0 and self.n >= 1):
            raise Refused(f"cannot use SPSA with eps {self.eps} and n {self.n}; because it needs a distance and a "
                          "direction; use eps > 0 and n >= 1")

    def __call__(self, loss: Loss, model: nn.Module, active: Sequence[Weight], streams: Streams, step: int) -> Seeded:
        """Raises Refused for an empty batch."""
        return _Here(self, loss, model, tuple(active), streams, step).gradient()


@dataclass
class _Here:
    """One step's batch and weights; `drawn` counts the gradients taken there."""

    spsa: Spsa
    loss: Loss
    model: nn.Module
    active: tuple[Weight, ...]
    streams: Streams
    step: int
    drawn: int = 0
    tensors: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.tensors = [w.tensor for w in self.active]

    def value(self) -> Tensor:
        with evaluating(self.model):
            return self.loss.value()

    def fresh(self) -> Seeded:
        return self.gradient()

    def gradient(self) -> Seeded:
        spsa, purpose = self.spsa, f"directions/{self.drawn}" if self.drawn else "directions"
        seeds = tuple(self.streams.number(purpose, self.step * spsa.n + i) for i in range(spsa.n))
        fused = spsa.restore == "fused" and not self.drawn
        self.drawn += 1
        with evaluating(self.model):
            found = [self._slope(seed, leave=fused and seed == seeds[-1]) for seed in seeds]
        losses = torch.stack([f[0] for f in found])
        return Seeded(losses.mean(), self.active, tuple(f[1] for f in found), seeds, self, tuple(f[2] for f in found),
                      found[0][3], -spsa.eps if fused else 0.0)

    def _slope(self, seed: int, leave: bool) -> tuple[Tensor, float, float, int]:
        """(mean loss, slope, mean square of the examples' slopes, B); weights end at w - eps z where told to `leave` them."""
        eps = self.spsa.eps
        with ExitStack() as undo:
            kept = [t.detach().clone() for t in self.tensors] if self.spsa.restore == "exact" else None
            undo.callback(self._back, kept, seed, eps)
            directions.shift(self.tensors, seed, eps)
            with ExitStack() as far:  # should the first pass fail, the weights go back all the way
                far.callback(directions.shift, self.tensors, seed, -2 * eps)
                plus, share = self.loss.each()
            minus, _ = self.loss.each()
            if leave:
                undo.pop_all()
        if not len(share):
            raise Refused("cannot take the slope of an empty batch; because it has no loss; use at least one example")
        share, plus, minus = share.double(), plus.double(), minus.double()
        slopes = (plus - minus) / (2 * eps)
        slope, square, mean = torch.stack([share @ slopes, share @ slopes.square(), share @ (plus + minus) / 2]).tolist()
        return torch.tensor(mean, dtype=torch.float64), slope, square, len(share)

    @torch.no_grad()
    def _back(self, kept: list[Tensor] | None, seed: int, eps: float) -> None:
        if kept is None:
            directions.shift(self.tensors, seed, eps)
        else:
            torch._foreach_copy_(self.tensors, kept)
