"""Numbers by seed and by item, and what is made of them: differences, means of several, the range of several.

Pairing is by seed and item: what was measured on other items cannot be paired, and of seeds those that all have are taken.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from methods.parts import Refused
from repro.claims import Missing
from repro.sparse import Within, minus

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """`values` [S, N]: seeds x items in display units. `cluster` [N] numbers the items that belong together."""

    seeds: tuple[int, ...]
    values: Floats
    cluster: npt.NDArray[np.int64]
    items: tuple[str, ...]
    weight: Floats
    """[N] how much each item counts."""
    trained: bool = True
    """False for a model that was not trained: it has no seeds to vary, one row stands for all."""
    within: Within | None = None
    """Between what numbers values lie, whatever is drawn; None where that is not known."""

    def __post_init__(self) -> None:
        if self.values.size == 0:
            raise Refused("cannot average an empty set; because no run or no item is in it; run the arm first")
        if not (self.weight > 0).any() or (self.weight < 0).any():
            raise Refused("cannot average this set; because its weights are not positive; use items with an answer")

    @classmethod
    def one_each(cls, seeds: tuple[int, ...], numbers: Sequence[float], name: str, trained: bool = True) -> Series:
        """One number for every seed, without items."""
        values = np.array(numbers, dtype=np.float64)[:, None]
        return cls(seeds, values, np.zeros(1, np.int64), (name,), np.ones(1), trained)

    @property
    def means(self) -> Floats:
        """[S] the mean over items for every seed."""
        return np.asarray(self.values @ self.weight / self.weight.sum(), dtype=np.float64)


def same_items(one: tuple[str, ...], other: tuple[str, ...], who: str) -> None:
    if one != other:
        raise Refused(f"cannot pair {who} item by item; because they were measured on different items; use equal limits")


def difference(left: Series, right: Series, sign: float, who: str) -> Series:
    """`who`: whose items must be the same, for the refusal."""
    same_items(left.items, right.items, who)
    seeds = _shared_seeds([left, right])
    values = sign * (_rows(left, seeds) - _rows(right, seeds))
    within = minus(left.within, right.within) if sign > 0 else minus(right.within, left.within)
    return Series(seeds, values, left.cluster, left.items, left.weight, left.trained or right.trained, within)


def together(effects: Sequence[Series]) -> Series:
    """Effects side by side, each with the same total weight; an item that several share is one cluster."""
    seeds = _shared_seeds(effects)
    names = [item for e in effects for item in (f"{e.items[c]}" for c in _first_of_cluster(e))]
    weight = np.concatenate([e.weight / e.weight.sum() for e in effects])
    return Series(seeds, np.concatenate([_rows(e, seeds) for e in effects], axis=1),
                  pd.factorize(np.array(names))[0].astype(np.int64), tuple(i for e in effects for i in e.items), weight,
                  any(e.trained for e in effects), _around([e.within for e in effects]))


def _first_of_cluster(series: Series) -> list[int]:
    """For every item the first item of its cluster, by which clusters of several series are recognised."""
    first: dict[int, int] = {}
    return [first.setdefault(int(c), i) for i, c in enumerate(series.cluster)]


def _shared_seeds(series: Iterable[Series]) -> tuple[int, ...]:
    """The seeds that every trained arm has; an untrained arm goes with any seed."""
    trained = [s for s in series if s.trained]
    if not trained:
        return (0,)
    common: Collection[int] = set.intersection(*(set(s.seeds) for s in trained))
    if not common:
        raise Missing("the arms share no finished seed")
    return tuple(sorted(common))


def _rows(series: Series, seeds: tuple[int, ...]) -> Floats:
    if not series.trained:
        return np.repeat(series.values[:1], len(seeds), axis=0)
    return series.values[[series.seeds.index(s) for s in seeds]]


def range_of(series: Sequence[Series]) -> Series:
    """Per seed, the largest mean minus the smallest."""
    seeds = _shared_seeds(series)
    means = np.stack([replace(s, seeds=seeds, values=_rows(s, seeds)).means for s in series])
    return Series.one_each(seeds, list(means.max(axis=0) - means.min(axis=0)), "range")


def _around(all_within: Sequence[Within | None]) -> Within | None:
    known = [within for within in all_within if within is not None]
    return (min(a for a, _ in known), max(b for _, b in known)) if len(known) == len(all_within) else None
