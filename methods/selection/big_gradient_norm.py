"""The examples of largest gradient.

Source: Katharopoulos and Fleuret, arXiv 1803.00942 (the norm of the last layers' gradient stands for all), as top k of the pool.

    S = the k largest ||g_i||_2,  g_i the gradient on the last value projection

**Departures**: the paper samples in proportion to a bound on the norm and re-weights; here the largest are taken, unweighted,
ties by place in the training set.
"""
from __future__ import annotations

from dataclasses import dataclass

from methods.parts import Chosen, Clock, Probe, Sight, State
from methods.ranking import largest, ordered
from methods.streams import Streams


@dataclass(frozen=True)
class BigGradientNorm:
    """Out of `pool` times the batch."""

    pool: int = 2
    sees: Sight = Sight.GRADIENTS

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        positions = ordered(probe)
        return largest(probe.gradients(positions).double().norm(dim=1), positions, k)
