"""Figures as PNG and SVG, with n and what their intervals are in the caption: `repro.look` says how methods are drawn.

The same traces give the same bytes; a figure whose traces did not change is not drawn again.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods import atomic
from repro import canvas, look, plot_answers, plot_dots, plot_landscape, plot_lines, plot_memory, radar, traces
from repro.claims import FigureSpec
from repro.evidence import Evidence
from repro.traces import Trace, Traces

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from repro.landscape import Panel

FILES = (__file__, canvas.__file__, look.__file__, plot_answers.__file__, plot_dots.__file__, plot_landscape.__file__,
         plot_lines.__file__, plot_memory.__file__, radar.__file__)
HOW = hashlib.blake2b(b"".join(Path(str(f)).read_bytes() for f in FILES), digest_size=10).hexdigest()
"""Changes with these files: a figure drawn in another way is drawn again."""


@dataclass(frozen=True)
class Drawn:
    """A figure on disk, or why there is none."""

    id: str
    title: str
    caption: str
    files: tuple[Path, ...]


def draw(spec: FigureSpec, evidence: Evidence, folder: Path) -> Drawn:
    """Writes <id>.png and <id>.svg into `folder`, unless they show these traces already."""
    if spec.panels is not None:
        return _illustration(spec, spec.panels(), folder)
    if spec.counted is not None:
        return _counted(spec, spec.counted(), folder)
    data = traces.of(spec, evidence)
    caption = _caption(spec, data)
    if not data.found or (spec.draws == "scan" and not any(t.x for t in data.found)):
        return Drawn(spec.id, spec.title, caption, ())
    make = MAKERS[spec.draws]
    files = _renewed(spec, data.digest(repr(_visible(spec)), HOW), lambda: make(spec, data.found), folder)
    return Drawn(spec.id, spec.title, caption, files)


def _illustration(spec: FigureSpec, panels: tuple[Panel, ...], folder: Path) -> Drawn:
    """A figure that no record stands behind; its note says so."""
    digest = hashlib.blake2b(repr((panels, _visible(spec), HOW)).encode(), digest_size=10).hexdigest()
    return Drawn(spec.id, spec.title, spec.note, _renewed(spec, digest, lambda: plot_landscape.landscape(spec, panels), folder))


def _counted(spec: FigureSpec, parts: tuple[Any, ...], folder: Path) -> Drawn:
    """A figure of counts, where there are some."""
    if not parts:
        return Drawn(spec.id, spec.title, f"{spec.note} Not counted yet.", ())
    make = COUNTED[spec.draws]
    digest = hashlib.blake2b(repr((parts, _visible(spec), HOW)).encode(), digest_size=10).hexdigest()
    return Drawn(spec.id, spec.title, spec.note, _renewed(spec, digest, lambda: make(spec, parts), folder))


def _renewed(spec: FigureSpec, digest: str, make: Callable[[], Figure], folder: Path) -> tuple[Path, ...]:
    """The figure's files, written anew unless they are of this digest."""
    files = canvas.files_of(folder, spec.id)
    mark = folder / f".{spec.id}.digest"
    if not (all(f.exists() for f in files) and mark.exists() and mark.read_text() == digest):
        canvas.write(spec.title, make, files)
        atomic.write_text(mark, digest)
    return files


def _visible(spec: FigureSpec) -> tuple[str, ...]:
    level = (spec.level.label,) if spec.level else ()
    return (spec.id, spec.title, spec.draws, spec.x, spec.y, spec.kind, *(line.label for line in spec.lines), *level,
            *(f"{ratio:g} {words}" for ratio, words in spec.asked))


def _caption(spec: FigureSpec, data: Traces) -> str:
    parts = [spec.note, data.band if data.found else "", "n counts seeds." if data.found else ""]
    if spec.draws == "curves" and spec.kind in traces.OF_A_BATCH and data.found:
        width = traces.smoothing(max(len(t.x) for t in data.found))
        parts.append(f"Running mean over {width} steps." if width > 1 else "")
    if spec.per == "second" and data.found:
        parts.append("Seconds per step are those of the machine that ran it, several runs at a time: a rough order.")
    if spec.draws == "curves" and plot_lines.of_one_colour(data.found):
        parts.append(f"Below: minus {data.found[0].label}, means of the seeds.")
    top = plot_lines.top(spec, data.found)
    if top is not None:
        parts.append(f"Cut at twice the first value; beyond it: {'; '.join(t.label for t in data.found if max(t.y) > top)}.")
    if spec.draws not in ("norms", "matrix") and any(look.control for look in plot_lines.of(data.found)):
        parts.append("Hollow: controls.")
    if any(t.part == plot_dots.BASELINE for t in data.found):
        parts.append("Half filled: baselines.")
    parts.append(f"Not shown: {'; '.join(data.missing)}." if data.missing else "")
    return " ".join(p for p in parts if p)


def _radar(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    return radar.figure([replace(t, label=plot_lines.named(t)) for t in found], spec.sets)


Maker = Callable[[FigureSpec, Sequence[Any]], "Figure"]
MAKERS: Mapping[str, Maker] = {
    "curves": plot_lines.curves, "norms": plot_lines.norms, "scan": plot_lines.scan, "dots": plot_dots.dots,
    "speed": plot_lines.speed, "wrong": plot_lines.bands, "coverage": plot_lines.bands,
    "reliability": plot_answers.reliability, "matrix": plot_answers.matrix, "radar": _radar}
"""What `FigureSpec.draws` says -> what draws it from traces."""
COUNTED: Mapping[str, Maker] = {"growth": plot_memory.growth, "stacks": plot_memory.stacks, "peaks": plot_dots.peaks}
"""And from what was counted."""
