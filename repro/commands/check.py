"""Compares fresh records with the reference: the regression gate (`repro.gate`)."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.options import HOUSE, RESULTS, Arms, Json, Out, Papers, ScaleName
from repro.commands.studying import one_of

if TYPE_CHECKING:
    from repro.plan import Which

REFERENCE = HOUSE / "results" / "reference"
Reference = Annotated[Path, typer.Option("--reference", "--baseline", help="Folder of the reference records.")]
JUnit = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML to this file.")]
Markdown = Annotated[Path | None, typer.Option("--markdown", help="Write a summary to this file.")]


def check(scale: ScaleName = "tiny", paper: Papers = None, arms: Arms = "core", out: Out = RESULTS,
          reference: Reference = REFERENCE, junit: JUnit = None, markdown: Markdown = None, machine: Json = False) -> None:
    """Compare fresh records with the reference. Status 1: something got worse; 2: it cannot be judged, and why."""
    from repro.gate import promote, report
    from repro.gate.compare import compare
    from repro.papers import PAPERS
    from repro.store import Store

    which: Which = "all" if one_of("--arms", arms, ("core", "all")) == "all" else "core"
    promote.finish(reference, scale)
    judged = compare(Store(out / "runs"), Store(reference), scale, PAPERS, paper or (), which)
    report.write(judged, junit, markdown, os.environ)
    if machine:
        print(json.dumps(report.to_json(judged), indent=1, allow_nan=False))
    else:
        report.say(judged)
    if judged.status:
        raise typer.Exit(judged.status)
