"""CoLM's selection written out example by example in float64, every vector materialised, naive greedy facility location."""
from __future__ import annotations

import numpy as np


def greedy(x: np.ndarray, k: int) -> list[int]:
    """Facility location on l1 distances: the best addition each time, ties to the smallest index."""
    distance = np.array([[np.abs(a - b).sum() for b in x] for a in x])
    similarity = distance.max() - distance
    picked: list[int] = []
    for _ in range(k):
        def value(chosen: list[int]) -> float:
            return sum(max(similarity[i][s] for s in chosen) for i in range(len(x)))
        gains = {c: value([*picked, c]) for c in range(len(x)) if c not in picked}
        best = max(gains.values())
        picked.append(min(c for c, v in gains.items() if v >= best - 1e-9))
    return picked


def worth(x: np.ndarray, picked: list[int]) -> float:
    """How far all points together are from their nearest pick (l1)."""
    return sum(min(np.abs(a - x[s]).sum() for s in picked) for a in x)


def quotas(sources: list[str], small: set[str], k: int) -> tuple[list[int], dict[str, int]]:
    """Largest remainder; more remainder first, then by name."""
    kept = [i for i, s in enumerate(sources) if s in small]
    left, counts = k - len(kept), {s: sources.count(s) for s in sorted(set(sources) - small)}
    total = sum(counts.values())
    exact = {s: left * n / total for s, n in counts.items()}
    out = {s: int(np.floor(v + 1e-12)) for s, v in exact.items()}
    for s in sorted(exact, key=lambda s: (-(exact[s] - out[s]), s))[:left - sum(out.values())]:
        out[s] += 1
    return kept, out


class Slow:
    """Keeps its moments from call to call."""

    def __init__(self, h: int, betas=(0.9, 0.999), eps: float = 1e-8) -> None:
        self.h, self.betas, self.eps, self.t = h, betas, eps, 0
        self.m = self.v = None
        self.seen: dict[int, np.ndarray] = {}
        """The features of the last call, at the coordinates that were looked at."""

    def __call__(self, proxies: dict[int, np.ndarray], sources: list[str], small: set[str], k: int) -> list[int]:
        kept, share = quotas(sources, small, k)
        self.t += 1
        b1, b2 = self.betas
        features, ms, vs = {}, {}, {}
        for i, x in proxies.items():
            m0 = np.zeros_like(x) if self.m is None else self.m
            v0 = np.zeros_like(x) if self.v is None else self.v
            ms[i], vs[i] = b1 * m0 + (1 - b1) * x, b2 * v0 + (1 - b2) * x**2
            features[i] = (ms[i] / (1 - b1**self.t)) / (np.sqrt(vs[i] / (1 - b2**self.t)) + self.eps)
        chosen = []
        for source, quota in sorted(share.items()):
            mine = [i for i, s in enumerate(sources) if s == source]
            mean = np.mean([features[i] for i in mine], axis=0)
            top = sorted(range(len(mean)), key=lambda j: (-abs(mean[j]), j))[:self.h]
            self.seen |= {i: features[i][top] for i in mine}
            chosen += [mine[p] for p in greedy(np.array([features[i][top] for i in mine]), quota)]
        if chosen:
            self.m, self.v = np.mean([ms[i] for i in chosen], axis=0), np.mean([vs[i] for i in chosen], axis=0)
        return kept + chosen
