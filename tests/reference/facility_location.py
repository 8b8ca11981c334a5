"""Facility location as its definition says: all subsets, every gain from two values of f. Exact for whole features."""
from __future__ import annotations

from itertools import combinations

from torch import Tensor

Table = list[list[int]]


def table(features: Tensor) -> Table:
    """l1 distances."""
    rows = [[int(x) for x in row] for row in features.tolist()]
    return [[sum(abs(a - b) for a, b in zip(one, other, strict=True)) for other in rows] for one in rows]


def value(distance: Table, chosen: list[int]) -> int:
    largest = max(max(row) for row in distance)
    return sum(max((largest - row[s] for s in chosen), default=0) for row in distance)


def greedy(distance: Table, k: int) -> list[int]:
    """Ties to the smallest index."""
    chosen: list[int] = []
    for _ in range(min(k, len(distance))):
        left = [i for i in range(len(distance)) if i not in chosen]
        chosen.append(max(left, key=lambda i: (value(distance, [*chosen, i]), -i)))
    return chosen


def optimum(distance: Table, k: int) -> int:
    return max(value(distance, list(subset)) for subset in combinations(range(len(distance)), k))


def sizes(distance: Table, chosen: list[int]) -> list[int]:
    """Points each pick stands for: itself, and those to which no earlier pick is as near and no later one nearer."""
    count = [0] * len(chosen)
    for i, row in enumerate(distance):
        owner = chosen.index(i) if i in chosen else min(range(len(chosen)), key=lambda c: (row[chosen[c]], c))
        count[owner] += 1
    return count
