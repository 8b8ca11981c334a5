"""GaLore: Adam in a subspace that the gradient itself spans, for matrices; plain AdamW for the rest.

Source: Zhao et al., arXiv 2403.03507, algorithm 2 and equations 10-12. For a matrix W [m, n] with m <= n and gradient G:
every T = `update_gap` steps of the weight, P [m, r] = the first r left singular vectors of G;
R = P' G [r, n];  N = Adam's direction for R;  W = W - lr `scale` P N.
With m > n the right singular vectors Q [n, r] take their place: R = G Q [m, r], W = W - lr `scale` N Q'.

Departures:
- A square matrix is projected on its left side, as the algorithm is written; the authors' code takes the right.
- eps is added to sqrt(v / (1 - beta2^t)) as in the paper; the authors' code adds it before the bias correction.
- A weight decays by lr weight_decay before the step, as in AdamW; the paper has no decay, its code decays afterwards.
- Singular vectors are unique only up to a sign, and the moments outlive a refresh of P. The sign is fixed (the largest
  entry of each vector is positive), so that a run does not hang on the SVD's whim; the authors leave it open.
- A matrix with min(m, n) <= rank gets plain AdamW: the projection would be a rotation that saves nothing.
- Every weight counts its own steps, so that a block that LISA froze gets a fresh P at its own multiples of T.
- `roles` = the linear layers' matrices; embedding and head stay plain, as in the authors' scripts.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from methods.adam import DECAYED, DTYPES, Adam, Slots, StateDtype, moments
from methods.gradients import Dense, Gradient
from methods.parts import Clock, Refused, Role, State, Weight


@dataclass(frozen=True)
class GaLore:
    """State of a projected weight: projector [m, r], step [], exp_avg and exp_avg_sq [r, n]; [n, r] and [m, r] on the right."""

    lr: float
    rank: int = 128
    update_gap: int = 200
    scale: float = 0.25
    side: Literal["auto", "left", "right"] = "auto"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    roles: tuple[Role, ...] = (Role.MATRIX,)
    decays: tuple[Role, ...] = DECAYED
    state_dtype: StateDtype = "weight"
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Dense,)

    def __post_init__(self) -> None:
        if self.rank < 1 or self.update_gap < 1:
            raise Refused(f"cannot use GaLore with rank {self.rank} and update_gap {self.update_gap}; because it projects on "
                          "at least one direction and refreshes every so many steps; use values from 1 upwards")

    def projects(self, weight: Weight) -> bool:
        """Whether the weight moves in a subspace; all others get plain AdamW."""
        return weight.role in self.roles and weight.tensor.dim() == 2 and min(weight.tensor.shape) > self.rank

    @torch.no_grad()
    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        lr = self.lr * clock.lr_scale
        low: list[tuple[Weight, Tensor]] = []
        plain: list[tuple[Weight, Tensor]] = []
        for weight, grad in gradient:
            (low if self.projects(weight) else plain).append((weight, grad))
        Adam(lr, self.beta1, self.beta2, self.eps).by_role(plain, state, self.weight_decay, self.decays, self.state_dtype)
        if low:
            self._project(low, state, lr)

    def _project(self, low: list[tuple[Weight, Tensor]], state: State, lr: float) -> None:
        """Adam at rate 1 moves zeros to minus its direction, which is then carried back into the full space."""
        slots = [self._slots(state.setdefault(w.name, {}), w.tensor) for w, _ in low]
        due = [int(kept["step"].item()) % self.update_gap == 0 for kept in slots]
        small = []
        for (weight, grad), kept, fresh in zip(low, slots, due, strict=True):
            left = self._left(weight.tensor)
            if fresh:
                kept["projector"].copy_(basis(grad if left else grad.T, self.rank))
            grad = grad.to(kept["projector"].dtype)
            small.append(kept["projector"].T @ grad if left else grad @ kept["projector"])
        moves = [torch.zeros_like(r) for r in small]
        Adam(1.0, self.beta1, self.beta2, self.eps).step(moves, small, slots, 0.0)
        for (weight, _), kept, move in zip(low, slots, moves, strict=True):
            back = kept["projector"] @ move if self._left(weight.tensor) else move @ kept["projector"].T
            if self.weight_decay and weight.role in self.decays:
                weight.tensor.mul_(1 - lr * self.weight_decay)
            weight.tensor.add_(back, alpha=lr * self.scale)

    def _left(self, weight: Tensor) -> bool:
        return weight.shape[0] <= weight.shape[1] if self.side == "auto" else self.side == "left"

    def _slots(self, slots: Slots, weight: Tensor) -> Slots:
        if "projector" not in slots:
            (m, n), left = weight.shape, self._left(weight)
            dtype = DTYPES.get(self.state_dtype, weight.dtype)
            slots["projector"] = torch.zeros((m if left else n, self.rank), dtype=dtype, device=weight.device)
            small = (self.rank, n) if left else (m, self.rank)
            moments(slots, weight.new_empty(small), dtype)
        return slots


def basis(matrix: Tensor, rank: int) -> Tensor:
    """[m, n] -> [m, rank] the first left singular vectors, each with its largest entry positive; at least float32."""
    wide = matrix.to(torch.promote_types(matrix.dtype, torch.float32))
    vectors: Tensor = torch.linalg.svd(wide, full_matrices=False).U[:, :rank]
    peaks = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return vectors * torch.where(peaks < 0, -1.0, 1.0).to(vectors.dtype)
