"""What the gate found, for a terminal, for machines (JSON), for CI (JUnit XML) and for a summary page (Markdown)."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape

from methods import atomic
from repro.gate.words import Check, Judged
from repro.store import plain, spoken

SHOWN = 40
"""Rows of a table at most; all are in the JSON and in the JUnit file."""
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
COLUMNS = ("arm", "what", "before", "now", "change", "allowed", "p", "why")


def to_json(judged: Judged) -> dict[str, Any]:
    """Everything but what was equal; that is only counted."""
    told = [c for c in judged.checks if c.outcome != "same" or c.change]
    values: dict[str, Any] = plain({
        "scale": judged.scale, "status": judged.status, "runs": judged.runs, "checks": len(judged.checks),
        "failed": [asdict(c) for c in judged.failing], "better": [asdict(c) for c in judged.of("better")],
        "skipped": [asdict(c) for c in judged.of("skipped")], "notes": list(judged.notes),
        "moved": [asdict(c) for c in told if c.outcome == "same"]})
    return values


def junit(judged: Judged) -> str:
    """JUnit XML: a suite for every paper, a case for every check."""
    total = {"tests": str(len(judged.checks)), "failures": str(len(judged.failing)), "errors": "0",
             "skipped": str(len(judged.of("skipped"))), "time": "0"}
    root = ElementTree.Element("testsuites", {"name": f"repro check {judged.scale}", **total})
    for paper in dict.fromkeys(c.paper for c in judged.checks):
        checks = [c for c in judged.checks if c.paper == paper]
        suite = ElementTree.SubElement(root, "testsuite", {
            "name": clean(f"{judged.scale}.{paper}"), "tests": str(len(checks)), "failures": str(sum(c.fails for c in checks)),
            "errors": "0", "skipped": str(sum(c.outcome == "skipped" for c in checks)), "time": "0"})
        for check in checks:
            _case(suite, judged.scale, check)
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _case(suite: ElementTree.Element, scale: str, check: Check) -> None:
    case = ElementTree.SubElement(suite, "testcase", {
        "classname": clean(f"{scale}.{check.paper}.{check.arm}"), "name": clean(f"{check.kind}: {check.name}"), "time": "0"})
    if check.fails:
        said = ElementTree.SubElement(case, "failure", {"message": clean(sentence(check)), "type": check.kind})
        said.text = clean("\n".join(f"{k}: {v}" for k, v in asdict(check).items() if v not in (None, "")))
    elif check.outcome == "skipped":
        ElementTree.SubElement(case, "skipped", {"message": clean(check.why)})
    elif check.outcome == "better":
        ElementTree.SubElement(case, "system-out").text = clean(f"better: {sentence(check)}")


def clean(text: str) -> str:
    """Without the characters that XML has no way of writing."""
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def sentence(check: Check) -> str:
    """A check in one line."""
    numbers = "" if check.now is None or check.before is None else f"{number(check.before)} -> {number(check.now)}"
    allowed = "" if check.change is None or check.margin is None else f"by {number(check.change)}, {number(check.margin)} allowed"
    said = [x for x in (numbers, allowed, check.why) if x]
    return f"{check.paper}/{check.arm}: {check.kind}: {check.name}: {'; '.join(said) or check.outcome}"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def row(check: Check) -> tuple[str, ...]:
    return (f"{check.paper}/{check.arm}", f"{check.kind}: {check.name}", number(check.before), number(check.now),
            number(check.change), number(check.margin), number(check.p), check.why)


def markdown(judged: Judged) -> str:
    """A summary: what failed, what got better, totals, assumptions."""
    word = f"{len(judged.failing)} failed" if judged.failing else "passed"
    parts = [f"## Regression gate, scale {_md(judged.scale)}: {word}", "", judged.totals()]
    for title, checks in (("Failed", judged.failing), ("Better", judged.of("better"))):
        if checks:
            parts += ["", f"### {title}", "", *_rows(checks)]
    return "\n".join([*parts, "", *(f"- {_md(note)}" for note in judged.notes)]) + "\n"


def _rows(checks: Sequence[Check]) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{'---|' * len(COLUMNS)}"
    for check in checks[:SHOWN]:
        yield f"| {' | '.join(_md(cell) for cell in row(check))} |"
    if len(checks) > SHOWN:
        yield f"\nand {len(checks) - SHOWN} more."


def _md(text: str) -> str:
    """As text in a table cell: nothing in it is markup."""
    flat = " ".join(text.split()).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([|`*_\[\]])", r"\\\1", flat)


def say(judged: Judged) -> None:
    """On the terminal: what failed first, a line each; the totals in one line last."""
    console = Console()
    for word, checks, most in (("FAILED", judged.failing, SHOWN), ("better", judged.of("better"), SHOWN // 4)):
        for check in checks[:most]:
            console.print(f"{word} {escape(sentence(check))}", soft_wrap=True, highlight=False)
        if len(checks) > most:
            console.print(f"... and {len(checks) - most} more of these.", soft_wrap=True)
    for line in (*judged.notes, judged.totals()):
        console.print(escape(line), soft_wrap=True, highlight=False)


def told(judged: Judged) -> str:
    """In a line or two, for those who did not ask for the gate."""
    if not judged.failing:
        return f"passed. {judged.totals()}"
    return (f"{judged.totals()} First: {sentence(judged.failing[0])}. All: `python -m repro check --scale {judged.scale}`, whose "
            "status counts.")


def write(judged: Judged, junit_file: Path | None, markdown_file: Path | None, environment: Mapping[str, str]) -> None:
    """The files that were asked for; the summary also goes to the end of $GITHUB_STEP_SUMMARY where that is set."""
    if junit_file is not None:
        with spoken(junit_file.parent):
            atomic.write_text(junit_file, junit(judged))
    if markdown_file is not None:
        with spoken(markdown_file.parent):
            atomic.write_text(markdown_file, markdown(judged))
    if summary := environment.get("GITHUB_STEP_SUMMARY"):
        with spoken(Path(summary).parent), Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown(judged))
