"""GaLore's Adam, one matrix at a time, as algorithm 2 of arXiv 2403.03507 reads, with the projector's sign fixed.

The singular vectors come from the eigenvectors of G G', another way than the library's SVD of G.
"""
from __future__ import annotations

import torch
from torch import Tensor


def projector(grad: Tensor, rank: int) -> Tensor:
    """[m, n] -> [m, rank] eigenvectors of G G' of the largest eigenvalues, the largest entry of each positive."""
    vectors = torch.linalg.eigh(grad @ grad.T)[1].flip(1)[:, :rank].clone()
    for column in vectors.T:
        if column[int(column.abs().argmax())] < 0:
            column.neg_()
    return vectors


def galore(weight: Tensor, grads: list[Tensor], lr: float, rank: int, update_gap: int, scale: float, beta1: float,
           beta2: float, eps: float, weight_decay: float = 0.0) -> Tensor:
    """The matrix after one step per gradient; a tall one is handled as the transpose of a wide one."""
    if weight.shape[0] > weight.shape[1]:
        return galore(weight.T, [g.T for g in grads], lr, rank, update_gap, scale, beta1, beta2, eps, weight_decay).T
    P = torch.empty(0)
    M = V = torch.zeros(rank, weight.shape[1], dtype=weight.dtype)
    for t, G in enumerate(grads):
        if t % update_gap == 0:
            P = projector(G, rank)
        R = P.T @ G
        M = beta1 * M + (1 - beta1) * R
        V = beta2 * V + (1 - beta2) * R * R
        N = (M / (1 - beta1 ** (t + 1))) / ((V / (1 - beta2 ** (t + 1))).sqrt() + eps)
        weight = weight - lr * weight_decay * weight - lr * scale * (P @ N)
    return weight
