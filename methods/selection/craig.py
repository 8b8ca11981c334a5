"""CRAIG: medoids of the gradients, each counted for the examples it stands for.

Source: Mirzasoleiman et al., arXiv 1906.01827, Eq. 6-11, algorithm 1.

    S = the greedy maximum of sum_i max_{s in S} (C - ||g_i - g_s||_2),  w_s = |{i nearest to s}|

**Departures**: the paper selects from the whole training set once per epoch, by the gradient of the loss with respect to the
last layer's input; here from each step's pool, by the gradient on the last value projection. Weights have mean 1, so that the
step keeps its size. A pick stands for itself even beside an equal one, so that no weight is 0. Ties by place in the training set.
"""
from __future__ import annotations

from dataclasses import dataclass

from methods.facility_location import Metric, distances, greedy
from methods.parts import Chosen, Clock, Probe, Sight, State
from methods.ranking import broken, ordered
from methods.streams import Streams


@dataclass(frozen=True)
class Craig:
    """Out of `pool` times the batch."""

    pool: int = 2
    metric: Metric = "l2"
    sees: Sight = Sight.GRADIENTS

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        positions = ordered(probe)
        gradients = probe.gradients(positions)
        stopped = broken(gradients, positions, k)
        if stopped is not None:
            return stopped
        picks = greedy(distances(gradients, self.metric), k)
        size = picks.size.float()
        return Chosen(positions[picks.index], size / size.mean() if len(size) else size)
