"""Commands that show what there is: parts of the suite, the product of recipes, a record."""
from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import RESULTS, Json, Out, ScaleName

KINDS = ("arms", "suites", "recipes", "claims", "scales", "models")


def listing(what: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")], scale: ScaleName = "tiny",
            machine: Json = False) -> None:
    """List arms, suites, recipes, claims, scales or models of known shapes."""
    from repro.commands.studying import one_of

    rows = ROWS[one_of("WHAT", what, KINDS)](scale)
    if machine:
        print(json.dumps(rows, indent=1))
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(escape(str(v)) for v in row.values()))
    Console().print(table)


def arms(scale: str) -> list[dict[str, Any]]:
    from repro.papers import PAPERS

    return [{"paper": p.name, "arm": a.name, "label": a.label, "core": a.core, "base": a.base, "seeds": len(a.seeds),
             "stages": "; ".join(f"{s.recipe} on {s.data}" for s in a.stages) or "none"}
            for p in PAPERS.values() for a in p.arms(scale)]


def suites(scale: str) -> list[dict[str, Any]]:
    from suites import SUITES, glue
    from suites import math as mathematics

    prompted = {"about": "prompted as MeZO prompts it", "metric": "acc, f1 or em"}
    rows = [{"suite": f"{glue.NAME}:{task}", **prompted} for task in sorted(glue.TASKS)]
    rows += [{"suite": name, "about": s.about, "metric": s.primary} for name, s in SUITES.items()]
    sets = {"in": "in-domain", "out": "out-of-domain", "ours": "the tiny world's"}
    return rows + [{"suite": str(of), "about": f"mathematics by program or in words, {sets[of.domain]}", "metric": "corrected"}
                   for of in mathematics.SETS.values()]


def recipes(scale: str) -> list[dict[str, Any]]:
    from methods.papers import NAMED

    return [{"recipe": name, "about": (make.__doc__ or "").split("\n")[0]} for name, make in NAMED.items()]


def claims(scale: str) -> list[dict[str, Any]]:
    from repro.papers import PAPERS

    return [{"paper": p.name, "claim": c.id, "statement": c.statement, "controls": len(c.controls)}
            for p in PAPERS.values() for c in p.claims(scale)]


def scales(scale: str) -> list[dict[str, Any]]:
    from repro.scales import SCALES

    return [{"scale": s.name, "seeds": len(s.seeds), "threads": s.threads, "about": s.about} for s in SCALES.values()]


def models(scale: str) -> list[dict[str, Any]]:
    from repro.shapes import ALL

    return [{"model": s.name, "weights": s.weights, "blocks": s.layers, "width": s.hidden, "vocabulary": s.vocabulary,
             "source": s.source} for s in ALL.values()]


ROWS = {"models": models, "arms": arms, "suites": suites, "recipes": recipes, "claims": claims, "scales": scales}


def matrix(machine: Json = False) -> None:
    """Print every recipe of the product of all slots: whether it runs, or why it is refused."""
    from methods.matrix import product

    cells = list(product())
    if machine:
        print(json.dumps([{"recipe": c.recipe.to_json(), "name": str(c.recipe), "runs": c.refusal is None,
                           "refusal": c.refusal} for c in cells], indent=1))
        return
    reasons = Counter(c.refusal for c in cells if c.refusal)
    for cell in cells:
        print(f"{'runs   ' if cell.refusal is None else 'refused'}  {cell.recipe}"
              + (f"\n         {cell.refusal}" if cell.refusal else ""))
    print(f"\n{len(cells)} recipes: {len(cells) - reasons.total()} run, {reasons.total()} are refused "
          f"for {len(reasons)} reasons.")


def show(name: Annotated[str, typer.Argument(help="A run's id, or an arm's name.")], scale: ScaleName = "tiny",
         out: Out = RESULTS, machine: Json = False) -> None:
    """Print the record of a run, or those of an arm's runs."""
    from methods.parts import Refused
    from repro.store import Store, record_json

    store = Store(out / "runs")
    by_id = store.get(name)
    papers = sorted(p.stem for p in (store.root / scale / "index").glob("*.json"))
    records = [by_id] if by_id else [r for p in papers for r in store.records(scale, p) if r.arm == name]
    if not records:
        raise Refused(f"cannot show {name!r}; because {store.root} holds no run of that id and no arm of that name at "
                      f"scale {scale}; use `python -m repro plan --json` to see the runs there are")
    if machine:
        print(json.dumps([record_json(r) for r in records], indent=1))
        return
    for record in records:
        show_record(record)


def show_record(record: Any) -> None:
    console = Console()
    console.print(f"{record.run_id}: {escape(record.paper)} / {escape(record.arm)}, seed {record.seed}, scale "
                  f"{record.scale}: {record.status}", soft_wrap=True)
    if record.error:
        console.print(escape(record.error), soft_wrap=True)
    table = Table("suite", "metric", "value", "stderr", "n")
    for suite, metrics in record.metrics.items():
        for name, m in metrics.items():
            table.add_row(escape(suite), escape(name), f"{m.value:.4f}", f"{m.stderr:.4f}", str(m.n))
    console.print(table if record.metrics else "no numbers")
    for name, value in record.cost.items():
        console.print(f"  {name} {value:,.6g}")
