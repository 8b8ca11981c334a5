"""`show`: all that a record holds."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import RESULTS, Json, Out, ScaleName


def show(name: Annotated[str, typer.Argument(help="A run's id, or an arm's name.")], scale: ScaleName = "tiny",
         out: Out = RESULTS, machine: Json = False) -> None:
    """Print the record of a run, or those of an arm's runs: recipe, data, pins, packages, machine, numbers, costs."""
    from methods.parts import Refused
    from repro.store import Store, record_json

    store = Store(out / "runs")
    papers = sorted(p.stem for p in (store.root / scale / "index").glob("*.json"))
    named = [name] if store.get(name) else [r.run_id for p in papers for r in store.records(scale, p) if r.arm == name]
    if not named:
        raise Refused(f"cannot show {name!r}; because {store.root} holds no run of that id and no arm of that name at "
                      f"scale {scale}; use `python -m repro plan --json` to see the runs there are")
    records = [store.the(run_id) for run_id in dict.fromkeys(named)]
    if machine:
        print(json.dumps([record_json(r) for r in records], indent=1))
        return
    for record in records:
        show_record(record)


def show_record(record: Any) -> None:
    console, content = Console(), record.content
    console.print(f"{record.run_id}: {escape(record.paper)} / {escape(record.arm)}, seed {record.seed}, scale "
                  f"{record.scale}: {record.status}", soft_wrap=True)
    if record.error:
        console.print(escape(record.error), soft_wrap=True)
    settings = ("base", "seed", "own_seeds", "threads", "probes")
    section(console, "Base and settings", {k: content[k] for k in settings if k in content})
    for i, stage in enumerate(content.get("stages", ())):
        section(console, f"Stage {i + 1} on {stage['data']}", {**stage["recipe"], "training": stage["training"]})
    section(console, "Measured on", {s["suite"]: of_suite(s) for s in content.get("suites", ())})
    section(console, "Pinned: code, data, weights, packages that name the run", content.get("pins", {}))
    section(console, "Checkout", record.code or {"not known": "the record is older than this field"})
    section(console, "Machine", record.machine or {"not known": "the record is older than this field"})
    section(console, "Packages", record.versions)
    section(console, "Costs", {name: f"{value:,.6g}" for name, value in record.cost.items()})
    console.print(numbers(record) if record.metrics else "no numbers")


def of_suite(call: Mapping[str, Any]) -> str:
    said = [f"{call[k]} {word}" for k, word in (("shots", "shots"), ("limit", "items at most")) if call[k] is not None]
    return ", ".join(said) or "all items"


def section(console: Console, title: str, values: Mapping[str, Any]) -> None:
    """Dotted names and their values; nothing where there are none."""
    rows = list(flat(values))
    if rows:
        console.print(f"\n{escape(title)}", style="bold", soft_wrap=True)
    for name, value in rows:
        console.print(f"  {escape(name)} {escape(str(value))}", soft_wrap=True, highlight=False)


def flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from flat(value, name)
        elif value not in ([], {}):
            yield name, value


def numbers(record: Any) -> Table:
    table = Table("suite", "metric", "value", "stderr", "n", title="Numbers", title_justify="left")
    for suite, metrics in record.metrics.items():
        for name, m in metrics.items():
            table.add_row(escape(suite), escape(name), f"{m.value:.4f}", f"{m.stderr:.4f}", str(m.n))
    return table
