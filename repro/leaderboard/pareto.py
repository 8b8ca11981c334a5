"""The Pareto front: methods that no other one beats in quality without costing more."""
from __future__ import annotations

from collections.abc import Sequence

SAME = 0.01
"""Costs that differ by no more than this share of the smaller one count as equal: a few bytes more buy nothing."""
Point = tuple[float, float]


def front(points: Sequence[Point]) -> list[int]:
    """Numbers of the (cost, quality) points on the front, cheapest first; less cost and more quality are better.

    A point is off it when another one is as good on both and better on one; equal points are on it together.
    """
    kept = (i for i, point in enumerate(points) if not any(_beats(other, point) for other in points))
    return sorted(kept, key=lambda i: (points[i][0], -points[i][1]))


def _beats(one: Point, other: Point) -> bool:
    dearer, cheaper = one[0] > other[0] * (1 + SAME), one[0] * (1 + SAME) < other[0]
    return not dearer and (one[1] > other[1] or (cheaper and one[1] == other[1]))
