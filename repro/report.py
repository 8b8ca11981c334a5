"""The chapters of the report: tables, figures and verdicts of a paper at a scale, as values and as files.

Everything comes from records. What failed is shown as failed, what was not run as not run. Pages: `repro.site`.
"""
from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from methods.parts import Refused
from repro import plot, table, words
from repro.answered import named
from repro.claims import FigureSpec, Paper, TableSpec
from repro.evidence import Evidence, Source
from repro.leaderboard import boards, export
from repro.papers.rates import Tuned, tuned
from repro.scale import Scale
from repro.scales import get
from repro.site.files import write_text
from repro.study import Arm, Record
from repro.table import Table
from repro.verdict import Verdict, judge
from repro.verdict_json import verdict_json

Which = Literal["core", "all"]
START, END = "<!-- verdicts:start -->", "<!-- verdicts:end -->"


@dataclass(frozen=True)
class Failure:
    """A run that failed, and its one sentence."""

    arm: str
    seed: int
    run_id: str
    error: str


@dataclass(frozen=True)
class Chapter:
    """All that the report says about one paper."""

    paper: Paper
    evidence: Evidence
    verdicts: tuple[Verdict, ...]
    tables: tuple[tuple[TableSpec, Table], ...]
    """Each as it was asked for and as it was filled."""
    figures: tuple[tuple[FigureSpec, plot.Drawn], ...]
    left_out: tuple[str, ...]
    """Tables and figures whose arms were not asked for and have not been run."""
    done: int
    failures: tuple[Failure, ...]
    missing: tuple[str, ...]
    """Labels of arms that lack a run."""
    missing_runs: int
    rates: Tuned


def evidence_of(paper: Paper, scale: Scale, source: Source) -> Evidence:
    """The records of a paper at a scale, bound to its arms."""
    return Evidence(source, paper.name, scale.name, paper.arms(scale.name))


def verdicts_of(paper: Paper, evidence: Evidence) -> tuple[Verdict, ...]:
    """All claims judged, with what the tuned rates say of the arms that are compared."""
    rates = tuned(paper.name, get(evidence.scale).rates_of or evidence.scale)
    untuned = {a.name: a.label for a in evidence.arms if a.stages and not rates.has(a.name)}
    return judge(paper.claims(evidence.scale), evidence, untuned)


def write(paper: Paper, scale: Scale, source: Source, out: Path, arms: Which = "core") -> Chapter:
    """Writes a paper's tables (md, csv, tex), figures (png, svg) and verdicts (json, md) under `out`; returns its chapter."""
    chapter = _chapter(paper, scale, source, out, arms)
    _write_files(chapter, scale, out)
    return chapter


def _chapter(paper: Paper, scale: Scale, source: Source, out: Path, arms: Which) -> Chapter:
    evidence = evidence_of(paper, scale, source)
    status = [s for s in evidence.status() if s[0].core or arms == "all" or s[2] is not None]
    specs, figures = paper.tables(scale.name), paper.figures(scale.name)
    shown = {a.name for a, _, _ in status}
    exhibits: tuple[TableSpec | FigureSpec, ...] = (*specs, *figures)
    left_out = tuple(s.title.split(".")[0] for s in exhibits if not _stands(s, shown))
    return Chapter(
        paper, evidence, verdicts_of(paper, evidence),
        tuple((s, table.fill(s, evidence)) for s in specs if _stands(s, shown)),
        tuple((f, plot.draw(f, evidence, out / "figures")) for f in figures if _stands(f, shown)),
        left_out, len({r.run_id for _, _, r in status if r is not None and r.status == "done"}),
        tuple(_failure(a, seed, r) for a, seed, r in status if r is not None and r.status == "failed"),
        tuple(dict.fromkeys(a.label for a, _, r in status if r is None)), sum(r is None for _, _, r in status),
        tuned(paper.name, scale.rates_of or scale.name))


def _stands(spec: TableSpec | FigureSpec, shown: set[str]) -> bool:
    """Whether a table or figure is shown: some arm of its own is, or it needs none."""
    return not spec.needs_records or bool(_arms_of(spec) & shown)


def _arms_of(spec: TableSpec | FigureSpec) -> set[str]:
    """The arms that a table or figure cannot do without: those beyond the paper's five methods where it has any."""
    of = [r.arm for r in spec.rows if r.arm] if isinstance(spec, TableSpec) else [x.arm for x in spec.lines]
    names = {named(arm)[0] for arm in of}
    common = {"vanilla", "full", "lora", "galore", "lisa"}
    return names - common or names


def _failure(arm: Arm, seed: int, record: Record) -> Failure:
    return Failure(arm.label, seed, record.run_id, (record.error or "no reason was recorded").splitlines()[0])


def _write_files(chapter: Chapter, scale: Scale, out: Path) -> None:
    for _, t in chapter.tables:
        for suffix, text in (("md", table.markdown(t)), ("csv", table.to_csv(t)), ("tex", table.latex(t))):
            write_text(out / "tables" / f"{t.id}.{suffix}", text)
    verdicts = [verdict_json(v) for v in chapter.verdicts]
    write_text(out / "verdicts.json", json.dumps(verdicts, indent=1, allow_nan=False) + "\n")
    write_text(out / "verdicts.md", words.verdicts_md(chapter.paper, scale, chapter.verdicts))


def summary(papers: Sequence[Paper], scale: Scale, source: Source) -> list[dict[str, Any]]:
    """Verdicts of some papers as JSON values, for a terminal or a machine."""
    return [{"paper": p.name, **verdict_json(v)} for p in papers
            for v in verdicts_of(p, evidence_of(p, scale, source))]


def readme_block(papers: Iterable[Paper], scale: Scale, source: Source, figures: Path, shown_at: str) -> str:
    """The README's verdict table and figure of each paper that has records, and leaderboards; figures go into `figures`.

    `shown_at` is that folder as the README links to it.
    """
    papers = tuple(papers)
    shown = [line for paper in papers if source.records(scale.name, paper.name)
             for line in _readme_part(paper, scale, source, figures, shown_at)]
    found = boards.of(papers, scale.name, source)
    leading = [f"### Leaderboards, scale {scale.name}", "", export.readme(found)] if found else []
    return "\n".join([START, "", *shown, *leading, END])


def _readme_part(paper: Paper, scale: Scale, source: Source, figures: Path, shown_at: str) -> list[str]:
    evidence = evidence_of(paper, scale, source)
    first = paper.figures(scale.name)[0]
    drawn = plot.draw(replace(first, id=f"{paper.name}-{first.id}"), evidence, figures)
    files = drawn.files
    picture = [f"![{drawn.title}]({shown_at}/{files[1].name})", "", f"*{drawn.title}. {drawn.caption}*", ""] if files else []
    verdicts = verdicts_of(paper, evidence)
    heading = [f"### {paper.title.partition(':')[0]} (arXiv {paper.arxiv})", ""]
    return [*heading, *picture, words.short_md(scale, verdicts)]


def with_block(readme: str, block: str) -> str:
    """The README with the block between its markers replaced. Raises Refused where the markers are missing."""
    if START not in readme or END not in readme:
        raise Refused(f"cannot update the README; because it has no {START} ... {END}; add both lines where the table goes")
    return readme[:readme.index(START)] + block + readme[readme.index(END) + len(END):]
