"""`diff`: what differs between two runs."""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import RESULTS, Json, Out

if TYPE_CHECKING:
    from repro.diff import Difference, Field, Number
    from repro.study import Metric


def diff(one: Annotated[str, typer.Argument(help="A run's id.")], other: Annotated[str, typer.Argument(help="Another's.")],
         out: Out = RESULTS, machine: Json = False) -> None:
    """Tell two runs apart: content, code, machine, packages, numbers, curves. Status 1 when something differs, costs aside."""
    from repro.diff import diff as differences
    from repro.store import Store, plain

    found = differences(Store(out / "runs"), one, other)
    if machine:
        print(json.dumps({"differs": found.any, **plain(asdict(found))}, indent=1))
    else:
        show(found)
    if found.any:
        raise typer.Exit(1)


def show(found: Difference) -> None:
    console = Console()
    if not found.any:
        console.print("Nothing differs: content, code, machine, packages, numbers and curves are the same.", soft_wrap=True)
    fields(console, "Content", found.content, found)
    fields(console, "Outcome, code, machine, packages", found.surroundings, found)
    if found.numbers:
        numbers(console, found)
    elif found.any:
        console.print("The numbers are the same.")
    if found.curves:
        curves(console, found)
    elif found.any:
        console.print("The curves are the same.")
    fields(console, "Costs", found.cost, found)


def fields(console: Console, title: str, rows: Sequence[Field], found: Difference) -> None:
    if not rows:
        return
    table = Table("field", found.one, found.other, title=title, title_justify="left")
    for row in rows:
        table.add_row(escape(row.path), said(row.one), said(row.other))
    console.print(table)


def said(value: object) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:,.6g}" if isinstance(value, float) else escape(str(value))


def numbers(console: Console, found: Difference) -> None:
    table = Table("suite", "metric", found.one, found.other, "difference", "items", "paired difference", title="Numbers",
                  title_justify="left")
    for row in found.numbers:
        table.add_row(escape(row.suite), escape(row.metric), value(row.one), value(row.other), f"{row.difference:+.4g}",
                      row.items, paired(row))
    console.print(table)


def value(metric: Metric | None) -> str:
    return f"{metric.value:.4f} ± {metric.stderr:.4f} (n {metric.n})" if metric else "-"


def paired(row: Number) -> str:
    p = row.paired
    return f"{p.mean:+.4g} ± {p.stderr:.2g} (n {p.n})" if p else "-"


def curves(console: Console, found: Difference) -> None:
    table = Table("curve", "layer", "first step", "largest difference", "points that one alone has", title="Curves",
                  title_justify="left")
    for row in found.curves:
        table.add_row(escape(row.kind), escape(row.layer or ""), str(row.first_step), said(row.largest), str(row.missing))
    console.print(table)
