"""The first page: for every scale that was written, the verdicts of its papers at a glance, and how many runs there are."""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from repro.judged import Word
from repro.report import Chapter
from repro.scale import Scale
from repro.scales import SCALES
from repro.site import pages
from repro.site.files import write_text

FILE = "summary.json"
ORDER: tuple[str, ...] = get_args(Word)


@dataclass(frozen=True)
class Seen:
    """A verdict in short."""

    claim: str
    statement: str
    word: str
    headline: str
    stands: bool
    group: str
    """The headline without names."""


@dataclass(frozen=True)
class Summary:
    """A paper at a scale in short, as it lies beside its page."""

    scale: str
    about: str
    paper: str
    title: str
    arxiv: str
    arms: str
    done: int
    failed: int
    missing: int
    verdicts: tuple[Seen, ...]

    @classmethod
    def of(cls, chapter: Chapter, scale: Scale, arms: str) -> Summary:
        seen = tuple(Seen(v.claim.id, v.claim.shown, v.word, v.headline, v.stands, v.group) for v in chapter.verdicts)
        return cls(scale.name, scale.about, chapter.paper.name, chapter.paper.title, chapter.paper.arxiv, arms, chapter.done,
                   len(chapter.failures), chapter.missing_runs, seen)

    @classmethod
    def read(cls, path: Path) -> Summary:
        """Raises ValueError, TypeError or KeyError where it is of another version."""
        values = json.loads(path.read_text())
        return cls(**{**values, "verdicts": tuple(Seen(**v) for v in values["verdicts"])})

    @property
    def tally(self) -> str:
        """How many claims there are of each headline: one that a control explains is not counted as supported."""
        groups = [(ORDER.index(v.word), v.group) for v in self.verdicts]
        return ", ".join(f"{groups.count(of)} {of[1]}" for of in sorted(set(groups)))


def keep(chapter: Chapter, scale: Scale, arms: str, folder: Path) -> None:
    write_text(folder / FILE, json.dumps(asdict(Summary.of(chapter, scale, arms)), indent=1) + "\n")


@dataclass(frozen=True)
class Section:
    """A scale on the overview: claims x papers."""

    name: str
    about: str
    papers: tuple[Summary, ...]
    rows: tuple[tuple[str, tuple[Seen | None, ...]], ...]


def write(root: Path, order: Sequence[str]) -> Path:
    """The overview of all scales under `root`; papers in the given order."""
    found, unread = _read(root)
    known = sorted(found, key=lambda s: (list(SCALES).index(s) if s in SCALES else len(SCALES), s))
    sections = [_section([found[name][p] for p in sorted(found[name], key=lambda p: _place(p, order))]) for name in known]
    pages.write("overview", root, root / "index.html", sections=sections, unread=unread)
    return root / "index.html"


def _place(paper: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(paper) if paper in order else len(order), paper)


def _read(root: Path) -> tuple[dict[str, dict[str, Summary]], list[str]]:
    found: dict[str, dict[str, Summary]] = {}
    unread = []
    for path in sorted(root.glob(f"*/*/{FILE}")):
        scale, paper = path.parts[-3:-1]
        try:
            found.setdefault(scale, {})[paper] = Summary.read(path)
        except (ValueError, TypeError, KeyError):
            unread.append(f"{scale}/{paper}")
    return {scale: of for scale, of in found.items() if of}, unread


def _section(papers: Sequence[Summary]) -> Section:
    """Rows by the claims' ids, in the order of the paper that has most of them."""
    by_id: list[dict[str, Seen]] = [{v.claim: v for v in p.verdicts} for p in papers]
    ids = sorted({i for of in by_id for i in of}, key=_natural)
    rows = tuple((i, tuple(of.get(i) for of in by_id)) for i in ids)
    return Section(papers[0].scale, papers[0].about, tuple(papers), rows)


def _natural(claim: str) -> tuple[str, int, str]:
    """C5, C5a, C10."""
    letters = claim.rstrip("abcdefghijklmnopqrstuvwxyz")
    digits = "".join(c for c in letters if c.isdigit())
    return (letters[:len(letters) - len(digits)], int(digits or 0), claim)


