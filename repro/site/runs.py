"""The pages of all runs of a scale and their index. A page whose record and template did not change is not made again."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Due:
    """A page that is to be made, and from what."""

    record: Record
    places: tuple[Place, ...]
    page: Path
    mark: str


@dataclass(frozen=True)
class Book:
    """The pages of all runs at a scale, and the index of these and of those of papers that were written before."""

    scale: str
    root: Path
    rows: Mapping[str, list[dict[str, Any]]]
    marks: Mapping[str, list[Any]]
    """Page -> what it was made from and its size; of those that were there."""
    due: tuple[Due, ...]

    @classmethod
    def of(cls, found: Found, told: Mapping[str, str], scale: str, root: Path) -> Book:
        """`told`: run id -> the digest of its record."""
        rows, marks = _known(root / scale / "runs")
        for paper, runs in found.items():
            rows[paper] = [asdict(run.row(record, place)) for of in runs.values() for record, place in of]
        standing: dict[str, list[tuple[Record, Place]]] = {}
        for runs in found.values():
            for run_id, of in runs.items():
                standing.setdefault(run_id, []).extend(of)
        due = []
        for run_id, of in standing.items():
            page, stands = root / scale / "runs" / run.page_name(run_id), tuple(place for _, place in of)
            mark = run.made_from(told[run_id], stands)
            if marks.get(page.name) != [mark, size_of(page)]:
                due.append(Due(of[0][0], stands, page, mark))
        return cls(scale, root, rows, marks, tuple(due))

    def make(self, source: Source, numbers: Iterable[int]) -> None:
        """Those of the pages that are due."""
        for i in numbers:
            run.write(self.due[i].record, self.due[i].places, source, self.root, self.due[i].page)

    def close(self) -> None:
        """Once all are made: removes the pages of runs that stand for no arm any more, and writes the index."""
        folder = self.root / self.scale / "runs"
        marks = dict(self.marks) | {one.page.name: [one.mark, size_of(one.page)] for one in self.due}
        wanted = {row["page"] for of_paper in self.rows.values() for row in of_paper}
        _remove(folder, {"index.html", *wanted})
        lines = [Row(**row) for of_paper in self.rows.values() for row in of_paper]
        pages.write("runs", self.root, folder / "index.html", scale=self.scale, rows=lines, papers=list(self.rows))
        kept = {name: mark for name, mark in sorted(marks.items()) if name in wanted}
        write_text(folder / ROWS, json.dumps({"rows": self.rows, "pages": kept}) + "\n")


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
