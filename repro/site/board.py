"""The leaderboard's page: boards that sort and filter, Pareto figures, and every board as a file."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.claims import Paper
from repro.evidence import Source
from repro.leaderboard import export
from repro.leaderboard import write as leaderboard
from repro.leaderboard.boards import Board
from repro.leaderboard.write import FORMATS
from repro.scale import Scale
from repro.site import pages
from repro.site.files import OF_EVIDENCE, code, digest, inside, mark, stands
from repro.site.run import page_name
from repro.table import Entry


@dataclass(frozen=True)
class Line:
    """A method on a board: its cells after the method's name, and the pages of its runs."""

    rank: Entry
    method: Entry
    cells: tuple[Entry, ...]
    runs: tuple[tuple[str, str], ...]


def write(papers: Sequence[Paper], scale: Scale, source: Source, records: str, root: Path) -> None:
    """The page with its files, unless they were made from these records by this code."""
    folder = root / scale.name / "leaderboard"
    wanted = digest(f"{records} {' '.join(p.name for p in papers)} {scale.name} {code(OF_EVIDENCE)}".encode())
    if stands(folder, wanted):
        return
    groups = leaderboard.write(papers, scale, source, folder)
    figures = {g.id: [(alt, [f"figures/{file.name}" for file in files]) for alt, files in g.figures] for g in groups}
    pages.write("leaderboard", root, folder / "index.html", scale=scale, groups=groups, figures=figures, lines=lines,
                remarks=export.remarks, read=export.READ, header=lambda board: export.to_table(board).header, formats=FORMATS,
                count=sum(len(g.boards) for g in groups))
    mark(folder, wanted, inside(folder))


def lines(board: Board) -> list[Line]:
    """As the board's table has them."""
    standings = (*board.standings, *([board.before] if board.before else []))
    return [Line(row[0], row[1], row[2:], tuple((i, page_name(i)) for i in dict.fromkeys(s.entrant.run_ids)))
            for row, s in zip(export.to_table(board).rows, standings, strict=True)]


