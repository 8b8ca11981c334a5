"""Commands that show what there is: parts of the suite, the product of recipes."""
from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import Json, ScaleName

KINDS = ("arms", "suites", "recipes", "claims", "scales", "models")


def listing(what: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")], scale: ScaleName = "tiny",
            machine: Json = False) -> None:
    """List arms, suites, recipes, claims, scales or models of known shapes."""
    from repro.claimed import show
    from repro.commands.screen import wide
    from repro.commands.studying import one_of

    rows = ROWS[one_of("WHAT", what, KINDS)](scale)
    if machine:
        print(json.dumps(rows, indent=1))
        return
    if what == "claims":
        show(rows, wide())
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
    from repro.claimed import listed
    from repro.papers import PAPERS

    return [listed(p, c) for p in PAPERS.values() for c in p.claims(scale)]


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
