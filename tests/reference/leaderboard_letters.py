"""The slow, obvious letters: every set of methods is looked at, and the largest ones without a difference are kept."""
from __future__ import annotations

import itertools
from collections.abc import Iterable


def columns(n: int, different: Iterable[tuple[int, int]]) -> list[frozenset[int]]:
    pairs = {frozenset(p) for p in different}
    alike = [frozenset(s) for size in range(1, n + 1) for s in itertools.combinations(range(n), size)
             if not any(frozenset(p) in pairs for p in itertools.combinations(s, 2))]
    return sorted((s for s in alike if not any(s < other for other in alike)), key=sorted)


def front(points: list[tuple[float, float]]) -> set[int]:
    """Numbers of the (cost, quality) points that no other one beats."""
    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        same = max(a[0], b[0]) <= 1.01 * min(a[0], b[0])
        return (a[1] > b[1] and (same or a[0] < b[0])) or (a[1] == b[1] and not same and a[0] < b[0])

    return {i for i, p in enumerate(points) if not any(beats(q, p) for q in points)}
