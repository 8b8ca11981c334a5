"""The leaderboard as files: one folder with every board in each format, figures a group, and PEFT's layout run by run."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from repro import called, plot_pareto
from repro.claims import Paper
from repro.evidence import Source
from repro.leaderboard import boards, export, peft
from repro.leaderboard.boards import Board
from repro.leaderboard.sparing import Sparing
from repro.scale import Scale
from repro.site.files import clean, write_changed
from repro.study import Record

FORMATS = ("csv", "parquet", "md", "tex", "json")
ALT: Mapping[plot_pareto.Cost, str] = {"optimizer state": "quality against the optimizer's state",
                                       "time": "quality against training time"}


@dataclass(frozen=True)
class Group:
    """Boards of one base and training data, with their figures (PNG, SVG), by what they set quality against."""

    id: str
    title: str
    boards: tuple[Board, ...]
    figures: tuple[tuple[str, tuple[Path, ...]], ...]


def write(papers: Sequence[Paper], scale: Scale, source: Source, out: Path) -> tuple[Group, ...]:
    """Writes all files under `out` and returns the boards in groups; nothing where no board has a record yet."""
    found = [_sound(b) for b in boards.of(papers, scale.name, source)]
    if not found:
        return ()
    texts = {"csv": export.to_csv(found), "md": export.markdown(found, scale.name), "tex": export.latex(found),
             "json": json.dumps([export.to_json(b) for b in found], indent=1, allow_nan=False) + "\n"}
    for ending, text in texts.items():
        write_changed(out / f"leaderboard.{ending}", text.encode())
    write_changed(out / "leaderboard.parquet", export.to_parquet(found))
    for name, text in _peft_files(papers, scale, source):
        write_changed(out / "peft" / f"{name}.json", text.encode())
    return tuple(_groups(found, out / "figures"))


def _sound(board: Board) -> Board:
    """What a run said is made text that every format can hold."""
    return replace(board, troubles=tuple(replace(t, why=clean(t.why)) for t in board.troubles))


def _groups(found: Sequence[Board], folder: Path) -> list[Group]:
    style = plot_pareto.styles(found)
    made = []
    for name in dict.fromkeys(b.group for b in found):
        of = tuple(b for b in found if b.group == name)
        drawn = tuple((alt, plot_pareto.write(of, c, style, f"{name}--{c.replace(' ', '-')}", folder)) for c, alt in ALT.items())
        made.append(Group(name, of[0].setting, of, tuple((alt, files) for alt, files in drawn if files)))
    return made


def _peft_files(papers: Sequence[Paper], scale: Scale, source: Source) -> Iterator[tuple[str, str]]:
    """(name, JSON) of every trained run of a core arm, a run that stands for several arms once."""
    told: set[str] = set()
    for paper in papers:
        for record in Sparing(source, boards.core(paper, scale.name)).records(scale.name, paper.name):
            if record.run_id not in told and record.content["stages"]:
                told.add(record.run_id)
                values = peft.of(record, scale.model(record.content["base"]).id, source.curve(record.run_id),
                                 called.world(scale.name))
                yield _file_name(record), json.dumps(values, indent=2, allow_nan=False) + "\n"


def _file_name(record: Record) -> str:
    return f"{record.paper}--{record.arm}--seed-{record.seed}".replace("/", "--")
