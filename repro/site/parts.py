"""A run's samples and curve as columns; only what is shown becomes Python values. Text that is no UTF-8 can be read."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from methods.parts import Refused
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
        file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
        there = set(file.schema_arrow.names)
        return file.read(columns=[c for c in columns if c in there], use_threads=False)  # small files: threads cost more
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"cannot read the {part} of {record.stem}; because they are no Parquet ({error}); "
                      "remove the record and run again") from error


def values(table: pa.Table, column: str) -> list[Any]:
    """A column as Python values; bytes that are no UTF-8 become replacement characters; all None where there is none."""
    if column not in table.column_names:
        return [None] * table.num_rows
    found = table[column]
    if not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
        return list(found.to_pylist())
    raw = found.cast(pa.large_binary() if pa.types.is_large_string(found.type) else pa.binary())
    return [None if text is None else text.decode("utf-8", "replace") for text in raw.to_pylist()]
