"""Forward gradient: the exact slope of the loss along a random direction, by forward-mode differentiation.

Source: Baydin et al., arXiv 2202.08587, equation 2; the baseline "Forward-Grad" of Zhang et al., arXiv 2402.11592.
c_i = <grad L(w), z_i>,  g = (1 / n) sum_i c_i z_i,  z_i ~ N(0, I) over the moving weights: SPSA in the limit eps -> 0.

Departures:
- The direction is held as tangents while the pass runs (the moving weights' memory once more), and the pass carries a
  tangent beside every activation; the gradient that comes out is seeded and holds nothing.
- Attention runs as plain matrix products: the fused kernels of scaled dot-product attention have no forward derivative.
- In half precision the tangent is z rounded to it, while the update remakes z in float32.
- The model computes in evaluation mode, as for SPSA, so that the two differ in eps alone.
"""
from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from methods import directions
from methods.gradients import Gradient, Seeded
from methods.modes import evaluating
from methods.parts import Loss, Refused, Weight
from methods.streams import Streams


@dataclass(frozen=True)
class ForwardGrad:
    """`n` directions a step, a forward pass with tangents for each."""

    n: int = 1
    gives: ClassVar[type[Gradient]] = Seeded

    def __post_init__(self) -> None:
        if self.n < 1:
            raise Refused(f"cannot use ForwardGrad with n {self.n}; because it needs a direction; use n >= 1")

    def __call__(self, loss: Loss, model: nn.Module, active: Sequence[Weight], streams: Streams, step: int) -> Seeded:
        """Raises Refused for an empty batch."""
        return _Here(self.n, loss, model, tuple(active), streams, step).gradient()


class _Bound(nn.Module):
    """The loss as a module, so that its model's weights can be swapped for the length of one call."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self) -> tuple[Tensor, Tensor]:
        return self.loss.each()


@dataclass
class _Here:
    """One step's batch and weights; `drawn` counts the gradients taken there."""

    n: int
    loss: Loss
    model: nn.Module
    active: tuple[Weight, ...]
    streams: Streams
    step: int
    drawn: int = 0

    def value(self) -> Tensor:
        with evaluating(self.model):
            return self.loss.value()

    def fresh(self) -> Seeded:
        return self.gradient()

    def gradient(self) -> Seeded:
        purpose = f"directions/{self.drawn}" if self.drawn else "directions"
        seeds = tuple(self.streams.number(purpose, self.step * self.n + i) for i in range(self.n))
        self.drawn += 1
        with evaluating(self.model), sdpa_kernel(SDPBackend.MATH), torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")  # torch's own call, at the first dual
            found = [self._slope(seed) for seed in seeds]
        losses = torch.tensor([f[0] for f in found], dtype=torch.float64)
        return Seeded(losses.mean(), self.active, tuple(f[1] for f in found), seeds, self, tuple(f[2] for f in found),
                      found[0][3])

    def _slope(self, seed: int) -> tuple[float, float, float, int]:
        """Loss, slope, mean square of the examples' slopes, B."""
        with forward_ad.dual_level():
            losses, share = functional_call(_Bound(self.model, self.loss), self._duals(seed), ())
            if not len(share):
                raise Refused("cannot take the slope of an empty batch; because it has no loss; use at least one example")
            values, slopes = forward_ad.unpack_dual(losses)  # type: ignore[no-untyped-call]
            if slopes is None:
                raise Refused("cannot take a forward gradient; because the loss does not depend on a moving weight; use a "
                              "scope whose weights the forward pass reaches")
            share, values, slopes = share.double(), values.double(), slopes.double()
            return float(share @ values), float(share @ slopes), float(share @ slopes.square()), len(share)

    def _duals(self, seed: int) -> dict[str, Tensor]:
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        tensors = [w.tensor.detach() for w in self.active]
        duals = {}
        for start, parts in directions.draw(tensors, (seed,), (1.0,)):
            for weight, tensor, part in zip(self.active[start:], tensors[start:], parts, strict=False):
                tangent = part.to(tensor.dtype) if part.dtype != tensor.dtype else part.clone()
                duals[f"model.{names[id(weight.tensor)]}"] = forward_ad.make_dual(tensor, tangent)  # type: ignore[no-untyped-call]
        return duals
