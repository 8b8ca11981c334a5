"""Where records lie: `<root>/<scale>/<run id>.json`, its samples and its curve beside it as Parquet.

Every file appears whole or not at all, the JSON last: a run whose JSON is there is complete. It ends with digests of all
three, which every reading checks: a run that is not as it was written is never read as less or as another, it is refused
(`Damaged`). Only a plan goes on: what it finds damaged is missing to it, and `Store.clear` sets the files aside before the
run is made anew. While a record is replaced it is missing for the moment of three renames: to a reader, then, there is none.

An index per paper says which run stands for which arm and seed today, so that two arms with the same content share one
record and the records of older code are not mixed with those of the present one.
"""
from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from methods import atomic
from methods.parts import Refused
from repro import files, locks
from repro.disk import set_aside
from repro.disk import spoken as spoken
from repro.files import CURVE as CURVE
from repro.files import PARTS, part_path, read_part
from repro.files import number as number
from repro.files import parquet as parquet
from repro.files import plain as plain
from repro.files import read_record as read_record
from repro.files import record_json as record_json
from repro.schema import Damaged
from repro.study import Record, Run

LOCKS = "locks"
T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """The records under one folder (results/runs, or results/reference)."""

    root: Path

    def get(self, run_id: str) -> Record | None:
        """The record of a run, failed ones included; None when it has none."""
        found = self._find(run_id)
        return there(found, read_record) if found else None

    def done(self, run_id: str, scale: str) -> bool:
        found = self.whole(run_id, scale)
        return found is not None and found.status == "done"

    def whole(self, run_id: str, scale: str) -> Record | None:
        """The record of a run, once all three files are as they were written; None when it has none. Raises Damaged."""
        return there(self._path(run_id, scale), files.whole)

    def put(self, record: Record, samples: pd.DataFrame, curve: pd.DataFrame) -> None:
        """Writes the three files. A full disk is one sentence, and leaves what was there."""
        files.write(self._path(record.run_id, record.scale), record, samples, curve)

    def the(self, run_id: str) -> Record:
        """The record of a run. Raises Refused when it has none, Damaged when one of its files is not as it was written."""
        return self._read(run_id, files.whole)

    def part(self, run_id: str, part: str) -> bytes:
        """The Parquet file of a run's samples or curve."""
        return self._read(run_id, lambda path: read_part(path, part))

    def samples(self, run_id: str) -> pd.DataFrame:
        return files.frame(self.part(run_id, "samples"))

    def table(self, run_id: str) -> pa.Table:
        """The samples as they lie in the file, of which nothing is made Python values yet."""
        return files.table(self.part(run_id, "samples"))

    def curve(self, run_id: str) -> pd.DataFrame:
        return files.frame(self.part(run_id, "curve"))

    def lock(self, run_id: str, scale: str) -> AbstractContextManager[bool]:
        """Held by the one process that makes the run; False for others."""
        return locks.single(self._lock(run_id, scale))

    def free(self, run: Run) -> bool:
        """Whether no process is making the run."""
        return locks.free(self._lock(run.id, run.scale))

    def stamp(self, run: Run) -> tuple[int, int] | None:
        """Tells one record of a run from the next; None when it has none."""
        with suppress(FileNotFoundError):
            there = self._path(run.id, run.scale).stat()
            return there.st_ino, there.st_mtime_ns
        return None

    def clear(self, run: Run) -> None:
        """Makes room for a new record, for the holder of the run's lock: what a kill left half-written goes, files that are
        damaged are set aside (NAME.damaged) together with the run's others."""
        self._sweep(run.id, run.scale)
        try:
            self.whole(run.id, run.scale)
        except Damaged:
            path = self._path(run.id, run.scale)
            for each in (path, *(part_path(path, part) for part in PARTS)):  # the record first: without it, there is no run
                with spoken(path.parent), suppress(FileNotFoundError):
                    set_aside(each)

    def tidy(self, scale: str) -> None:
        """Removes what killed processes left half-written."""
        for path in (self.root / scale / LOCKS).glob("*.lock"):
            with locks.single(path) as mine:
                if mine:
                    self._sweep(path.stem, scale)

    def all(self, scale: str) -> list[Record]:
        """Every record of a scale, whatever code it came from, oldest file first."""
        return [found for p in self._paths(scale) if (found := there(p, read_record))]

    def readable(self, scale: str) -> Iterator[Record]:
        """As `all`, without those that cannot be read: for estimates of time, which hang on no single record."""
        for path in self._paths(scale):
            with suppress(Refused, FileNotFoundError):
                yield read_record(path)

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
            found = there(self._path(row["run_id"], scale), read_record)
            if found is not None:
                yield dataclasses.replace(found, paper=paper, arm=row["arm"], seed=row["seed"])

    def _find(self, run_id: str) -> Path | None:
        return next(iter(sorted(self.root.glob(f"*/{run_id}.json"))), None)

    def _read(self, run_id: str, read: Callable[[Path], T]) -> T:
        path = self._find(run_id)
        found = there(path, read) if path else None
        if found is None:
            raise Refused(f"cannot read run {run_id!r}; because {self.root} has no record of it; "
                          "use `python -m repro plan --json` to see the runs there are")
        return found

    def _paths(self, scale: str) -> list[Path]:
        """Oldest first."""
        paths = (self.root / scale).glob("*.json")
        aged = [(about.st_mtime, p.name, p) for p in paths if (about := there(p, Path.stat))]
        return [path for _, _, path in sorted(aged)]

    def _path(self, run_id: str, scale: str) -> Path:
        return self.root / scale / f"{run_id}.json"

    def _lock(self, run_id: str, scale: str) -> Path:
        return self.root / scale / LOCKS / f"{run_id}.lock"

    def _sweep(self, run_id: str, scale: str) -> None:
        with spoken(self.root / scale):
            for litter in (files.stage(self._path(run_id, scale)), *(self.root / scale / "partial").glob(f".{run_id}.*")):
                shutil.rmtree(litter, ignore_errors=True)


def there(path: Path, read: Callable[[Path], T]) -> T | None:
    """What is read of a file; None where it is not there, or not for this moment."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
