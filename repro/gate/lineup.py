"""Which runs stand against each other: by paper, arm and seed, as the indexes of two stores name them.

Nothing but names is held here: records are read pair by pair, so that memory does not grow with their number.
"""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from methods.parts import Refused
from repro.files import read_part
from repro.store import Store, read_record
from repro.study import Record

Key = tuple[str, str, int]
"""Paper, arm, seed."""


@dataclass(frozen=True)
class Side:
    """One store at one scale: which run stands for which arm and seed, and which of them were asked for."""

    store: Store
    scale: str
    runs: Mapping[Key, str]
    asked: frozenset[Key] = frozenset()

    @classmethod
    def fresh(cls, store: Store, scale: str, papers: tuple[str, ...], arms: Literal["core", "all"]) -> Side:
        """By the indexes that the plan wrote; a row that is not marked as an ablation is core."""
        runs, asked = {}, set()
        for paper in sorted(p.stem for p in (store.root / scale / "index").glob("*.json")):
            if papers and paper not in papers:
                continue
            for row in index_rows(store, scale, paper):
                key = (paper, str(row["arm"]), int(row["seed"]))
                runs[key] = str(row["run_id"])
                if arms == "all" or row.get("core", True):
                    asked.add(key)
        return cls(store, scale, runs, frozenset(asked))

    @classmethod
    def reference(cls, store: Store, scale: str, papers: tuple[str, ...]) -> Side:
        """By the indexes; records of a paper without one stand for themselves."""
        known = {p.stem for p in (store.root / scale / "index").glob("*.json")}
        runs = {(paper, str(row["arm"]), int(row["seed"])): str(row["run_id"]) for paper in known & set(papers)
                for row in index_rows(store, scale, paper)}
        if set(papers) - known:
            for path in sorted((store.root / scale).glob("*.json")):
                record = read_record(path)
                if record.paper in papers and record.paper not in known:
                    runs[record.paper, record.arm, record.seed] = record.run_id
        return cls(store, scale, runs)

    def path(self, key: Key, suffix: str = ".json") -> Path:
        return self.store.root / self.scale / f"{self.runs[key]}{suffix}"

    def record(self, key: Key) -> Record | None:
        """The record under its arm's name; None where the run has left none."""
        if key not in self.runs or not self.path(key).exists():
            return None
        return replace(read_record(self.path(key)), paper=key[0], arm=key[1], seed=key[2])

    def content(self, key: Key, part: str) -> bytes:
        """The Parquet file of a run's samples or curve; nothing where it has left no record. Raises Damaged."""
        return read_part(self.path(key), part) if self.path(key).exists() else b""


def index_rows(store: Store, scale: str, paper: str) -> list[dict[str, Any]]:
    path = store.root / scale / "index" / f"{paper}.json"
    try:
        rows = json.loads(path.read_text())
        return [{**row, "arm": row["arm"], "seed": row["seed"], "run_id": row["run_id"]} for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise Refused(f"cannot read the index {path}; because it is not one ({error}); remove it and run again") from error


@dataclass(frozen=True)
class Pair:
    """The same arm and seed, then and now; at least one of the two is there."""

    key: Key
    asked: bool
    planned: bool
    """Whether the fresh side's plan has this arm and seed at all."""
    before: Record | None
    now: Record | None

    @property
    def both(self) -> bool:
        return self.before is not None and self.now is not None and {self.before.status, self.now.status} == {"done"}


@dataclass
class Lineup:
    """Two sides, walked arm by arm. A pair of runs that stands for several arms is walked once."""

    before: Side
    now: Side
    _walked: set[tuple[tuple[str, str], ...]] = field(default_factory=set)

    def arms(self) -> Iterator[list[Key]]:
        """The seeds of each arm, in the fresh plan's order, then those that only the reference has."""
        grouped: dict[tuple[str, str], list[Key]] = {}
        for key in dict.fromkeys((*self.now.runs, *self.before.runs)):
            grouped.setdefault(key[:2], []).append(key)
        for keys in grouped.values():
            named = tuple((self.before.runs.get(k, ""), self.now.runs.get(k, "")) for k in sorted(keys, key=lambda k: k[2]))
            if named in self._walked and all(a and b for a, b in named):
                continue
            self._walked.add(named)
            yield keys

    def pair(self, key: Key) -> Pair:
        return Pair(key, key in self.now.asked, key in self.now.runs, self.before.record(key), self.now.record(key))
