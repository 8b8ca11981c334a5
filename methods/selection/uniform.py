"""Uniform selection: the batch is a random part of the pool (with pool = 1, the pool itself).

Departures: none.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from methods.parts import Chosen, Clock, Sight, State
from methods.streams import Streams


@dataclass(frozen=True)
class Uniform:
    """k of the `pool` * batch size examples drawn, each as likely as the others."""

    pool: int = 1
    sees: Sight = Sight.NOTHING

    def __call__(self, probe: Any, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        """`probe` is the number of examples in the pool; k more than that takes all of them."""
        size = int(probe)
        order = torch.arange(size) if k >= size else streams.permutation(size, "selection", clock.step)[:k]
        return Chosen(order, torch.ones(len(order)))
