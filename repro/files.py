"""A run's three files: the record as JSON, its samples and its curve as Parquet."""
from __future__ import annotations

import dataclasses
import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from repro import schema
from repro.disk import spoken, write_together
from repro.schema import Damaged
from repro.seal import LENGTH, Seal, digest, sealed
from repro.study import Metric, Record

CURVE = ("step", "kind", "layer", "value")
"""Columns of a curve; `kind` is one of train_loss, dev_loss, lr, small_share, norm, delta_norm ...; `layer` a name or None."""
PARTS = ("samples", "curve")
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)
"""What bytes that are no Parquet, or whose notes for pandas are none, raise when they are decoded."""
T = TypeVar("T")


def write(path: Path, record: Record, samples: pd.DataFrame, curve: pd.DataFrame) -> None:
    """Replaces the three files, the record at `path` last. A full disk is one sentence, and leaves what was there."""
    parts = {"samples": parquet(samples), "curve": parquet(curve)}
    content = {part_path(path, part): of for part, of in parts.items()}
    with spoken(path.parent):
        write_together({**content, path: sealed(record_json(record), **parts)}, stage(path))


def stage(path: Path) -> Path:
    """Where a run's files lie until they are whole."""
    return path.with_name(f".{path.stem}.staged")


def whole(path: Path) -> Record:
    """The record in a file, once all three files are as they were written. Raises Damaged; FileNotFoundError without a record."""
    def read(text: bytes) -> Record:
        found = record_of(text, path)
        for part in PARTS:
            content_of(path, text, part)
        return found

    return steady(path.read_bytes, read)


def steady(text: Callable[[], bytes], read: Callable[[bytes], T]) -> T:
    """What `read` makes of a record's `text`. Where a part does not fit a record that was replaced meanwhile, of the next one.

    A record is gone before its parts are replaced (`disk.write_together`): one that is still the same was not being replaced.
    """
    now = text()
    while True:
        try:
            return read(now)
        except Damaged:
            before, now = now, text()
            if now == before:
                raise


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def frame(content: bytes) -> pd.DataFrame:
    """What `parquet` wrote. These files are small: pandas' own reader takes twice the time, most of it for threads."""
    read: pd.DataFrame = table(content).to_pandas(use_threads=False)
    return read


def table(content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The columns that there are of these; all of them where none are named."""
    file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
    there = set(file.schema_arrow.names)
    return file.read(columns=None if columns is None else [c for c in columns if c in there], use_threads=False)


def record_json(record: Record) -> dict[str, Any]:
    """A record as strict JSON values of the present schema, without digests: not-a-number becomes null, half a character its
    escape."""
    values: dict[str, Any] = {"schema": schema.VERSION, **plain(dataclasses.asdict(record))}
    return values


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_record(path: Path) -> Record:
    """The record in a file. Raises Damaged when it is not as it was written, Refused when it is of a newer version."""
    return record_of(path.read_bytes(), path)


def record_of(text: bytes, path: Path) -> Record:
    values = schema.read(text, path)
    metrics = {suite: {name: metric(m) for name, m in of.items()} for suite, of in values.pop("metrics").items()}
    cost = {k: number(v) for k, v in values.pop("cost").items()}
    del values["schema"], values["digests"]
    return Record(metrics=metrics, cost=cost, **values)


def read_part(path: Path, part: str) -> bytes:
    """A run's samples or curve, as Parquet, beside the record at `path`.

    Raises Damaged when it is not as it was written; FileNotFoundError without a record.
    """
    def ending() -> bytes:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LENGTH))
            return file.read()

    return steady(ending, lambda text: content_of(path, text, part))


def content_of(path: Path, text: bytes, part: str) -> bytes:
    """`text`: the record's end, which holds the digest; a record of version 1 has none, so its parts must be Parquet at least."""
    place, seal = part_path(path, part), Seal.of(text)
    try:
        content = place.read_bytes()
    except FileNotFoundError as error:
        raise Damaged.because(f"the {part} {place}", "it is gone and its record is there") from error
    if seal is not None and digest(content) != getattr(seal, part):
        raise Damaged.because(f"the {part} {place}", "its content does not fit its checksum")
    if seal is None:
        try:
            frame(content)
        except UNREADABLE as error:
            raise Damaged.because(f"the {part} {place}", f"it is no Parquet ({' '.join(str(error).split())})") from error
    return content


def part_path(path: Path, part: str) -> Path:
    return path.with_suffix(f".{part}.parquet")


def metric(values: dict[str, Any]) -> Metric:
    return Metric(number(values["value"]), number(values["stderr"]), values["n"])


def number(value: float | None) -> float:
    return math.nan if value is None else value
