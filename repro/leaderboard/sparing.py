"""A store of which only some arms are read, so that the time to read grows with these and not with all that was ever run."""
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa

from repro.evidence import Source
from repro.store import Store, read_record
from repro.study import Record


@dataclass(frozen=True)
class Sparing:
    """The records of the arms of these names."""

    source: Source
    arms: frozenset[str]

    def records(self, scale: str, paper: str) -> list[Record]:
        """By the paper's index where there is one; other records are all read and chosen from."""
        if isinstance(self.source, Store) and (self.source.root / scale / "index" / f"{paper}.json").exists():
            return list(_indexed(self.source, scale, paper, self.arms))
        return [r for r in self.source.records(scale, paper) if r.arm in self.arms]

    def samples(self, run_id: str) -> pd.DataFrame:
        return self.source.samples(run_id)

    def table(self, run_id: str) -> pa.Table:
        return self.source.table(run_id)

    def curve(self, run_id: str) -> pd.DataFrame:
        return self.source.curve(run_id)


def _indexed(store: Store, scale: str, paper: str, arms: frozenset[str]) -> Iterator[Record]:
    for row in json.loads((store.root / scale / "index" / f"{paper}.json").read_text()):
        path = store.root / scale / f"{row['run_id']}.json"
        if row["arm"] in arms and path.exists():
            yield replace(read_record(path), paper=paper, arm=row["arm"], seed=row["seed"])
