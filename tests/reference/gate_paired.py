"""The slow obvious versions: the pooled paired mean with its clustered error by loops, and by a bootstrap of the facts."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from repro.gate.items import Differences


def by_loops(found: Sequence[Differences]) -> tuple[float, float, int]:
    """The mean over seeds of weighted means, its error from the sums of each fact's deviations."""
    mean = sum(sum(v * w for v, w in zip(d.values, d.weight, strict=True)) / sum(d.weight) for d in found) / len(found)
    sums: dict[str, float] = {}
    for d in found:
        for value, weight, fact in zip(d.values, d.weight, d.facts, strict=True):
            sums[fact] = sums.get(fact, 0.0) + weight / sum(d.weight) / len(found) * (value - mean)
    return mean, float(np.sqrt(len(sums) / (len(sums) - 1) * sum(s**2 for s in sums.values()))), len(sums)


def by_bootstrap(found: Sequence[Differences], draws: int, rng: np.random.Generator) -> float:
    """Standard deviation of the pooled mean over redrawn facts."""
    facts = sorted({fact for d in found for fact in d.facts})
    means = []
    for _ in range(draws):
        often = dict(zip(facts, np.bincount(rng.integers(0, len(facts), len(facts)), minlength=len(facts)), strict=True))
        weights = [d.weight * np.array([often[f] for f in d.facts]) for d in found]
        means.append(np.mean([d.values @ w / w.sum() for d, w in zip(found, weights, strict=True)]))
    return float(np.std(means))
