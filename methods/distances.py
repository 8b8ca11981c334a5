"""Distances between the rows of a table, all pairs: what facility location looks at."""
from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from methods.parts import Refused

Metric = Literal["l1", "l2", "cosine"]


def distances(features: Tensor, metric: Metric = "l1") -> Tensor:
    """[P, d] -> [P, P] symmetric, zero diagonal, on the device of the features; float64 for float64, else float32.

    The cosine distance 1 - cos of a zero vector to any other is 1. At most three times the result is held.
    """
    if features.ndim != 2:
        raise Refused(f"cannot use features of shape {tuple(features.shape)}; because there is one row per example; use [P, d]")
    points = features.detach()
    points = points if points.dtype == torch.float64 else points.float()
    table = _table(points, metric)
    if not bool(torch.isfinite(table if len(points) > 1 else points).all()):
        raise Refused("cannot use features with NaN, infinity or numbers too large for their type in them; because no distance "
                      "to them is known; leave these examples out of the pool")
    return table


def _table(points: Tensor, metric: Metric) -> Tensor:
    if metric == "cosine":
        unit = torch.nn.functional.normalize(points)
        square = (1 - unit @ unit.T).clamp_(min=0)
        return square.triu(1) + square.triu(1).T
    if metric in ("l1", "l2"):
        return _square(torch.nn.functional.pdist(points, 1 if metric == "l1" else 2), len(points))
    raise Refused(f"cannot use the metric {metric!r}; because it is not known here; use l1, l2 or cosine")


def _square(half: Tensor, size: int) -> Tensor:
    upper = half.new_zeros(size, size)
    upper.masked_scatter_(torch.ones(size, size, dtype=torch.bool, device=half.device).triu_(1), half)
    return upper + upper.T
