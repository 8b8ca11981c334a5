"""Uniform selection: the batch is a random part of the pool (with pool = 1, the pool itself).

Departures: none.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from methods.parts import Chosen, Clock, Probe, Sight, State
from methods.streams import Streams


@dataclass(frozen=True)
class Uniform:
    """k of the `pool` * batch size examples drawn, each as likely as the others."""

    pool: int = 1
    sees: Sight = Sight.NOTHING

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        """k more than the pool takes all of it."""
        size = len(probe)
        order = torch.arange(size) if k >= size else streams.permutation(size, "selection", clock.step)[:k]
        return Chosen(order, torch.ones(len(order)))
