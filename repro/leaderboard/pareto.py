"""The Pareto front: methods that no other one beats in quality without costing more."""
from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Numbers of the (cost, quality) points on the front, cheapest first; less cost and more quality are better.

    A point is off it when another is as good on both and better on one: equal points are on it together. O(n log n).
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    found: list[int] = []
    for i in order:
        if not found or points[i][1] > points[found[-1]][1] or points[i] == points[found[-1]]:
            found.append(i)
    return found
