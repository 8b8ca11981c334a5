"""Makes fresh records the reference, with the reason; or measures the noise floor from repeats."""
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.check import REFERENCE, Reference
from repro.commands.options import RESULTS, Arms, Json, Out, Papers, ScaleName
from repro.commands.studying import one_of

if TYPE_CHECKING:
    from repro.plan import Which

Reason = Annotated[str, typer.Option("--reason", help="Why these numbers are right; kept beside them.")]
Repeats = Annotated[list[Path] | None, typer.Option("--noise", help="A results folder (--out) of a repeat of one command; name "
                    "two or more. Writes the noise floor and accepts nothing.")]


def accept(reason: Reason, scale: ScaleName = "tiny", paper: Papers = None, arms: Arms = "core", out: Out = RESULTS,
           reference: Reference = REFERENCE, noise: Repeats = None, machine: Json = False) -> None:
    """Make fresh records the reference that `check` compares with. The reason is kept in accepted.jsonl."""
    from methods.parts import Refused
    from repro.gate import noise as noises
    from repro.gate import promote
    from repro.locks import alone
    from repro.papers import PAPERS
    from repro.store import Store

    if not reason.strip():
        raise Refused("cannot accept without a reason; because --reason is empty; say why these numbers are right")
    if noise:
        print(noises.write(noise, scale, reference, reason))
        return
    which: Which = "all" if one_of("--arms", arms, ("core", "all")) == "all" else "core"
    promote.finish(reference, scale)
    with alone(out / "runs" / scale):
        made = promote.promotion(Store(out / "runs"), Store(reference), scale, paper or (), which, tuple(PAPERS.values()))
        entry = promote.accept(made, reason)
    if machine:
        print(json.dumps(entry, indent=1, allow_nan=False))
    else:
        print(f"Scale {scale}: {entry['taken']} runs are the reference now; {len(entry['replaced'])} replaced another, "
              f"{len(entry['dropped'])} dropped, {len(entry['changed'])} numbers changed.")
