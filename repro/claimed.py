"""Every claim as it will be judged: what is compared and with which margin, its controls, and where it can be tried."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from methods.parts import Refused
from repro import words
from repro.answered import named
from repro.claims import Claim, Contrast, Control, Counted, Paper
from repro.scales import SCALES
from repro.study import Arm

ORDER = sorted(SCALES, key=("smoke", "tiny", "small", "paper").index)
READ_AS = ("What must be is said of the effect: by how much the arm before \"against\" is better, whichever way the measure "
           "goes.")
FEW = "one seed: never decided"
OPEN = "once rates are tuned"
SAME = "yes, as everywhere: counted at the papers' shapes"


def compared(c: Contrast) -> str:
    """A contrast in words: its name, arms, measure and what the effect must be."""
    left = c.left if isinstance(c.left, str) else "range of " + ", ".join(c.left)
    arms = f"mean of {len(c.over)} comparisons" if c.over else left if c.right is None else f"{left} against {c.right}"
    name = "" if c.name == arms else f"{c.name}: "
    return f"{name}{arms}; {c.measure.label}, {words.wanted(c)}"


def counted(c: Counted) -> str:
    return f"{c.name} ({c.unit}, counted)"


def parts(of: Claim | Control) -> list[str]:
    """What is compared, a line each."""
    return [*map(compared, of.contrasts), *map(counted, of.counted)]


def tried_at(paper: Paper, claim_id: str) -> dict[str, str]:
    """Scale -> whether the claim can be tried there: its arms and its controls' exist, trained from more than one seed, or it is
    one of counts."""
    return {scale: _tried(paper, next(c for c in paper.claims(scale) if c.id == claim_id), scale) for scale in ORDER}


def _tried(paper: Paper, claim: Claim, scale: str) -> str:
    if claim.untried:
        return f"nowhere: {claim.untried}"
    if claim.counted:
        return SAME
    try:
        arms = {a.name: a for a in paper.arms(scale)}
    except Refused:
        return OPEN
    used = {named(name)[0] for c in claim.every_contrast for name in c.arms}
    if used - arms.keys():
        return f"no arm {', '.join(sorted(used - arms.keys()))}"
    return FEW if any(_few(c, arms) for c in claim.every_contrast) else "yes"


def _few(contrast: Contrast, arms: Mapping[str, Arm]) -> bool:
    """Whether one of its arms is trained from a single seed; one that is not trained goes with every seed of the others."""
    of = [arms[named(name)[0]] for name in contrast.arms]
    return any(len(arm.seeds) < 2 for arm in of if arm.stages)


def listed(paper: Paper, claim: Claim) -> dict[str, Any]:
    """A claim as JSON values."""
    return {
        "paper": paper.name, "claim": claim.id, "statement": claim.shown, "source": claim.source, "compared": parts(claim),
        "contrasts": [facts(c) for c in claim.contrasts],
        "controls": [{"name": c.name, "compared": parts(c), "contrasts": [facts(x) for x in c.contrasts],
                      "if_it_holds": c.otherwise} for c in claim.controls],
        "no_control": claim.no_control, "tried_at": tried_at(paper, claim.id), "refuted_by": claim.refuted_by,
        "reason": claim.reason, "note": claim.note}


def facts(c: Contrast) -> dict[str, Any]:
    """A contrast as JSON values."""
    return {"name": c.name, "arms": list(c.arms), "metric": c.measure.label, "unit": c.measure.unit, "goal": c.goal,
            "margin": c.margin, "margin_source": c.margin_source}


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """A block for each claim, and how it will be tested."""
    for row in rows:
        console.print(f"[bold]{row['paper']} {row['claim']}[/bold]  {escape(row['statement'])}")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(min_width=12)
        grid.add_column()
        for name, text in _lines(row):
            grid.add_row(f"  {name}", escape(text))
        console.print(grid, "")
    for rule in (READ_AS, *words.STATISTICS):
        console.print("- " + escape(" ".join(rule.split())))


def _lines(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "source", row["source"]
    for i, text in enumerate(row["compared"]):
        yield "" if i else "compared", text
    for control in row["controls"]:
        yield "control", f"{control['name']} (if it holds: {control['if_it_holds']})"
        for text in control["compared"]:
            yield "", f"- {text}"
    if row["no_control"]:
        yield "no control", row["no_control"]
    yield "tried at", _scales(row["tried_at"])
    for name in ("reason", "note"):
        if row[name]:
            yield name, row[name]
    yield "refuted by", row["refuted_by"]


def _scales(at: dict[str, str]) -> str:
    """Scales of one answer together."""
    answers = {answer: [scale for scale, other in at.items() if other == answer] for answer in at.values()}
    if len(answers) == 1:
        return next(iter(answers))
    return "; ".join(f"{', '.join(scales)}: {answer}" for answer, scales in answers.items())
