"""The examples of largest loss.

Source: Jiang et al., Selective-Backprop, arXiv 1910.00762, in its deterministic form (top k of the pool).

    S = the k largest l_i, nats per answer token

**Departures**: the paper draws by a power of the loss's rank among recent ones; here the largest are taken, ties by place in
the training set.
"""
from __future__ import annotations

from dataclasses import dataclass

from methods.parts import Chosen, Clock, Probe, Sight, State
from methods.ranking import largest, ordered
from methods.streams import Streams


@dataclass(frozen=True)
class BigLoss:
    """Out of `pool` times the batch."""

    pool: int = 2
    sees: Sight = Sight.LOSSES

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        positions = ordered(probe)
        return largest(probe.losses()[positions], positions, k)
