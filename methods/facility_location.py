"""Facility location: k points that stand for n, chosen greedily. The submodular core of CoLM and CRAIG.

Source: CoLM, arXiv 2407.19580, Eq. 2, 4, 8; the greedy rule and its 1 - 1/e: Nemhauser, Wolsey, Fisher 1978; lazy: Minoux 1978.

    f(S) = sum_i max_{s in S} (C - d(i, s)),  C the largest distance (f >= 0; C does not change the picks)

Ties go to the smallest index. Distances are first rounded to whole multiples of a power of two so small that n of them
add up exactly in float64 (2^-39 of C for n = 4,096; whole distances stay whole). Every gain is then an exact sum, the same
in any order of summation, so that every way of being greedy makes the same picks, ties included. Ties are common even among
points in general position: of two unpicked points that would win only each other, either gains as much.

**Departures**: the authors call a library whose ties and rounding are its own; here both are stated.
"""
from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from methods.distances import Metric, distances
from methods.parts import Refused

__all__ = ["Metric", "Picks", "by_groups", "distances", "greedy", "greedy_on_line", "lazy_greedy", "value"]

SHORT = 64
"""Points on a line whose distances are tabled."""
NUMBERS = 2**22
"""Distances looked at together after a pick: 32 MiB."""


@dataclass(frozen=True)
class Picks:
    """`index` [k] in order of choosing; `gain` [k] float64, how much f grew by each; `size` [k] points it stands for.

    A picked point stands for itself; every other one is counted at the nearest pick, at the earliest of equally near ones.
    """

    index: Tensor
    gain: Tensor
    size: Tensor


def greedy(distance: Tensor, k: int) -> Picks:
    """Exact greedy picks from [P, P] distances, the gains of all candidates kept up to date; k >= P takes all.

    A pick changes only the rows of the points it is nearest to: O(P^2 log k) on spread-out points.
    """
    grid, unit = _grid(distance, k)
    far = float(grid.max()) if len(grid) else 0.0
    index = (_by_numpy if grid.device.type == "cpu" else _by_torch)(grid, far, min(k, len(grid)))
    return _picks(index, grid[index], unit, far)


def _by_torch(grid: Tensor, far: float, k: int) -> list[int]:
    near = grid.new_full((len(grid),), far)
    gains = near.sum() - grid.sum(0)
    index: list[int] = []
    while len(index) < k:
        index.append(int(gains.argmax()))
        row = grid[index[-1]]
        for points in torch.split((row < near).nonzero()[:, 0], max(1, NUMBERS // len(grid))):
            now, before = row[points, None], near[points, None]
            gains -= before.sum() - grid.index_select(0, points).maximum(now).minimum(before).sum(0)
        near = torch.minimum(near, row)
        gains[index[-1]] = -math.inf
    return index


def _by_numpy(grid: Tensor, far: float, k: int) -> list[int]:
    """The same on the CPU, where a call of NumPy costs a fifth of one of torch on small tables."""
    table = grid.numpy()
    near = np.full(len(table), far)
    gains = near.sum() - table.sum(0)
    index: list[int] = []
    while len(index) < k:
        index.append(int(gains.argmax()))
        row = table[index[-1]]
        closer, most = np.flatnonzero(row < near), max(1, NUMBERS // len(table))
        for points in (closer[start:start + most] for start in range(0, len(closer), most)):
            now, before, rows = row[points, None], near[points, None], table.take(points, 0)
            gains -= before.sum() - np.minimum(np.maximum(rows, now, out=rows), before, out=rows).sum(0)
        near = np.minimum(near, row)
        gains[index[-1]] = -math.inf
    return index


def lazy_greedy(distance: Tensor, k: int) -> Picks:
    """The same picks as `greedy`, on the CPU: a candidate's gain is looked at again only when it leads."""
    grid, unit = _grid(distance.cpu(), k)
    table = grid.numpy()
    far = float(table.max(initial=0.0))
    near = np.full(len(table), far)
    heap = [(-float(np.sum(near - row)), i) for i, row in enumerate(table)]
    heapq.heapify(heap)
    index: list[int] = []
    while heap and len(index) < k:
        bound, i = heap[0]
        now = -float(np.maximum(near - table[i], 0).sum())
        if now > bound:
            heapq.heapreplace(heap, (now, i))
            continue
        heapq.heappop(heap)
        index.append(i)
        np.minimum(near, table[i], out=near)
    return _picks(index, grid[index], unit, far)


def greedy_on_line(positions: Tensor, k: int) -> Picks:
    """The picks of `greedy` where d(i, j) = |p_i - p_j|, [P] positions, in O(P) per pick and without any [P, P] table.

    It serves features g_i v of rank one: their l1 distances are those of p = g ||v||_1. The picks are those of the general
    path wherever gains differ by more than the roundings of the distances given to it (none for whole numbers); an even
    number of points is served as well from anywhere between its two middle ones, so that roundings do decide there.
    """
    if positions.ndim != 1 or not bool(torch.isfinite(positions).all()) or k < 0:
        raise Refused(f"cannot pick {k} of positions of shape {tuple(positions.shape)}; because they must be a finite number "
                      "per point, and k at least 0; use [P] without NaN or infinity")
    exact = positions.detach().cpu().double()
    whole = exact - exact.min() if len(exact) else exact
    scale = _scale(whole, len(whole))
    places = np.rint(whole.numpy() * scale).astype(np.int64)
    index = _by_table(places, k) if len(places) <= SHORT else _by_line(places, k)
    rows = np.abs(places[index][:, None] - places[None, :])
    return _picks(index, torch.from_numpy(rows), 1 / scale, int(np.ptp(places)) if len(places) else 0)


def _by_table(places: np.ndarray, k: int) -> list[int]:
    """Whole positions [P] -> picks, from all distances: less work than to keep a line in order while points are few."""
    table = np.abs(places[:, None] - places[None, :])
    near = np.full(len(places), table.max(initial=0))
    index: list[int] = []
    while len(index) < min(k, len(places)):
        gains = np.maximum(near - table, 0).sum(1)
        gains[index] = -1
        index.append(int(gains.argmax()))
        near = np.minimum(near, table[index[-1]])
    return index


def _by_line(places: np.ndarray, k: int) -> list[int]:
    """The same picks, O(P) each."""
    order = np.argsort(places, kind="stable")
    line = _Line(places[order])
    gains = np.empty(len(places), dtype=np.int64)
    gains[order] = line.gains(-1, len(places))
    rank = np.argsort(order)
    index: list[int] = []
    while len(index) < min(k, len(places)):
        index.append(int(gains.argmax()))
        gains[index[-1]] = -1
        for lo, hi in line.split(int(rank[index[-1]])):
            gains[order[lo + 1:hi]] = line.gains(lo, hi)
    return index


class _Line:
    """Sorted whole positions [P] and what is picked of them. `lo` and `hi` are neighbouring picks, -1 and P where none."""

    def __init__(self, places: np.ndarray) -> None:
        self.places, self.far = places, (places[-1] - places[0] if len(places) else 0)
        self.left, self.right = np.full(len(places), -1), np.full(len(places), len(places))

    def split(self, at: int) -> list[tuple[int, int]]:
        """The two stretches that a pick at `at` makes of the one it lies in."""
        lo, hi = int(self.left[at]), int(self.right[at])
        self.right[lo + 1:at], self.left[at + 1:hi] = at, at
        return [(lo, at), (at, hi)]

    def gains(self, lo: int, hi: int) -> np.ndarray:
        """Of every candidate strictly between `lo` and `hi`: it wins the points up to half way to either."""
        inner = self.places[lo + 1:hi]
        at = np.arange(len(inner))
        near = np.full(len(inner), self.far)
        start, stop = np.zeros_like(at), np.full_like(at, len(inner))
        if lo >= 0:
            near = inner - self.places[lo]
            start = np.searchsorted(2 * inner, inner + self.places[lo], side="right")
        if hi < len(self.places):
            near = np.minimum(near, self.places[hi] - inner)
            stop = np.searchsorted(2 * inner, inner + self.places[hi], side="left")
        held, sums = (np.concatenate(([0], np.cumsum(a))) for a in (near, inner))
        start, stop = np.minimum(start, at), np.maximum(stop, at)
        apart = inner * (2 * at - start - stop) + sums[start] + sums[stop] - 2 * sums[at]
        return np.asarray(held[stop] - held[start] - apart)


def by_groups(features: Tensor, groups: Tensor, quotas: Sequence[int], metric: Metric = "l1") -> Picks:
    """Facility location inside every group: `groups` [P] of numbers 0..G-1, `quotas` of each. Picks group after group."""
    if groups.shape != features.shape[:1] or (len(groups) and not 0 <= int(groups.min()) <= int(groups.max()) < len(quotas)):
        raise Refused(f"cannot use groups of shape {tuple(groups.shape)} with {len(features)} examples and {len(quotas)} quotas; "
                      "because every example belongs to one group; use a number from 0 to the number of quotas less 1 for each")
    found = []
    for number, quota in enumerate(quotas):
        members = (groups == number).nonzero().squeeze(1)
        if not 0 <= quota <= len(members):
            raise Refused(f"cannot pick {quota} of group {number}; because it has {len(members)} examples; "
                          f"use a quota between 0 and {len(members)}")
        inside = greedy(distances(features[members], metric), quota)
        found.append(Picks(members.cpu()[inside.index], inside.gain, inside.size))
    if not found:
        raise Refused("cannot pick from no group; because nothing is in it; use at least one quota")
    return Picks(*(torch.cat([getattr(p, name) for p in found]) for name in ("index", "gain", "size")))


def value(distance: Tensor, index: Sequence[int] | Tensor) -> float:
    """f of the picks; 0 of none."""
    grid, unit = _grid(distance, 0)
    rows = grid[torch.as_tensor(index, dtype=torch.long)]
    return float((grid.max() - rows.min(0).values).sum()) * unit if len(rows) else 0.0


def _grid(distance: Tensor, k: int) -> tuple[Tensor, float]:
    """[P, P] distances in float64 whole numbers of the unit returned with them."""
    if k < 0:
        raise Refused(f"cannot pick {k} examples; because a number of examples is at least 0; use k >= 0")
    if distance.ndim != 2 or not torch.equal(distance, distance.T) or not bool(((distance >= 0) & (distance < math.inf)).all()):
        raise Refused(f"cannot use distances of shape {tuple(distance.shape)}; because they must be finite, at least 0 and the "
                      "same both ways; use distances() on features that are not too large for their type")
    scale = _scale(distance, len(distance))
    return distance.double().mul_(scale).round_() if distance.dtype != torch.float64 else (distance * scale).round_(), 1 / scale


def _scale(numbers: Tensor, count: int) -> float:
    """The greatest power of two by which `count` of the numbers still add up to less than 2^53."""
    largest = float(numbers.max()) if numbers.numel() else 0.0
    return math.ldexp(1.0, min(53 - count.bit_length() - math.frexp(largest)[1], 1000))


def _picks(index: list[int], rows: Tensor, unit: float, far: float) -> Picks:
    """`rows` [k, P]: whole distances of the picks; `far`: C in the same unit."""
    picked = torch.tensor(index, dtype=torch.long)
    if not index:
        return Picks(picked, torch.zeros(0, dtype=torch.float64), picked.clone())
    near = rows.cummin(0).values.sum(1).cpu().double()
    before = torch.cat([near.new_tensor([rows.shape[1] * far]), near[:-1]])
    owner = rows.argmin(0).cpu()
    owner[picked] = torch.arange(len(index))
    return Picks(picked, (before - near) * unit, torch.bincount(owner, minlength=len(index)))
