"""Uniform selection within CoLM's mixture of sources: all of the small sources, a random part of every large one.

Source: the control that CoLM (arXiv 2407.19580) needs: its kept sources and quotas (section 4.1) without its medoids.

    S = {i of small sources} + for every large source q: b_q of its examples, each as likely as the others

**Departures**: none from CoLM's mixture as it is made here (`methods.quotas` states its roundings).
"""
from __future__ import annotations

from dataclasses import dataclass

import torch

from methods.parts import Chosen, Clock, Probe, Sight, State
from methods.quotas import kept_and_quotas
from methods.ranking import ordered, unweighted
from methods.streams import Streams


@dataclass(frozen=True)
class UniformBySource:
    """Out of `pool` times the batch. Small sources that alone exceed the batch: a random part of them."""

    pool: int = 2
    keep_small: bool = True
    sees: Sight = Sight.NOTHING

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        order = ordered(probe)[streams.permutation(len(probe), "selection", clock.step)]
        kept, quotas = kept_and_quotas(probe.sources, probe.small if self.keep_small else frozenset(), k, order)
        picks = [i for source, quota in quotas.items()
                 for i in [j for j in order.tolist() if probe.sources[j] == source][:quota]]
        return unweighted(torch.cat([kept, torch.tensor(picks, dtype=torch.long)]))
