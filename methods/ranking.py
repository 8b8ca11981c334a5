"""What selections share: the pool in the training set's order, so that the order in which it was drawn changes no pick."""
from __future__ import annotations

import torch
from torch import Tensor

from methods.parts import Chosen, Probe


def ordered(probe: Probe) -> Tensor:
    """[P] positions of the pool's examples by their place in the training set: the order by which ties are broken."""
    return probe.index.cpu().argsort(stable=True)


def largest(scores: Tensor, positions: Tensor, k: int) -> Chosen:
    """The k of largest score [P], equal ones by their order in `positions` [P]; what is not a number counts as largest."""
    best = scores.sort(descending=True, stable=True).indices[:k]
    return unweighted(positions[best.cpu()])


def unweighted(positions: Tensor) -> Chosen:
    return Chosen(positions, torch.ones(len(positions)))


def broken(features: Tensor, positions: Tensor, k: int) -> Chosen | None:
    """None where all of [P, d] are numbers; else k examples, those that are not first, so that training stops at them."""
    bad = ~features.isfinite().all(1)
    return largest(bad.float(), positions, k) if bool(bad.any()) else None
