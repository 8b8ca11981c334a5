"""Prints the leaderboard: methods that may be compared, with tie groups, costs and Pareto fronts."""
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import HOUSE, RESULTS, Json, Out, ScaleName
from repro.commands.screen import wide

if TYPE_CHECKING:
    from repro.leaderboard.boards import Board

Suites = Annotated[list[str] | None, typer.Option("--suite", help="A suite, as `--json` names it; may be repeated.")]
Reference = Annotated[bool, typer.Option("--reference", help="From the committed records in place of fresh ones.")]


def leaderboard(scale: ScaleName = "tiny", suite: Suites = None, out: Out = RESULTS, reference: Reference = False,
                machine: Json = False) -> None:
    """Rank the methods of each base, training set and suite, from the records there are."""
    from methods.parts import Refused
    from repro import scales
    from repro.commands.studying import one_of
    from repro.leaderboard import boards, export
    from repro.papers import PAPERS
    from repro.store import Store

    store, chosen = Store(HOUSE / "results" / "reference" if reference else out / "runs"), scales.get(scale)
    found = boards.of(PAPERS.values(), chosen.name, store)
    if not found:
        raise Refused(f"cannot show a leaderboard; because {store.root} holds no run of a method at scale {scale}; use "
                      f"`python -m repro run --scale {scale}` first, or --reference")
    known = dict.fromkeys(b.contest.call.suite for b in found)
    wanted = [one_of("--suite", name, known) for name in suite or known]
    shown = [b for b in found if b.contest.call.suite in wanted]
    if machine:
        print(json.dumps([export.to_json(b) for b in shown], indent=1, allow_nan=False))
        return
    console = wide()
    for board in shown:
        say(board, console)
    console.print(escape(export.READ), style="dim")


def say(board: Board, console: Console) -> None:
    """A board as a table, and below it what was left out."""
    from repro import table
    from repro.leaderboard import export

    made = export.short(board)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in made.header:
        shown.add_column(name, no_wrap=name in ("rank", "mean"))
    for row in made.rows:
        shown.add_row(*(escape(table.text(entry)) for entry in row))
    console.print(escape(made.title), style="bold", soft_wrap=True)
    console.print(shown)
    for note in made.notes:
        console.print(escape(note), soft_wrap=True)
    console.print()
