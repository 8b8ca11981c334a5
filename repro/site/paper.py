"""A paper's page at a scale: verdicts with what they rest on, figures, tables with what stands behind each line, settings."""
from __future__ import annotations

from pathlib import Path

from repro import report, table, words
from repro.claims import FigureSpec, Paper
from repro.evidence import Source
from repro.report import Chapter, Which
from repro.scale import Scale
from repro.site import backing, overview, pages
from repro.site.files import OF_EVIDENCE, clean, code, digest, inside, mark, stands
from repro.site.run import page_name
from repro.study import Record


def write(paper: Paper, scale: Scale, source: Source, records: str, root: Path, arms: Which) -> None:
    """The page with its tables, figures and verdict files, unless they were made from these records by this code.

    `records`: a digest of the paper's records.
    """
    folder = root / scale.name / paper.name
    wanted = digest(f"{records} {arms} {scale.name} {code(OF_EVIDENCE)}".encode())
    if stands(folder, wanted):
        return
    chapter = report.write(paper, scale, source, folder, arms)
    _page(chapter, scale, root, folder, arms)
    overview.keep(chapter, scale, arms, folder)
    mark(folder, wanted, inside(folder))


def _page(chapter: Chapter, scale: Scale, root: Path, folder: Path, arms: Which) -> None:
    tables = [(t, backing.of_table(spec, t, chapter.evidence, scale)) for spec, t in chapter.tables]
    figures = [(drawn, [f"figures/{clean(file.name)}" for file in drawn.files], alt(spec)) for spec, drawn in chapter.figures]
    settings = [(key, s) for key, s in scale.settings.items() if key.startswith(f"{chapter.paper.name}.")]
    notes = [f"{base}: {scale.models[base].note}" for base in scale.bases if scale.models[base].note]
    tally = overview.Summary.of(chapter, scale, arms).tally
    pages.write("paper", root, folder / "index.html", c=chapter, scale=scale, arms=arms, tables=tables, figures=figures,
                settings=settings, notes=notes, tally=tally, rules=words.RULES, read_as=words.READ_AS,
                legends=(table.LEGEND, table.COUNTED), page_name=page_name)


def alt(spec: FigureSpec) -> str:
    """A figure in words: what is drawn against what, for which lines."""
    axes = f": {spec.y} against {spec.x}" if spec.y and spec.x else ""
    lines = ", ".join(dict.fromkeys(line.label for line in spec.lines))
    return f"{spec.title}{axes}.{f' Shown: {lines}.' if lines else ''}"


def digest_of(records: list[Record], told: dict[str, str]) -> str:
    """A digest of a paper's records. `told`: run id -> the digest of its record."""
    return digest("\n".join(f"{r.arm} {r.seed} {told[r.run_id]}" for r in records).encode("utf-8", "replace"))
