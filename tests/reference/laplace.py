"""Slow and obvious: one example at a time, one backward pass per logit, whole [d, d] matrices, float64."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from methods import anatomy
from methods.examples import Example


def weights(model: nn.Module) -> list[nn.Parameter]:
    """A and B of every adapter in the last block, in the model's order."""
    block = anatomy.read(model).blocks[-1]
    return [p for name, p in block.named_parameters() if "lora_" in name]


def logits(model: nn.Module, example: Example, ids: list[int]) -> Tensor:
    """[K] after the prompt alone, nothing padded."""
    prompt = torch.tensor([example.input_ids[:example.answer_from]])
    return model(input_ids=prompt).logits[0, -1, ids]


def jacobian(model: nn.Module, example: Example, ids: list[int]) -> Tensor:
    """[K, d]"""
    theta, rows = weights(model), []
    for k in range(len(ids)):
        slopes = torch.autograd.grad(logits(model, example, ids)[k], theta)
        rows.append(torch.cat([slope.flatten() for slope in slopes]))
    return torch.stack(rows)


def hessian(model: nn.Module, data: list[Example], ids: list[int], prior: float) -> Tensor:
    """[d, d]"""
    d = sum(p.numel() for p in weights(model))
    total = prior * torch.eye(d, dtype=torch.float64)
    for example in data:
        p = torch.softmax(logits(model, example, ids).detach(), 0)
        j = jacobian(model, example, ids)
        total += j.T @ (torch.diag(p) - torch.outer(p, p)) @ j
    return total


def evidence(model: nn.Module, data: list[Example], ids: list[int], prior: float) -> float:
    theta = torch.cat([p.detach().flatten() for p in weights(model)])
    found = -prior / 2 * theta @ theta + len(theta) / 2 * torch.log(torch.tensor(prior, dtype=torch.float64))
    found = found - torch.logdet(hessian(model, data, ids, prior)) / 2
    for example in data:
        answer = ids.index(example.input_ids[example.answer_from])
        found = found + torch.log_softmax(logits(model, example, ids).detach(), 0)[answer]
    return float(found)


def covariance(model: nn.Module, h: Tensor, example: Example, ids: list[int]) -> Tensor:
    """[K, K]"""
    j = jacobian(model, example, ids)
    return j @ torch.linalg.inv(h) @ j.T


def probabilities(mean: Tensor, spread: Tensor, z: Tensor) -> Tensor:
    """[K] from the draws z [S, K]."""
    values, vectors = torch.linalg.eigh(spread)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    total = torch.zeros_like(mean)
    for draw in z:
        total += torch.softmax(mean + root @ draw, 0)
    return total / len(z)
