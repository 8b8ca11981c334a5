"""Compares fresh records with the reference: a small first version of the regression gate."""
from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import HOUSE, RESULTS, Json, Out, ScaleName

if TYPE_CHECKING:
    from repro.store import Store
    from repro.study import Metric, Record

SIGMAS = 3.0
FLOOR = 0.005
"""Differences up to this are never called a regression; in the metric's own unit (a share, or nats)."""
Reference = Annotated[Path, typer.Option("--reference", help="Folder of the reference records.")]


@dataclass(frozen=True)
class Difference:
    """One metric of one arm and seed, then and now."""

    paper: str
    arm: str
    seed: int
    suite: str
    metric: str
    before: float
    now: float
    allowed: float

    @property
    def beyond(self) -> bool:
        """Also when one of the two is not a number: what cannot be compared is not fine."""
        return not abs(self.now - self.before) <= self.allowed


def check(scale: ScaleName = "tiny", out: Out = RESULTS, reference: Reference = HOUSE / "results" / "reference",
          machine: Json = False) -> None:
    """Compare fresh records with the reference. Status 1: something differs beyond its error; 2: nothing to compare."""
    from methods.parts import Refused
    from repro.store import Store

    found = list(differences(Store(out / "runs"), Store(reference), scale))
    if not found:
        raise Refused(f"cannot check scale {scale}; because {out / 'runs'} and {reference} share no finished run; "
                      f"use `bash run_all.sh --scale {scale}` first, or another --reference")
    beyond = [d for d in found if d.beyond]
    if machine:
        print(json.dumps({"compared": len(found), "beyond": [asdict(d) for d in beyond]}, indent=1))
    else:
        say(found, beyond, scale)
    if beyond:
        raise typer.Exit(1)


def differences(fresh: Store, reference: Store, scale: str) -> Iterator[Difference]:
    """Every metric that both sides have, by paper, arm, seed and suite."""
    papers = sorted(p.stem for p in (fresh.root / scale / "index").glob("*.json"))
    for paper in papers:
        old = {(r.arm, r.seed): r for r in reference.records(scale, paper)}
        for new in fresh.records(scale, paper):
            yield from of_record(old.get((new.arm, new.seed)), new)


def of_record(old: Record | None, new: Record) -> Iterator[Difference]:
    """A run that was fine before and fails now differs in everything it measured."""
    if old is None or old.status != "done":
        return
    for suite, metrics in old.metrics.items():
        for name, before in metrics.items():
            now = new.metrics.get(suite, {}).get(name)
            value = math.nan if now is None else now.value
            yield Difference(new.paper, new.arm, new.seed, suite, name, before.value, value, allowed(before, now))


def allowed(before: Metric, now: Metric | None) -> float:
    """SIGMAS combined standard errors and the floor."""
    errors = [e for e in (before.stderr, now.stderr if now else 0.0) if math.isfinite(e)]
    return SIGMAS * math.hypot(*errors) + FLOOR


def say(found: Sequence[Difference], beyond: Sequence[Difference], scale: str) -> None:
    console = Console()
    if beyond:
        table = Table("arm", "seed", "suite", "metric", "before", "now", "allowed")
        for d in beyond:
            table.add_row(escape(d.arm), str(d.seed), escape(d.suite), escape(d.metric), f"{d.before:.4f}", f"{d.now:.4f}",
                          f"{d.allowed:.4f}")
        console.print(table)
    console.print(f"Scale {scale}: {len(found)} numbers compared, {len(beyond)} beyond {SIGMAS:g} combined standard "
                  f"errors plus {FLOOR}.", soft_wrap=True)
