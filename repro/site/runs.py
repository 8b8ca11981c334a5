"""The pages of all runs of a scale and their index. A page whose record and template did not change is not made again."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from repro.claims import Paper
from repro.evidence import Source
from repro.site import pages, run
from repro.site.files import size_of, write_text
from repro.site.run import Place, Row
from repro.study import Record

Found = Mapping[str, Mapping[str, list[tuple[Record, Place]]]]
"""Paper -> run id -> its record and the places where it stands in the paper."""
ROWS = ".runs.json"
"""By paper, the lines of the index; by page, what it was made from and its size."""


def places(paper: Paper, records: Sequence[Record], scale: str) -> dict[str, list[tuple[Record, Place]]]:
    """Run id -> its record and the places where it stands in a paper."""
    labels = {arm.name: arm.label for arm in paper.arms(scale)}
    found: dict[str, list[tuple[Record, Place]]] = {}
    for record in records:
        place = Place(paper.name, paper.title, record.arm, labels.get(record.arm, record.arm), record.seed)
        found.setdefault(record.run_id, []).append((record, place))
    return found


def write(found: Found, told: Mapping[str, str], scale: str, source: Source, root: Path) -> None:
    """Pages of the runs of some papers, and the index of these and of the papers that were written before.

    `told`: run id -> the digest of its record.
    """
    folder = root / scale / "runs"
    rows, marks = _known(folder)
    for paper, runs in found.items():
        rows[paper] = [asdict(run.row(record, place)) for of in runs.values() for record, place in of]
    standing: dict[str, list[tuple[Record, Place]]] = {}
    for runs in found.values():
        for run_id, of in runs.items():
            standing.setdefault(run_id, []).extend(of)
    for run_id, of in standing.items():
        page = folder / run.page_name(run_id)
        stands = [place for _, place in of]
        mark = run.made_from(told[run_id], stands)
        if marks.get(page.name) != [mark, size_of(page)]:
            run.write(of[0][0], stands, source, root, page)
            marks[page.name] = [mark, size_of(page)]
    wanted = {row["page"] for of_paper in rows.values() for row in of_paper}
    _remove(folder, {"index.html", *wanted})
    lines = [Row(**row) for of_paper in rows.values() for row in of_paper]
    pages.write("runs", root, folder / "index.html", scale=scale, rows=lines, papers=list(rows))
    kept = {name: mark for name, mark in sorted(marks.items()) if name in wanted}
    write_text(folder / ROWS, json.dumps({"rows": rows, "pages": kept}) + "\n")


def _known(folder: Path) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[Any]]]:
    """Nothing where nothing was written yet, or by another version."""
    try:
        values = json.loads((folder / ROWS).read_text())
        rows = {str(paper): [asdict(Row(**row)) for row in of] for paper, of in values["rows"].items()}
        return rows, dict(values["pages"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}, {}


def _remove(folder: Path, wanted: set[str]) -> None:
    """Pages of runs that stand for no arm any more."""
    for path in folder.glob("*.html"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
