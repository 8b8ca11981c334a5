"""A run's samples and curve as columns; only what is shown becomes Python values. Text that is no UTF-8 can be read."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from methods.parts import Refused
from repro import files
from repro.evidence import Source
from repro.files import read_part
from repro.leaderboard.sparing import Sparing
from repro.store import Store


def read(source: Source, scale: str, run_id: str, part: str, columns: Sequence[str]) -> pa.Table:
    """The columns that there are, of "samples" or "curve". Raises Refused where the file is damaged or no Parquet."""
    while isinstance(source, Sparing):
        source = source.source
    if isinstance(source, Store):
        return _of_file(source.root / scale / f"{run_id}.json", part, columns)
    frame: pd.DataFrame = source.samples(run_id) if part == "samples" else source.curve(run_id)
    return pa.Table.from_pandas(frame[[c for c in columns if c in frame]], preserve_index=False)


def _of_file(record: Path, part: str, columns: Sequence[str]) -> pa.Table:
    content = read_part(record, part)
    try:
        return files.table(content, columns)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"cannot read the {part} of {record.stem}; because they are no Parquet ({error}); "
                      "remove the record and run again") from error


def values(table: pa.Table, column: str) -> list[Any]:
    """A column as Python values; bytes that are no UTF-8 become replacement characters; all None where there is none."""
    if column not in table.column_names:
        return [None] * table.num_rows
    return _plain(table[column])


def _plain(found: pa.Array | pa.ChunkedArray) -> list[Any]:
    if not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
        return list(found.to_pylist())
    try:
        return list(found.to_pylist())
    except UnicodeDecodeError:
        raw = found.cast(pa.large_binary() if pa.types.is_large_string(found.type) else pa.binary())
        return [None if text is None else text.decode("utf-8", "replace") for text in raw.to_pylist()]


def codes(table: pa.Table, column: str) -> tuple[list[str | None], npt.NDArray[np.int64]]:
    """The different values of a column as text, as `values` reads them, and for every row which of them it has."""
    if column not in table.column_names:
        return [None], np.zeros(table.num_rows, dtype=np.int64)
    few = table[column].combine_chunks().dictionary_encode(null_encoding="encode")
    return [None if v is None else str(v) for v in _plain(few.dictionary)], few.indices.to_numpy()


def numbers(table: pa.Table, column: str) -> npt.NDArray[np.float64]:
    """[N]; what is no number, also for all rows where the column holds none, is not-a-number."""
    if column not in table.column_names or not _numeric(table[column].type):
        return np.full(table.num_rows, np.nan)
    found = table[column]
    return np.asarray((found if pa.types.is_float64(found.type) else found.cast(pa.float64(), safe=False)).to_numpy())


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
