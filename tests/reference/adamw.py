"""AdamW, one weight at a time, as algorithm 2 of arXiv 1711.05101 reads."""
from __future__ import annotations

import torch
from torch import Tensor


def directions(grads: list[Tensor], beta1: float, beta2: float, eps: float) -> list[Tensor]:
    """Adam's direction at every step: the bias-corrected first moment over the root of the second."""
    m, v, out = torch.zeros_like(grads[0]), torch.zeros_like(grads[0]), []
    for t, g in enumerate(grads, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        out.append((m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps))
    return out


def adamw(weight: Tensor, grads: list[Tensor], lrs: list[float], beta1: float, beta2: float, eps: float,
          weight_decay: float) -> Tensor:
    """The weight after one step per gradient, at the given rates; nothing is changed in place."""
    for lr, direction in zip(lrs, directions(grads, beta1, beta2, eps), strict=True):
        weight = weight - lr * (direction + weight_decay * weight)
    return weight
