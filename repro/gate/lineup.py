"""Which runs stand against each other: by paper, arm and seed, as the indexes of two stores name them.

Nothing but names is held here: records are read pair by pair, so that memory does not grow with their number.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from methods.parts import Refused
from repro import files
from repro.files import read_part
from repro.schema import Damaged
from repro.store import Store, read_record, there
from repro.study import Record

Key = tuple[str, str, int]
"""Paper, arm, seed."""
Named = tuple[str, str]
"""Paper, arm."""
T = TypeVar("T")


@dataclass(frozen=True)
class Side:
    """One store at one scale: which run stands for which arm and seed, and which of them were asked for."""

    store: Store
    scale: str
    runs: Mapping[Key, str]
    asked: frozenset[Key] = frozenset()
    kept: bool = False
    """Whether it is the reference, which no run makes anew."""

    @classmethod
    def fresh(cls, store: Store, scale: str, papers: tuple[str, ...], arms: Literal["core", "all"]) -> Side:
        """By the indexes that the plan wrote; a row that is not marked as an ablation is core."""
        runs, asked = {}, set()
        for paper in planned(store, scale):
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
        known = set(planned(store, scale))
        runs = {(paper, str(row["arm"]), int(row["seed"])): str(row["run_id"]) for paper in known & set(papers)
                for row in index_rows(store, scale, paper)}
        if set(papers) - known:
            for path in sorted((store.root / scale).glob("*.json")):
                record = read_record(path)
                if record.paper in papers and record.paper not in known:
                    runs[record.paper, record.arm, record.seed] = record.run_id
        return cls(store, scale, runs, kept=True)

    def path(self, key: Key) -> Path:
        return self._place(self.runs[key])

    def record(self, key: Key) -> Record | None:
        """The record under its arm's name; None where the run has left none. Raises Damaged."""
        return self._named(key, read_record)

    def whole(self, key: Key) -> Record | None:
        """The same, once its samples and its curve are as they were written."""
        return self._named(key, files.whole)

    def content(self, key: Key, part: str) -> bytes:
        """The Parquet file of a run's samples or curve; nothing where it has left no record. Raises Damaged."""
        return self.part(self.runs[key], part)

    def part(self, run_id: str, part: str) -> bytes:
        return self._read(self._place(run_id), lambda path: read_part(path, part)) or b""

    def _named(self, key: Key, read: Callable[[Path], Record]) -> Record | None:
        found = self._read(self.path(key), read) if key in self.runs else None
        return None if found is None else replace(found, paper=key[0], arm=key[1], seed=key[2])

    def _read(self, path: Path, read: Callable[[Path], T]) -> T | None:
        try:
            return there(path, read)
        except Damaged as damage:
            if self.kept:
                raise damage.in_reference() from damage
            raise

    def _place(self, run_id: str) -> Path:
        return self.store.root / self.scale / f"{run_id}.json"


def planned(store: Store, scale: str) -> list[str]:
    """The papers that a store has a plan of."""
    return sorted(p.stem for p in (store.root / scale / "index").glob("*.json"))


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
    aliases: dict[Named, list[Named]] = field(default_factory=dict)
    """Arm that was walked -> the arms that have the same runs on both sides."""
    _walked: dict[tuple[tuple[str, str], ...], Named] = field(default_factory=dict)

    def arms(self) -> Iterator[list[Key]]:
        """The seeds of each arm, in the fresh plan's order, then those that only the reference has."""
        grouped: dict[Named, list[Key]] = {}
        for key in dict.fromkeys((*self.now.runs, *self.before.runs)):
            grouped.setdefault(key[:2], []).append(key)
        for arm, keys in grouped.items():
            runs = tuple((self.before.runs.get(k, ""), self.now.runs.get(k, "")) for k in sorted(keys, key=lambda k: k[2]))
            if runs in self._walked and all(a and b for a, b in runs):
                self.aliases.setdefault(self._walked[runs], []).append(arm)
                continue
            self._walked.setdefault(runs, arm)
            yield keys

    def pair(self, key: Key) -> Pair:
        return Pair(key, key in self.now.asked, key in self.now.runs, self.before.record(key), self.now.record(key))
