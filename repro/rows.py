"""A run's samples by suite: which rows are of it, in which order, and as numbers only those columns that are asked for."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """The samples of one suite of a run. `names` [N]: "task/item", rising; `at` [N]: their rows in the table of all samples."""

    table: pa.Table
    at: Ints
    names: tuple[str, ...]

    @classmethod
    def of(cls, table: pa.Table, suite: str) -> Rows | None:
        """None where the run has none of this suite."""
        if not table.num_rows:
            return None
        own = np.flatnonzero(pc.fill_null(pc.equal(table["suite"], suite), False).to_numpy())
        if not own.size:
            return None
        names, order = _in_order(*(tuple(table[c].take(pa.array(own)).to_pylist()) for c in ("task", "item")))
        return cls(table, own[order], names)

    def __contains__(self, column: str) -> bool:
        return column in self.table.column_names

    def numbers(self, column: str) -> Floats:
        """[N]; nothing is not-a-number."""
        return np.asarray(self._taken(column).to_pandas().to_numpy(dtype=np.float64, na_value=np.nan))

    def texts(self, column: str) -> list[str]:
        """[N] as words."""
        return list(map(str, self._taken(column).to_pylist()))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All columns, indexed by name."""
        found: pd.DataFrame = self.table.take(pa.array(self.at)).to_pandas(use_threads=False)
        return found.set_index(pd.Index(self.names))

    def _taken(self, column: str) -> pa.ChunkedArray:
        return self.table[column].take(pa.array(self.at))


@lru_cache(maxsize=32)
def _in_order(tasks: tuple[object, ...], items: tuple[object, ...]) -> tuple[tuple[str, ...], Ints]:
    """Names in rising order, and where each is. Runs of one study are asked the same items."""
    names = [f"{task}/{item}" for task, item in zip(tasks, items, strict=True)]
    order = sorted(range(len(names)), key=names.__getitem__)
    return tuple(names[i] for i in order), np.array(order, dtype=np.int64)
