"""Which rows train, which choose, which test: k of each class, or a permutation's first ones, as MeZO takes them.

Source: LM-BFF's and MeZO's data protocol (arXiv 2012.15723, section 3; arXiv 2305.17333, appendix). The rows are shuffled
by the seed; the first k of each class train, the next k of each class are the dev set. The order is numpy's by our own
generator, so a split has the published one's sizes, not its rows.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from methods.parts import Refused

SEEDS = (13, 21, 42, 87, 100)
"""The five data seeds of both papers."""
KS = (16, 512)
TEST_SEED, TEST_ITEMS = 42, 1000


@dataclass(frozen=True)
class Short:
    """A class (None: the whole set) that a split has fewer of than were asked for."""

    split: str
    label: Hashable
    has: int
    wanted: int

    def __str__(self) -> str:
        return f"{self.split} has {self.has} of {self.wanted}" + (f" of class {self.label}" if self.label is not None else "")


@dataclass(frozen=True)
class Shots:
    """Positions of rows, train and dev disjoint; `short` says what is missing, nothing else is."""

    train: tuple[int, ...]
    dev: tuple[int, ...]
    short: tuple[Short, ...] = ()


def k_shot(labels: Sequence[Hashable], k: int, seed: int) -> Shots:
    """k of each class to train on, the next k of it for dev. Raises Refused where k or the set is empty."""
    if k < 1 or not labels:
        raise Refused(f"cannot take {k} of each class from {len(labels)} rows; because a split needs one row at least; "
                      "use k >= 1 and a set with rows")
    order = np.random.default_rng(seed).permutation(len(labels)).tolist()
    of: dict[Hashable, list[int]] = {}
    for i in order:
        of.setdefault(labels[i], []).append(i)
    classes = sorted(of, key=repr)
    parts = {name: {c: of[c][start:start + k] for c in classes} for name, start in (("train", 0), ("dev", k))}
    short = tuple(Short(name, c, len(rows), k) for name, part in parts.items() for c, rows in part.items() if len(rows) < k)
    place = {row: i for i, row in enumerate(order)}
    train, dev = (tuple(sorted((r for rows in parts[n].values() for r in rows), key=place.__getitem__))
                  for n in ("train", "dev"))
    return Shots(train, dev, short)


def permuted(n: int, seed: int, *, train: int = 1000, dev: int = 500) -> Shots:
    """The first `train` rows of a permutation and the `dev` after them. Dev is whole; a short set leaves less to train on.

    Raises Refused where nothing is left.
    """
    if min(train, dev) < 0 or n - dev < 1:
        raise Refused(f"cannot split {n} rows into {train} and {dev}; because the dev set leaves none to train on; "
                      "use a smaller dev set")
    order = np.random.default_rng(seed).permutation(n).tolist()
    kept = min(train, n - dev)
    short = (Short("train", None, kept, train),) if kept < train else ()
    return Shots(tuple(order[:kept]), tuple(order[kept:kept + dev]), short)


def at_most(n: int, most: int = TEST_ITEMS, seed: int = TEST_SEED) -> tuple[int, ...]:
    """All of n rows in their order, or the first `most` of a permutation."""
    if n <= most:
        return tuple(range(n))
    return tuple(np.random.default_rng(seed).permutation(n)[:most].tolist())


def per_class(labels: Sequence[Hashable], rows: Sequence[int]) -> Counter[Hashable]:
    """How many of each class the rows hold."""
    return Counter(labels[i] for i in rows)
