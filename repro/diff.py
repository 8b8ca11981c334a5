"""What differs between two runs: in content, in what they ran with and on, in their numbers, along their curves.

Costs are told and are no difference: they are never twice the same.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from repro.gate import items
from repro.store import CURVE, Store
from repro.study import Metric, Record


@dataclass(frozen=True)
class Field:
    """A value that is not the same, by its dotted path."""

    path: str
    one: Any
    other: Any


@dataclass(frozen=True)
class Paired:
    """Mean of other - one over the items that both have, its standard error, and how many items stand on their own."""

    mean: float
    stderr: float
    n: int


@dataclass(frozen=True)
class Number:
    """A metric whose numbers, or whose items, are not the same; `difference` is other - one."""

    suite: str
    metric: str
    one: Metric | None
    other: Metric | None
    difference: float
    items: str
    """same, other, or not kept."""
    paired: Paired | None
    """None where the items differ or were not kept."""


@dataclass(frozen=True)
class Path:
    """A curve that is not the same."""

    kind: str
    layer: str | None
    first_step: int
    """Where it first differs, or where one of the two has nothing."""
    largest: float
    """Of the differences where both have a value."""
    missing: int
    """Points that only one of the two has."""


@dataclass(frozen=True)
class Difference:
    """All that differs between `one` and `other`."""

    one: str
    other: str
    content: tuple[Field, ...]
    surroundings: tuple[Field, ...]
    """code, machine, versions, and how the run ended."""
    numbers: tuple[Number, ...]
    curves: tuple[Path, ...]
    cost: tuple[Field, ...]

    @property
    def any(self) -> bool:
        return bool(self.content or self.surroundings or self.numbers or self.curves)


def diff(store: Store, one: str, other: str) -> Difference:
    """Raises Refused where a run has no record, or one that is not as it was written."""
    a, b = store.the(one), store.the(other)
    return Difference(one, other, tuple(fields(a.content, b.content)),
                      tuple(fields(surroundings(a), surroundings(b))), tuple(numbers(store, a, b)),
                      tuple(paths(store.curve(one), store.curve(other))), tuple(fields(a.cost, b.cost)))


def surroundings(record: Record) -> dict[str, Any]:
    return {"status": record.status, "error": (record.error or "").split("\n")[0] or None, "code": record.code or {},
            "machine": record.machine or {}, "versions": record.versions}


def fields(one: Any, other: Any, path: str = "") -> Iterator[Field]:
    """Value by value; what only one has is None on the other side."""
    a, b = named(one), named(other)
    if a is not None and b is not None:
        for key in dict.fromkeys((*a, *b)):
            yield from fields(a.get(key), b.get(key), f"{path}.{key}" if path else str(key))
    elif one != other and not (is_nan(one) and is_nan(other)):
        yield Field(path, one, other)


def named(value: Any) -> Mapping[Any, Any] | None:
    """The parts of a value by name or place; None where it has none."""
    if isinstance(value, list):
        return dict(enumerate(value))
    return {} if value is None else value if isinstance(value, Mapping) else None


def is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def numbers(store: Store, one: Record, other: Record) -> Iterator[Number]:
    tables = [items.read(store.part(r.run_id, "samples")) for r in (one, other)]
    lined = items.line_up(tables[0], tables[1]) if tables[0] is not None and tables[1] is not None else None
    for suite, metric in dict.fromkeys((s, m) for r in (one, other) for s, of in r.metrics.items() for m in of):
        a, b = (r.metrics.get(suite, {}).get(metric) for r in (one, other))
        found = Number(suite, metric, a, b, b.value - a.value if a and b else math.nan, *_items(lined, suite, metric, a, b))
        if found.items == "other" or not (a and b) or list(fields(vars(a), vars(b))):
            yield found


def _items(lined: items.Lined | None, suite: str, metric: str, one: Metric | None,
           other: Metric | None) -> tuple[str, Paired | None]:
    """Whether a metric's items are the same, and the paired difference where they are."""
    if lined is None or not one or not other:
        return "not kept", None
    whole = suite.partition("/")[0]
    if any(name.partition("/")[0] == whole for of in (lined.lost, lined.added, lined.relabelled) for name in of):
        return "other", None
    if not len(lined.rows_of(suite)):
        return "not kept", None
    found = items.differences(lined, suite, metric, one.value)
    return "same", Paired(*items.pooled([found])) if found is not None and np.isfinite(found.values).all() else None


def paths(one: pd.DataFrame, other: pd.DataFrame) -> Iterator[Path]:
    """Curve by curve, the points of one step in the order in which they came."""
    kind, layer = CURVE[1], CURVE[2]
    both = _numbered(one).merge(_numbered(other), on=["kind", "layer", "step", "again"], how="outer", suffixes=("_one", "_other"),
                                indicator=True)
    a, b = (both[f"value_{side}"].to_numpy(float) for side in ("one", "other"))
    alone = (both["_merge"] != "both").to_numpy()
    apart = both.assign(alone=alone, size=np.abs(b - a))[alone | ~((a == b) | (np.isnan(a) & np.isnan(b)))]
    for (of, name), rows in apart.groupby([kind, layer], sort=False):
        largest = rows["size"][~rows["alone"]].max()
        yield Path(str(of), str(name) or None, int(rows["step"].min()), float(largest), int(rows["alone"].sum()))


def _numbered(curve: pd.DataFrame) -> pd.DataFrame:
    """Points of one name are told apart by their order."""
    named = curve.assign(layer=curve["layer"].fillna("").astype(str), kind=curve["kind"].astype(str))
    return named.assign(step=named["step"].astype(float), again=named.groupby(["kind", "layer", "step"]).cumcount())
