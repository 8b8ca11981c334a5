"""The options that several commands share."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HOUSE = Path(__file__).resolve().parent.parent.parent

ScaleName = Annotated[str, typer.Option("--scale", help="smoke (minutes, for CI), tiny (CPU, no network), small (real "
                                        "small models), paper (the papers' own models).")]
Papers = Annotated[list[str] | None, typer.Option("--paper", help="A paper's name; may be repeated. Default: all.")]
Arms = Annotated[str, typer.Option("--arms", help="core, or all (with the ablations).")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Runs at a time. Default: one a GPU, or cores divided "
                                          "by the threads of a run.")]
Out = Annotated[Path, typer.Option("--out", help="Where results go: records in runs/, the site in site/.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]

RESULTS = HOUSE / "results"
