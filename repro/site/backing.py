"""What stands behind a line of a table: the arm with its runs, recipe, base, data, and where each number comes from."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repro.answered import named
from repro.claims import Missing, Row, TableSpec
from repro.evidence import Evidence
from repro.papers.numbers import Printed
from repro.scale import Scale
from repro.site.run import page_name
from repro.study import Arm, stage_json
from repro.table import Entry, Exact, Mean, Table
from repro.words import tidy


@dataclass(frozen=True)
class Ran:
    """One seed's run; without an id it has not been run."""

    seed: int
    run_id: str
    page: str
    status: str


@dataclass(frozen=True)
class Behind:
    """Of one arm. `way`: how its members are read, where there are several."""

    arm: str
    label: str
    way: str
    note: str
    base: str
    stages: tuple[tuple[str, str, str], ...]
    """(recipe, data, training) of each."""
    runs: tuple[Ran, ...]


@dataclass(frozen=True)
class Backing:
    """Of one line: its arm, if any, and (heading, words) of each cell that holds a number."""

    arm: Behind | None
    cells: tuple[tuple[str, str], ...]


def of_table(spec: TableSpec, table: Table, evidence: Evidence, scale: Scale) -> list[Backing]:
    """One for each row of the filled table."""
    return [Backing(_behind(row, evidence, scale), tuple(_cells(table.header, entries)))
            for row, entries in zip(spec.rows, table.rows, strict=True)]


def _cells(header: tuple[str, ...], entries: tuple[Entry, ...]) -> list[tuple[str, str]]:
    return [(head, words) for head, entry in zip(header[1:], entries[1:], strict=True) if (words := _words(entry))]


def _words(entry: Entry) -> str:
    if isinstance(entry, Printed):
        return f"{entry.status}, {entry.source}" if entry.source else entry.status
    if isinstance(entry, Exact):
        return "counted, not sampled"
    if isinstance(entry, Mean):
        seeds = f"{entry.seeds} seed{'s' * (entry.seeds != 1)}" if entry.seeds else "no training seed"
        return f"n = {seeds} × {entry.items} item{'s' * (entry.items != 1)}; standard error {entry.stderr:.{entry.digits}f}"
    return ""


def _behind(row: Row, evidence: Evidence, scale: Scale) -> Behind | None:
    if row.arm is None:
        return None
    name, way = named(row.arm)
    try:
        arm = evidence.arm(name)
    except Missing:
        return None
    model = scale.models.get(arm.base)
    base = f"{arm.base} ({model.id})" if model else arm.base
    return Behind(arm.name, arm.label, way if "|" in row.arm else "", arm.note, base,
                  tuple((tidy(str(s.recipe)), s.data, plainly(stage_json(s)["training"])) for s in arm.stages),
                  tuple(_ran(arm, seed, evidence) for seed in arm.seeds))


def plainly(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items() if value not in (None, False))


def _ran(arm: Arm, seed: int, evidence: Evidence) -> Ran:
    record = evidence.record(arm, seed)
    return Ran(seed, "", "", "not run") if record is None else Ran(seed, record.run_id, page_name(record.run_id), record.status)
