"""The whole site: pages of what was asked for, made again where their inputs changed, and an overview of all that is there."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repro.claims import Paper
from repro.evidence import Source
from repro.papers import PAPERS
from repro.report import Which
from repro.scale import Scale
from repro.site import board, overview, pages, paper, recipes, run, runs
from repro.site.beside import Ends, beside
from repro.store import Store
from repro.study import Record

MANY = 2000
"""Pages of runs that are worth a process."""


@dataclass(frozen=True)
class Once(Store):
    """A store whose records are read once."""

    _kept: dict[tuple[str, str], list[Record]] = field(default_factory=dict, compare=False)

    def records(self, scale: str, paper: str) -> list[Record]:
        if (scale, paper) not in self._kept:
            self._kept[scale, paper] = super().records(scale, paper)
        return self._kept[scale, paper]


def write(papers: Sequence[Paper], scale: Scale, source: Source, root: Path, arms: Which = "core") -> Path:
    """Writes the pages of some papers at a scale under `root`, and the overview, which is returned."""
    pages.write_shared(root)
    source = Once(source.root) if isinstance(source, Store) else source
    found = {p.name: source.records(scale.name, p.name) for p in papers}
    told = {r.run_id: run.digest_of(r) for r in {r.run_id: r for records in found.values() for r in records}.values()}
    of = {name: paper.digest_of(records, told) for name, records in found.items()}
    stand = {p.name: runs.places(p, found.pop(p.name), scale.name) for p in papers}
    book = runs.Book.of(stand, told, scale.name, root)
    ends = Ends(len(book.due))
    with beside(lambda: book.make(source, ends.forwards()), apart=len(book.due) > MANY):
        for each in papers:
            paper.write(each, scale, source, of[each.name], root, arms)
        board.write(papers, scale, source, " ".join(of.values()), root)
        recipes.write(root)
        book.make(source, ends.backwards())
    book.close()
    return overview.write(root, tuple(PAPERS))
