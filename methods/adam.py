"""Adam with decoupled weight decay on a list of weights, through PyTorch's fused kernel: what several updates share.

m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  with t counted per weight,
w = (1 - lr weight_decay) w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
(Loshchilov and Hutter, arXiv 1711.05101, algorithm 2, with the schedule inside lr.)
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from methods.parts import Role, State, Weight

StateDtype = Literal["fp32", "bf16", "weight"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Slots = dict[str, Tensor]
Row = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Weight, gradient, exp_avg, exp_avg_sq, step."""
DECAYED = (Role.EMBEDDING, Role.POSITION, Role.HEAD, Role.MATRIX, Role.ADAPTER)
"""All but norms and biases."""


@dataclass(frozen=True)
class Adam:
    """The arithmetic's constants at one step; `lr` has the schedule's factor in it."""

    lr: float
    beta1: float
    beta2: float
    eps: float

    def by_role(self, moving: Iterable[tuple[Weight, Tensor]], state: State, weight_decay: float,
                decays: Collection[Role], dtype: StateDtype) -> None:
        """One step of every weight with its gradient, in place; only the weights whose role is in `decays` decay."""
        groups: dict[float, tuple[list[Tensor], list[Tensor], list[Slots]]] = {}
        for weight, grad in moving:
            tensor = weight.tensor
            decay = weight_decay if weight.role in decays else 0.0
            weights, grads, slots = groups.setdefault(decay, ([], [], []))
            weights.append(tensor)
            grads.append(grad)
            slots.append(moments(state.setdefault(weight.name, {}), tensor, DTYPES.get(dtype, tensor.dtype)))
        for decay, (weights, grads, slots) in groups.items():
            self.step(weights, grads, slots, decay)

    def step(self, weights: Sequence[Tensor], grads: Sequence[Tensor], slots: Sequence[Slots], weight_decay: float) -> None:
        """One step of every weight, in place, with one fused call for all that have one dtype and lie densely."""
        dense: list[Row] = []
        for weight, grad, kept in zip(weights, grads, slots, strict=True):
            row = (weight, grad, kept["exp_avg"], kept["exp_avg_sq"], kept["step"])
            if weight.dtype == grad.dtype == row[2].dtype and weight.is_contiguous() and grad.is_contiguous():
                dense.append(row)
            else:
                self._wide(row, weight_decay)
        if dense:
            self._fused(dense, weight_decay)

    def _wide(self, row: Row, weight_decay: float) -> None:
        """The step of one weight in the widest dtype at hand (at least float32), each result rounded once."""
        weight, grad, exp_avg, exp_avg_sq, step = row
        dtype = torch.promote_types(torch.promote_types(weight.dtype, exp_avg.dtype), torch.float32)
        w, g, m, v = (t.to(dtype).contiguous() for t in (weight, grad, exp_avg, exp_avg_sq))
        self._fused([(w, g, m, v, step)], weight_decay)
        for kept, new in ((weight, w), (exp_avg, m), (exp_avg_sq, v)):
            kept.copy_(new)

    def _fused(self, rows: Sequence[Row], weight_decay: float) -> None:
        weights, grads, exp_avgs, exp_avg_sqs, steps = map(list, zip(*rows, strict=True))
        adamw(weights, grads, exp_avgs, exp_avg_sqs, [], steps, fused=True, amsgrad=False, beta1=self.beta1,
              beta2=self.beta2, lr=self.lr, weight_decay=weight_decay, eps=self.eps, maximize=False)


def moments(slots: Slots, like: Tensor, dtype: torch.dtype) -> Slots:
    """A weight's slots with step [] float32, exp_avg and exp_avg_sq of the shape of `like`; made where absent."""
    if "step" not in slots:
        slots["step"] = torch.zeros((), dtype=torch.float32, device=like.device)
        slots["exp_avg"] = torch.zeros(like.shape, dtype=dtype, device=like.device)
        slots["exp_avg_sq"] = torch.zeros(like.shape, dtype=dtype, device=like.device)
    return slots
