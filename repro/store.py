"""Where records lie: `<root>/<scale>/<run id>.json`, its samples and its curve beside it as Parquet.

Every file appears whole or not at all, the JSON last: a run whose JSON is there is complete. An index per paper says
which run stands for which arm and seed today, so that two arms with the same content share one record and the records
of older code are not mixed with those of the present one.
"""
from __future__ import annotations

import dataclasses
import errno
import io
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from methods import atomic
from methods.parts import Refused
from repro.study import Metric, Record, Run

CURVE = ("step", "kind", "layer", "value")
"""Columns of a curve; `kind` is one of train_loss, dev_loss, lr, small_share, norm, delta_norm ...; `layer` a name or None."""


@dataclass(frozen=True)
class Store:
    """The records under one folder (results/runs, or results/reference)."""

    root: Path

    def get(self, run_id: str) -> Record | None:
        """The record of a run, failed ones included; None when it has none."""
        found = self._find(run_id)
        return read_record(found) if found else None

    def done(self, run_id: str, scale: str) -> bool:
        path = self.root / scale / f"{run_id}.json"
        return path.exists() and read_record(path).status == "done"

    def put(self, record: Record, samples: pd.DataFrame, curve: pd.DataFrame) -> None:
        """Writes the three files. A full disk is one sentence, and leaves what was there."""
        stem = self.root / record.scale / record.run_id
        with spoken(stem.parent):
            atomic.write_bytes(stem.with_suffix(".samples.parquet"), parquet(samples))
            atomic.write_bytes(stem.with_suffix(".curve.parquet"), parquet(curve))
            atomic.write_text(stem.with_suffix(".json"), json.dumps(record_json(record), indent=1, allow_nan=False) + "\n")

    def samples(self, run_id: str) -> pd.DataFrame:
        return self._frame(run_id, ".samples.parquet")

    def curve(self, run_id: str) -> pd.DataFrame:
        return self._frame(run_id, ".curve.parquet")

    def all(self, scale: str) -> list[Record]:
        """Every record of a scale, whatever code it came from, oldest file first."""
        paths = sorted((self.root / scale).glob("*.json"), key=lambda p: (p.stat().st_mtime, p.name))
        return [read_record(p) for p in paths]

    def records(self, scale: str, paper: str) -> list[Record]:
        """One record for each arm and seed of the paper that has one, under the arm's name, in the arms' order."""
        index = self.root / scale / "index" / f"{paper}.json"
        if not index.exists():
            return [r for r in self.all(scale) if r.paper == paper]
        return list(self._indexed(scale, paper, json.loads(index.read_text())))

    def write_index(self, scale: str, paper: str, runs: Sequence[Run]) -> None:
        """Notes which run stands for which arm and seed of the paper, and whether a plain call asks for it."""
        rows = [{"arm": r.arm.name, "seed": r.seed, "run_id": r.id, "core": r.arm.core} for r in runs]
        text = json.dumps(rows, indent=1) + "\n"
        path = self.root / scale / "index" / f"{paper}.json"
        if not path.exists() or path.read_text() != text:
            with spoken(path.parent):
                atomic.write_text(path, text)

    def partial(self, run: Run) -> Path:
        """Where a run that is not finished keeps its checkpoints."""
        return self.root / run.scale / "partial" / run.id

    def _indexed(self, scale: str, paper: str, rows: list[dict[str, Any]]) -> Iterator[Record]:
        for row in rows:
            path = self.root / scale / f"{row['run_id']}.json"
            if path.exists():
                yield dataclasses.replace(read_record(path), paper=paper, arm=row["arm"], seed=row["seed"])

    def _find(self, run_id: str) -> Path | None:
        return next(iter(sorted(self.root.glob(f"*/{run_id}.json"))), None)

    def _frame(self, run_id: str, suffix: str) -> pd.DataFrame:
        found = self._find(run_id)
        if found is None:
            raise Refused(f"cannot read run {run_id!r}; because {self.root} has no record of it; "
                          "use `python -m repro plan --json` to see the runs there are")
        return pd.read_parquet(found.with_suffix(suffix))


@contextmanager
def spoken(place: Path) -> Iterator[None]:
    """Turns a full or read-only disk, and a file in a folder's place, into one sentence."""
    reasons = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up",
               errno.EROFS: "the disk is read-only", errno.EACCES: "writing there is not allowed",
               errno.ENOTDIR: "a file is in the place of a folder", errno.EEXIST: "a file is in the place of a folder"}
    try:
        yield
    except OSError as error:
        if error.errno not in reasons:
            raise
        raise Refused(f"cannot write to {place}; because {reasons[error.errno]}; "
                      "make room there or use another folder with --out") from error


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def record_json(record: Record) -> dict[str, Any]:
    """A record as strict JSON values: not-a-number becomes null."""
    values: dict[str, Any] = plain(dataclasses.asdict(record))
    return values


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_record(path: Path) -> Record:
    """The record in a file; Refused when the file is not one."""
    try:
        values = json.loads(path.read_text())
        metrics = {suite: {name: metric(m) for name, m in of.items()} for suite, of in values.pop("metrics").items()}
        cost = {k: number(v) for k, v in values.pop("cost").items()}
        return Record(metrics=metrics, cost=cost, **values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(f"cannot read the record {path}; because it is not one ({error}); "
                      "remove the file and run again") from error


def metric(values: dict[str, Any]) -> Metric:
    return Metric(number(values["value"]), number(values["stderr"]), values["n"])


def number(value: float | None) -> float:
    return math.nan if value is None else value
