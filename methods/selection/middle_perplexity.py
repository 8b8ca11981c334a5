"""The examples in the middle of the pool's perplexities: neither known already nor hopeless.

Source: Marion et al., arXiv 2309.04564, section 3 (pruning by perplexity, middle of its distribution).

    S = ranks floor((P - k) / 2) .. floor((P - k) / 2) + k - 1 of exp(l_i), ascending

**Departures**: the paper prunes a training set once by a reference model's perplexity; here each step's pool is ranked by the
model being trained. The middle is one of ranks, so that losses may stand for perplexities and no outlier moves it.
"""
from __future__ import annotations

from dataclasses import dataclass

from methods.parts import Chosen, Clock, Probe, Sight, State
from methods.ranking import ordered, unweighted
from methods.streams import Streams


@dataclass(frozen=True)
class MiddlePerplexity:
    """Out of `pool` times the batch; ties by place in the training set; what is not a number ranks last."""

    pool: int = 2
    sees: Sight = Sight.LOSSES

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        positions = ordered(probe)
        ranked = positions[probe.losses()[positions].sort(stable=True).indices]
        start = max(0, len(probe) - k) // 2
        return unweighted(ranked[start:start + k])
