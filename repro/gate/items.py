"""Item by item: the samples of two runs lined up, what was lost or relabelled, and the differences of every metric.

A metric's items are the column that gives the metric's own number back: by its name, else `correct`, plain or weighted by
`tokens`. So a new suite needs nothing here, and a number without such a column is known to have no items.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Floats = npt.NDArray[np.float64]
Table = pa.Table
KEYS = ("suite", "task", "item", "fact")
"""What names an item: another fact at the same place is another item."""
LABELS = ("gold", "target")


def read(samples: bytes) -> pa.Table | None:
    """A run's samples from its file's bytes; None where it kept none."""
    if not samples:
        return None
    file = pq.ParquetFile(pa.BufferReader(samples), pre_buffer=False)
    table = file.read(use_threads=False)  # small files: threads cost more
    return table if "suite" in table.column_names and table.num_rows else None


def same_stored(before: bytes, now: bytes) -> bool:
    """Whether two files hold the same items and right answers, by the bytes of those columns: nothing is decoded.

    True is certain; False may also be the same content written another way.
    """
    try:
        return before == now or (bool(before and now) and _stored(before) == _stored(now))
    except UnicodeDecodeError:  # a column's name in the file's directory, which reading the file does not look at
        return False


def _stored(samples: bytes) -> dict[str, list[bytes]]:
    """Column -> its chunks as they lie in the file."""
    about = pq.ParquetFile(pa.BufferReader(samples), pre_buffer=False).metadata
    found: dict[str, list[bytes]] = {}
    for group in map(about.row_group, range(about.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema in KEYS + LABELS:
                start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
                found.setdefault(column.path_in_schema, []).append(samples[start:start + column.total_compressed_size])
    return found


@dataclass(frozen=True)
class Lined:
    """Samples then and now, the items that both have in the same order; and how many, by suite, were lost and relabelled."""

    before: pa.Table
    now: pa.Table
    lost: Mapping[str, int]
    added: Mapping[str, int]
    relabelled: Mapping[str, int]

    @cached_property
    def suites(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Suite -> its rows."""
        codes, names = pd.factorize(self.before["suite"].to_numpy())
        return {str(name): np.flatnonzero(codes == i) for i, name in enumerate(names)}

    @cached_property
    def facts(self) -> npt.NDArray[Any]:
        """[N] what items hang on; without it each item is on its own."""
        if "fact" in self.before.column_names:
            return np.asarray(self.before["fact"].to_numpy())
        return np.array([f"item {i}" for i in range(self.before.num_rows)], dtype=object)

    def rows_of(self, suite: str) -> npt.NDArray[np.int64]:
        """Those of a suite, else those of its parts (mt_bench: mt_bench/coding ...), else of what it is said of."""
        if suite in self.suites:
            return self.suites[suite]
        parts = [rows for name, rows in self.suites.items() if name.startswith(f"{suite}/")]
        return np.concatenate(parts) if parts else self.suites.get(suite.rpartition("/")[0], np.zeros(0, np.int64))

    def values(self, name: str) -> tuple[Floats, Floats] | None:
        """[N], [N] a column then and now."""
        found = [_numbers(t, name) for t in (self.before, self.now)]
        return None if found[0] is None or found[1] is None else (found[0], found[1])


def line_up(before: pa.Table, now: pa.Table) -> Lined:
    keys = [k for k in KEYS if k in before.column_names and k in now.column_names]
    if before.num_rows == now.num_rows and all(before[k].equals(now[k]) for k in keys):
        return Lined(before, now, {}, {}, _relabelled(before, now))
    first, second = (_index(t, keys) for t in (before, now))
    at = second.get_indexer(first)
    kept = np.flatnonzero(at >= 0)
    added = np.setdiff1d(np.arange(now.num_rows), at)
    one, other = before.take(pa.array(kept)), now.take(pa.array(at[kept]))
    return Lined(one, other, _count(before, np.flatnonzero(at < 0)), _count(now, added), _relabelled(one, other))


def _index(table: pa.Table, keys: Sequence[str]) -> pd.MultiIndex:
    """Names of the rows; rows of one name are numbered."""
    frame = table.select(keys).to_pandas()
    frame["again"] = frame.groupby(list(keys), dropna=False).cumcount()
    return pd.MultiIndex.from_frame(frame)


def _count(table: pa.Table, rows: npt.NDArray[np.int64]) -> dict[str, int]:
    """Suite -> how many of the rows."""
    names, counts = np.unique(table["suite"].take(pa.array(rows)).to_numpy().astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _relabelled(before: pa.Table, now: pa.Table) -> dict[str, int]:
    """Suite -> items whose right answer is another one; a column of right answers that is gone counts whole."""
    other = np.zeros(before.num_rows, dtype=bool)
    for name in set(LABELS) & set(before.column_names):
        if name not in now.column_names:
            other |= ~before[name].is_null().to_numpy()
        elif not before[name].equals(now[name]):
            other |= pd.Series(_texts(before, name) != _texts(now, name)).to_numpy()
    return _count(before, np.flatnonzero(other)) if other.any() else {}


def _texts(table: pa.Table, name: str) -> npt.NDArray[Any]:
    return np.array([None if v is None else str(v) for v in table[name].to_pylist()], dtype=object)


def _numbers(table: pa.Table, name: str) -> Floats | None:
    if name not in table.column_names:
        return None
    kind = table.schema.field(name).type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return None
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), dtype=np.float64)


@dataclass(frozen=True)
class Differences:
    """A metric's items in one run: now - before, what each counts, what they hang on."""

    values: Floats
    weight: Floats
    facts: npt.NDArray[Any]

    @property
    def mean(self) -> float:
        return float(self.values @ self.weight / self.weight.sum())


def differences(lined: Lined, suite: str, metric: str, value: float) -> Differences | None:
    """The items behind a metric whose recorded number was `value`; None where no column gives that number back."""
    rows = lined.rows_of(suite)
    for name, weight in _candidates(lined, metric, rows):
        both = lined.values(name)
        if both is None or not len(rows):
            continue
        before = both[0][rows]
        if np.isfinite(before).all() and abs(before @ weight / weight.sum() - value) <= 1e-6 * max(1.0, abs(value)):
            return Differences(both[1][rows] - before, weight, lined.facts[rows])
    return None


def _candidates(lined: Lined, metric: str, rows: npt.NDArray[np.int64]) -> Iterator[tuple[str, Floats]]:
    tokens = _numbers(lined.before, "tokens")
    for name in (metric, "correct"):
        yield name, np.ones(len(rows))
        if tokens is not None and (tokens[rows] > 0).all():
            yield name, tokens[rows]


def pooled(found: Sequence[Differences]) -> tuple[float, float, int]:
    """(mean, standard error, independent items) of an arm's seeds together, each seed with one weight.

    What hangs on one fact counts as one, in every seed; the variance is that of a ratio of cluster sums.
    """
    values = np.concatenate([d.values for d in found])
    weight = np.concatenate([d.weight / d.weight.sum() for d in found]) / len(found)
    mean = float(values @ weight)
    codes, facts = pd.factorize(np.concatenate([d.facts for d in found]))
    if not values.any():
        return mean, 0.0, len(facts)
    sums = np.bincount(codes, weight * (values - mean), len(facts))
    few = len(facts) / max(1, len(facts) - 1)
    return mean, float(np.sqrt(few * (sums**2).sum())), len(facts)
