"""`repro memory`: peak memory of training, simulated before a GPU is rented: the papers' tables, or any model and recipe."""
from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from repro.commands.options import RESULTS, Json, Out
from repro.commands.screen import wide

if TYPE_CHECKING:
    from methods.training import Precision
    from repro.memory.beside import Beside
    from repro.memory.cases import Attention, Case, Model
    from repro.memory.found import Found

BUDGETS = (24, 40, 80)
"""GiB of the cards that are asked about most."""
STEPS = 6
LEGEND = ("GiB: bytes of all live tensors at the peak, and behind it what they are for. bound: what no implementation of the "
          "recipe can do without. A CUDA context, the allocator's spare room and a kernel's own scratch come on top.")


def memory(
    paper: Annotated[str | None, typer.Option("--paper", help="The memory tables of a paper: lisa, helene, colm, "
                                                    "lora_ensembles.")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="A model by name (`list models`), a folder or file with a "
                                                    "config.json, or a Hub id; may be repeated.")] = None,
    recipe: Annotated[list[str] | None, typer.Option("--recipe", help="`list recipes` shows them; may be repeated. Default: "
                                                     "full, lora, lisa.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any field of the recipes' parts, as field=value.")] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Texts of an optimizer step.")] = 1,
    micro_batch: Annotated[int | None, typer.Option("--micro-batch", min=1, help="Texts at a time. Default: the batch.")] = None,
    tokens: Annotated[int, typer.Option("--seq", min=2, help="Tokens of every text.")] = 1024,
    precision: Annotated[str, typer.Option("--precision", help="bf16 (weights, gradients and moments), bf16-mixed, "
                                           "fp32.")] = "bf16",
    attention: Annotated[str, typer.Option("--attention", help="sdpa (PyTorch's own), or eager.")] = "sdpa",
    checkpointing: Annotated[bool, typer.Option("--checkpointing", help="Recompute activations in the backward pass.")] = False,
    fits: Annotated[bool, typer.Option("--fits", help=f"The largest batch that fits in {', '.join(map(str, BUDGETS))} GiB, and "
                                       "the largest known model at batch 1.")] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimizer steps that are simulated.")] = STEPS,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes.")] = max(1, os.cpu_count() or 1),
    out: Out = RESULTS,
    machine: Json = False,
) -> None:
    """Peak memory of training, simulated on shapes alone: nothing is allocated, nothing downloaded for the known models."""
    from methods.training import Training
    from repro.commands.recipes import recipe_of, settings_of
    from repro.commands.studying import one_of
    from repro.memory.cases import Case

    folder = out / "runs" / "memory"
    if paper is not None:
        refuse_both(model, recipe)
        of_paper(paper, folder, jobs, machine)
        return
    one_of("--precision", precision, ("bf16", "bf16-mixed", "fp32"))
    one_of("--attention", attention, ("sdpa", "eager"))
    training = Training(steps=steps, batch_size=batch, micro_batch=micro_batch, precision=cast("Precision", precision),
                        gradient_checkpointing=checkpointing)
    settings = settings_of(set_ or ())
    cases = [Case(name, known, recipe_of(name, None, settings), training, tokens, cast("Attention", attention))
             for known in models(model or ()) for name in recipe or ("full", "lora", "lisa")]
    rows = simulated(cases, folder, jobs)
    fitting = what_fits(cases, folder, jobs) if fits else []
    if machine:
        print(json.dumps({"peaks": [row.to_json() for row in rows], "fits": fitting}, indent=1))
        return
    show(f"Peak memory of training, simulated: batch {batch}, {tokens} tokens, {precision}, {attention}", rows)
    if fits:
        show_fits(fitting)
    Console().print(LEGEND, soft_wrap=True)


def refuse_both(model: object, recipe: object) -> None:
    from methods.parts import Refused

    if model or recipe:
        raise Refused("cannot use --model or --recipe with --paper; because a paper's table has its own; leave one of them out")


def models(names: Sequence[str]) -> list[Model]:
    """By name, by a config.json, or by Hub id. Raises Refused where nothing is known by it."""
    from methods.parts import Refused
    from repro.memory.cases import Model
    from repro.shapes import ALL

    if not names:
        raise Refused(f"cannot simulate without a model; because none is named; use --model with one of {', '.join(ALL)}, a "
                      "folder with a config.json or a Hub id, or --paper")
    by_name = {name.casefold(): shapes for name, shapes in ALL.items()}
    return [Model.of(by_name[n.casefold()]) if n.casefold() in by_name else Model(n, read(n)) for n in names]


def read(place: str) -> Any:
    from transformers import AutoConfig

    from suites.refusing import refusing

    with refusing(f"the configuration {place}", hub=not Path(place).exists()):
        return AutoConfig.from_pretrained(place, trust_remote_code=False)


def simulated(cases: Sequence[Case], folder: Path, jobs: int) -> list[Beside]:
    """In the cases' order, with a bar on a terminal."""
    from repro.memory.beside import Beside
    from repro.memory.simulated import every
    from repro.store import spoken

    found: dict[str, Found] = {}
    console = Console(stderr=True)
    with spoken(folder), Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        line = bars.add_task("simulating", total=len(cases))
        for case, one in every(cases, folder, jobs):
            found[case.key] = one
            bars.advance(line)
    return [Beside(case, found[case.key]) for case in cases]


def of_paper(paper: str, folder: Path, jobs: int, machine: bool) -> None:
    """A paper's tables with its numbers where it prints some."""
    from repro.commands.studying import one_of
    from repro.papers.colm import peaks as colm
    from repro.papers.helene import peaks as helene
    from repro.papers.lisa import memory as lisa
    from repro.papers.lisa import memory_table
    from repro.papers.lora_ensembles import peaks as ensembles

    known: dict[str, tuple[Callable[[], Sequence[Case]], Callable[[Mapping[str, Found]], list[tuple[str, list[Beside]]]]]] = {
        "lisa": (lisa.every, memory_table.sections), "helene": (helene.every, helene.sections),
        "colm": (colm.every, colm.sections), "lora_ensembles": (ensembles.every, ensembles.sections)}
    every, sections = known[one_of("--paper", paper, tuple(known))]
    made = sections({row.case.key: row.found for row in simulated(every(), folder, jobs)})
    if machine:
        print(json.dumps([row.to_json() | {"table": title} for title, rows in made for row in rows], indent=1))
        return
    for title, rows in made:
        show(title, rows)
    Console().print(LEGEND, soft_wrap=True)


def show(title: str, rows: Sequence[Beside]) -> None:
    from repro.memory.beside import HEADER, NAMES

    keep = [i for i in range(len(HEADER)) if any(row.cells()[i] for row in rows)]
    table = Table(title=escape(title), padding=(0, 1, 0, 0))
    for i in keep:
        table.add_column(HEADER[i], no_wrap=True, justify="left" if i < len(NAMES) else "right")
    for row in rows:
        table.add_row(*(escape(row.cells()[i]) for i in keep))
    console = wide()
    console.print(table)
    noted: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            noted.setdefault(row.note, []).append(str(row.case))
    for note, names in noted.items():
        console.print(escape(f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {note}."), soft_wrap=True)


def what_fits(cases: Sequence[Case], folder: Path, jobs: int) -> list[dict[str, Any]]:
    """For each case and card: the largest batch at once and the largest known model, None where nothing fits."""
    from repro.memory.fits import first_looks, largest_batch, largest_model
    from repro.store import spoken

    simulated([look for case in cases for look in first_looks(case, max(BUDGETS))], folder, jobs)
    with spoken(folder):
        return [{"case": str(case), "gib": budget, "largest_batch": largest_batch(case, budget, folder) or None,
                 "largest_model": largest_model(case, budget, folder)} for case in cases for budget in BUDGETS]


def show_fits(fitting: Sequence[dict[str, Any]]) -> None:
    table = Table("model, recipe", "GiB", "largest batch at once", "largest known model at batch 1")
    for row in fitting:
        table.add_row(escape(row["case"]), str(row["gib"]), str(row["largest_batch"] or "does not fit"),
                      row["largest_model"] or "none")
    wide().print(table)
