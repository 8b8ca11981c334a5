"""Makes fresh records the reference: checked first, staged whole, then moved into place; the reason is kept for good.

Everything new is written under `.accepting`, its list of moves last: with that list the new reference stands, and whoever
comes next (`finish`) completes the moves that a kill left over; without it the old one stands and the rest is litter.
"""
from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from methods import atomic
from methods.parts import Refused
from repro import pins
from repro.claims import Paper
from repro.gate import counts
from repro.gate.changes import Means
from repro.gate.lineup import Key, Side, index_rows
from repro.provenance import checkout
from repro.schema import Damaged
from repro.store import Store, plain, spoken
from repro.study import Record

STAGE, MOVES, ACCEPTED = ".accepting", "moves.json", "accepted.jsonl"
SUFFIXES = (".samples.parquet", ".curve.parquet", ".json")


@dataclass(frozen=True)
class Promotion:
    """What is about to become the reference of a scale."""

    before: Side
    now: Side
    taken: tuple[Key, ...]
    """Arms and seeds whose fresh records are taken."""
    indexes: Mapping[str, Sequence[Mapping[str, Any]]]
    """Paper -> the reference's new index."""
    dropped: tuple[Key, ...]
    """Arms and seeds of the old reference that the fresh plan has no more."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    counted: Mapping[str, counts.Counts] = field(default_factory=dict)
    """Paper -> the counts that its claims rest on."""

    @property
    def root(self) -> Path:
        return self.before.store.root / self.before.scale


def promotion(fresh: Store, reference: Store, scale: str, papers: Sequence[str], arms: Literal["core", "all"] = "core",
              known: Sequence[Paper] = ()) -> Promotion:
    """`known`: the papers whose claims' counts are kept too. Raises Refused where a run that was asked for is missing, failed or
    damaged, or was made by other code than this tree's."""
    now = Side.fresh(fresh, scale, tuple(papers), arms)
    names = tuple(dict.fromkeys(key[0] for key in now.runs))
    if not names or set(papers) - set(names):
        absent = ", ".join(sorted(set(papers) - set(names))) or "any paper"
        raise Refused(f"cannot accept scale {scale}; because {fresh.root} holds no plan of {absent}; "
                      f"use `bash run_all.sh --scale {scale}` first")
    before = Side.reference(reference, scale, names)
    taken, changes = _taken(now, before)
    indexes = {name: list(_index(name, now, before)) for name in names}
    kept = {(name, row["arm"], row["seed"]) for name, rows in indexes.items() for row in rows}
    counted = {p.name: counts.of(p.claims(scale)) for p in known if p.name in names}
    return Promotion(before, now, taken, indexes, tuple(sorted(set(before.runs) - kept)), changes, counted)


def _taken(now: Side, before: Side) -> tuple[tuple[Key, ...], list[dict[str, Any]]]:
    taken, bad, other, changes = [], [], [], Means()
    for key in now.runs:
        record, trouble = _state(now, key)
        if trouble or record is None:
            if key in now.asked or trouble:
                bad.append(f"{key[0]}/{key[1]} seed {key[2]} {trouble or 'is missing'}")
            continue
        code = record.content.get("pins", {}).get("code")
        if code is not None and code != pins.code():
            other.append(f"{key[0]}/{key[1]}")
        taken.append(key)
        changes.add(key, before.record(key), record)
    if bad:
        raise Refused(f"cannot accept scale {now.scale}; because {len(bad)} runs are not done and whole: {_some(bad)}; "
                      "run again until all are, or name the papers that are whole with --paper")
    if other:
        raise Refused(f"cannot accept scale {now.scale}; because {len(other)} runs were made by other code than this tree's: "
                      f"{_some(other)}; run again with the code as it is")
    return tuple(taken), changes.changed()


def _state(now: Side, key: Key) -> tuple[Record | None, str]:
    """The record, and what is wrong with it. None: there is no record that could be read."""
    try:
        record = now.whole(key)
    except Damaged as damage:
        return None, f"is damaged ({damage.what}: {damage.why})"
    return record, "failed" if record is not None and record.status == "failed" else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _index(paper: str, now: Side, before: Side) -> Iterator[dict[str, Any]]:
    """The fresh plan's rows of which there is a record; one without a fresh record keeps the reference's."""
    for row in index_rows(now.store, now.scale, paper):
        key = (paper, str(row["arm"]), row["seed"])
        if now.path(key).exists():
            yield row
        elif key in before.runs and before.path(key).exists():
            yield {**row, "run_id": before.runs[key]}


def accept(made: Promotion, reason: str) -> dict[str, Any]:
    """Stages and moves; returns the entry that was appended to accepted.jsonl."""
    with spoken(made.root):
        finish(made.before.store.root, made.before.scale)
        made.root.mkdir(parents=True, exist_ok=True)
        stage = made.root / STAGE
        shutil.rmtree(stage, ignore_errors=True)
        entry = plain(_entry(made, reason))
        _stage(made, stage, entry)
        atomic.write_text(stage / MOVES, json.dumps({"remove": sorted(_orphans(made))}) + "\n")
        finish(made.before.store.root, made.before.scale)
    return dict(entry)


def _stage(made: Promotion, stage: Path, entry: Mapping[str, Any]) -> None:
    """Writes every file of the new reference that differs from the old one."""
    for run_id in dict.fromkeys(made.now.runs[key] for key in made.taken):
        for suffix in SUFFIXES:
            content = (made.now.store.root / made.now.scale / f"{run_id}{suffix}").read_bytes()
            old = made.root / f"{run_id}{suffix}"
            if not old.exists() or old.read_bytes() != content:
                atomic.write_bytes(stage / f"{run_id}{suffix}", content)
    for paper, rows in made.indexes.items():
        atomic.write_text(stage / "index" / f"{paper}.json", json.dumps(rows, indent=1) + "\n")
    if made.counted:
        place = counts.place(made.before.store.root, made.before.scale)
        kept = counts.read(made.before.store.root, made.before.scale)
        atomic.write_text(stage / place.relative_to(made.root), counts.text({**kept, **made.counted}))
    path = made.root / ACCEPTED
    before = path.read_text() if path.exists() else ""
    atomic.write_text(stage / ACCEPTED, before + json.dumps(entry, allow_nan=False) + "\n")


def _entry(made: Promotion, reason: str) -> dict[str, Any]:
    runs = {key: (made.before.runs.get(key), made.now.runs[key]) for key in made.taken}
    codes = {str(r.content.get("pins", {}).get("code")) for key in made.taken if (r := made.now.record(key))}
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "reason": reason, "code": sorted(codes), **checkout(),
            "papers": sorted(made.indexes), "taken": len(made.taken),
            "replaced": [_named(k, was, now) for k, (was, now) in runs.items() if was and was != now],
            "dropped": [_named(k, made.before.runs[k]) for k in made.dropped], "changed": made.changes}


def _named(key: Key, *run_ids: str) -> str:
    return f"{key[0]}/{key[1]}/{key[2]}: {' -> '.join(run_ids)}"


def _orphans(made: Promotion) -> Iterator[str]:
    """Files of runs that only the replaced rows named."""
    old = {run_id for key, run_id in made.before.runs.items() if key[0] in made.indexes}
    others = {str(row["run_id"]) for path in (made.root / "index").glob("*.json") if path.stem not in made.indexes
              for row in index_rows(made.before.store, made.before.scale, path.stem)}
    new = {str(row["run_id"]) for rows in made.indexes.values() for row in rows}
    yield from (f"{run_id}{suffix}" for run_id in old - new - others for suffix in SUFFIXES)


def finish(root: Path, scale: str) -> None:
    """Completes a promotion whose list of moves was written; does nothing where there is none. Safe to repeat."""
    stage = root / scale / STAGE
    if not (stage / MOVES).exists():
        return
    with spoken(root / scale):
        remove = json.loads((stage / MOVES).read_text())["remove"]
        for path in sorted(stage.rglob("*"), key=lambda p: (p.parent.name == "index", p.name)):  # the indexes last
            if path.is_file() and path.name != MOVES:
                place = root / scale / path.relative_to(stage)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.replace(place)
        for name in remove:
            (root / scale / name).unlink(missing_ok=True)
        shutil.rmtree(stage)
