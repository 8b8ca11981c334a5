"""Slow and obvious: each example alone, whole passes, the weight itself moved."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from methods import anatomy
from methods.examples import Example, collate
from methods.parts import Objective


def matrix(model: nn.Module) -> tuple[nn.Parameter, tuple[slice, ...], int]:
    """The last value projection's weight, or its LoRA B where it has one; its meant rows and their axis."""
    body = anatomy.read(model)
    found = body.value_projection(body.n_blocks - 1)
    adapters = [w for w in body.weights if w.name.startswith(found.module + ".lora_B.")]
    if adapters:
        return adapters[0].tensor, found.rows, 0
    return next(w.tensor for w in body.weights if w.name == found.weight), found.rows, found.axis


def meant(tensor: Tensor, rows: tuple[slice, ...], axis: int) -> Tensor:
    """[d_out, d_in]"""
    parts = torch.cat([tensor.narrow(axis, r.start, r.stop - r.start) for r in rows], axis)
    return parts if axis == 0 else parts.t()


def losses(model: nn.Module, data: list[Example], objective: Objective, prepared, pad: int) -> Tensor:
    with torch.no_grad():
        return torch.cat([objective(model, collate(data, [i], pad), prepared) for i in range(len(data))])


def slopes(model: nn.Module, data: list[Example], objective: Objective, prepared, pad: int, z: Tensor, eps: float) -> Tensor:
    weight, rows, axis = matrix(model)
    z = z.view(-1, meant(weight, rows, axis).shape[1])

    def at(by: float) -> Tensor:
        before = weight.detach().clone()
        with torch.no_grad():
            start = 0
            for r in rows:
                size = r.stop - r.start
                part = z[start:start + size].to(weight)
                weight.narrow(axis, r.start, size).add_(part if axis == 0 else part.t(), alpha=by)
                start += size
            found = losses(model, data, objective, prepared, pad)
            weight.copy_(before)
        return found

    return (at(eps) - at(-eps)) / (2 * eps)


def gradients(model: nn.Module, data: list[Example], objective: Objective, prepared, pad: int) -> Tensor:
    weight, rows, axis = matrix(model)
    weight.requires_grad_()
    out = []
    for i in range(len(data)):
        loss = objective(model, collate(data, [i], pad), prepared).sum()
        (slope,) = torch.autograd.grad(loss, weight)
        out.append(meant(slope, rows, axis).flatten())
    return torch.stack(out)
