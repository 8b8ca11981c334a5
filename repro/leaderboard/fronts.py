"""Which methods are on the Pareto fronts of a board. The base model before training, which costs nothing to train, takes part:
where it is better than a method, training by that method bought nothing."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from repro.leaderboard.costs import Costs
from repro.leaderboard.pareto import front

if TYPE_CHECKING:
    from repro.leaderboard.boards import Standing

COSTS: Mapping[str, Callable[[Costs], float | None]] = {
    "optimizer state": lambda cost: cost.state_bytes, "time": lambda cost: cost.train_s.mean if cost.train_s else None}
"""The front's name -> its cost."""


def with_fronts(standings: Sequence[Standing], higher: bool) -> list[Standing]:
    """The ranked methods of a board, and the base model where it was measured, with the fronts that each is on."""
    found: dict[int, list[str]] = {}
    for name, read in COSTS.items():
        points = [(i, c, s.estimate.mean) for i, s in enumerate(standings) if s.estimate and (c := read(s.cost)) is not None]
        for k in front([(cost, mean if higher else -mean) for _, cost, mean in points]):
            found.setdefault(points[k][0], []).append(name)
    return [replace(s, fronts=tuple(found.get(i, ()))) for i, s in enumerate(standings)]
