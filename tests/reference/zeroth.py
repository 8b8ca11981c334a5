"""Zeroth-order steps that materialise everything: whole directions, whole gradients, whole states, nothing in place."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from methods.directions import draw


def direction(tensors: Sequence[Tensor], seed: int) -> list[Tensor]:
    """z, as one list of tensors."""
    return [part.clone() for _, parts in draw(tensors, (seed,), (1.0,)) for part in parts]


def slope(loss: Callable[[list[Tensor]], Tensor], weights: list[Tensor], z: list[Tensor], eps: float) -> float:
    """(L(w + eps z) - L(w - eps z)) / (2 eps)."""
    plus = loss([w + eps * d for w, d in zip(weights, z, strict=True)])
    minus = loss([w - eps * d for w, d in zip(weights, z, strict=True)])
    return float(plus - minus) / (2 * eps)


def helene(weights: list[Tensor], grads: list[list[Tensor]], lr: float, lam: list[float], beta1: float, beta2: float, k: int,
           gamma: float, eps: float, examples: int, T: int, cap: bool = False) -> list[Tensor]:
    """Falling alpha, refreshes at steps 0, k, 2k, ...."""
    m = [torch.zeros_like(w) for w in weights]
    h = [torch.zeros_like(w) for w in weights]
    for t, g in enumerate(grads):
        alpha = beta1 + (1 - beta1) * math.exp(-t / T)
        m = [beta1 * a + alpha * b for a, b in zip(m, g, strict=True)]
        if t % k == 0:
            h = [beta2 * a + (1 - beta2) * examples * b * b for a, b in zip(h, g, strict=True)]
        limit = torch.clamp_max if cap else torch.clamp_min
        weights = [w - lr * a / (gamma * limit(b, floor) + eps) for w, a, b, floor in zip(weights, m, h, lam, strict=True)]
    return weights


def sophia(weights: list[Tensor], grads: list[list[Tensor]], lr: float, rho: float, beta1: float, beta2: float, k: int,
           eps: float, examples: int) -> list[Tensor]:
    """Every entry of m / (rho B h + eps) clipped to [-1, 1]."""
    m = [torch.zeros_like(w) for w in weights]
    h = [torch.zeros_like(w) for w in weights]
    for t, g in enumerate(grads):
        m = [beta1 * a + (1 - beta1) * b for a, b in zip(m, g, strict=True)]
        if t % k == 0:
            h = [beta2 * a + (1 - beta2) * b * b for a, b in zip(h, g, strict=True)]
        ratio = [(a / (rho * examples * b + eps)).clamp(-1, 1) for a, b in zip(m, h, strict=True)]
        weights = [w - lr * r for w, r in zip(weights, ratio, strict=True)]
    return weights
