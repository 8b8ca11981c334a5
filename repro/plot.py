"""Figures as PNG and SVG: colours that colour-blind readers can tell apart, legends beside the data, n stated.

The same traces give the same bytes; a figure whose traces did not change is not drawn again.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods import atomic
from repro import look, plot_answers, plot_memory, radar, traces
from repro.claims import FigureSpec
from repro.evidence import Evidence
from repro.look import COLOURS, MARKERS, files_of, write
from repro.reaching import FALLS
from repro.traces import Trace, Traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from repro.landscape import Panel

FILES = (__file__, look.__file__, plot_answers.__file__, plot_memory.__file__, radar.__file__)
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
    make = {"curves": _curves, "norms": _norms, "scan": _scan, "dots": _dots, "speed": _speed, "wrong": plot_answers.lines,
            "coverage": plot_answers.lines, "reliability": plot_answers.reliability, "matrix": plot_answers.matrix,
            "radar": _radar}[spec.draws]
    files = _renewed(spec, data.digest(repr(_visible(spec)), HOW), lambda: make(spec, data.found), folder)
    return Drawn(spec.id, spec.title, caption, files)


def _illustration(spec: FigureSpec, panels: tuple[Panel, ...], folder: Path) -> Drawn:
    """A figure that no record stands behind; its note says so."""
    digest = hashlib.blake2b(repr((panels, _visible(spec), HOW)).encode(), digest_size=10).hexdigest()
    return Drawn(spec.id, spec.title, spec.note, _renewed(spec, digest, lambda: _landscape(spec, panels), folder))


def _counted(spec: FigureSpec, parts: tuple[Any, ...], folder: Path) -> Drawn:
    """A figure of counts, where there are some."""
    if not parts:
        return Drawn(spec.id, spec.title, f"{spec.note} Not counted yet.", ())
    make: Callable[..., Figure] = plot_memory.growth if spec.draws == "growth" else plot_memory.stacks
    digest = hashlib.blake2b(repr((parts, _visible(spec), HOW)).encode(), digest_size=10).hexdigest()
    return Drawn(spec.id, spec.title, spec.note, _renewed(spec, digest, lambda: make(spec, parts), folder))


def _renewed(spec: FigureSpec, digest: str, make: Callable[[], Figure], folder: Path) -> tuple[Path, ...]:
    """The figure's files, written anew unless they are of this digest."""
    files = files_of(folder, spec.id)
    mark = folder / f".{spec.id}.digest"
    if not (all(f.exists() for f in files) and mark.exists() and mark.read_text() == digest):
        write(spec.title, make, files)
        atomic.write_text(mark, digest)
    return files


def _visible(spec: FigureSpec) -> tuple[str, ...]:
    return (spec.id, spec.title, spec.draws, spec.x, spec.y, spec.kind, *(line.label for line in spec.lines))


def _caption(spec: FigureSpec, data: Traces) -> str:
    parts = [spec.note, data.band if data.found else "", "n counts seeds." if data.found else ""]
    if spec.draws == "curves" and spec.kind in traces.OF_A_BATCH and data.found:
        width = traces.smoothing(max(len(t.x) for t in data.found))
        parts.append(f"Running mean over {width} steps." if width > 1 else "")
    if spec.per == "second" and data.found:
        parts.append("Seconds per step are those of the machine that ran it, several runs at a time: a rough order.")
    top = _top(spec, data.found)
    if top is not None:
        parts.append(f"Cut at twice the first value; beyond it: {'; '.join(t.label for t in data.found if max(t.y) > top)}.")
    parts.append(f"Not shown: {'; '.join(data.missing)}." if data.missing else "")
    return " ".join(p for p in parts if p)


def _figure(width: float = 7.0, height: float = 3.4, panels: int = 1) -> tuple[Figure, Sequence[Axes]]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, panels, figsize=(width, height), layout="constrained", squeeze=False)
    return figure, list(axes[0])


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8)


def _name(trace: Trace) -> str:
    return f"{trace.label} (n = {trace.n})" if trace.n else f"{trace.label} (no seed)"


def _curves(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    figure, (axes,) = _figure()
    for i, t in enumerate(found):
        axes.plot(t.x, t.y, color=COLOURS[i], lw=1.4, ls=("-", "--", "-.", ":")[i % 4], label=_name(t))
        if t.n > 1:
            axes.fill_between(t.x, t.low, t.high, color=COLOURS[i], alpha=0.15, lw=0)
    axes.set(xlabel=spec.x, ylabel=spec.y)
    top = _top(spec, found)
    if top is not None:
        axes.set_ylim(0, top)
    _legend(figure, axes)
    return figure


def _top(spec: FigureSpec, found: Sequence[Trace]) -> float | None:
    """Where the axis of a loss is cut, so that a run that diverges does not hide the others: at twice the largest first value.

    None where no line comes so high.
    """
    if spec.draws != "curves" or not spec.kind.endswith("_loss") or not found:
        return None
    top = 2 * max(t.y[0] for t in found)
    return top if max(max(t.y) for t in found) > top else None


def _speed(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    assert spec.level is not None
    figure = _curves(spec, found)
    axes = figure.axes[0]
    axes.axhline(1.0, color=COLOURS[0], lw=1.0, ls=":")
    if spec.kind in FALLS:
        axes.invert_xaxis()
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}x")
    return figure


def _norms(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    parts = list(dict.fromkeys(t.part for t in found))
    figure, panels = _figure(9.5, 3.8, len(parts))
    arms = list(dict.fromkeys(t.label.split(", step")[0].split(", mean")[0] for t in found))
    for axes, part in zip(panels, parts, strict=True):
        for t in (t for t in found if t.part == part):
            i = arms.index(t.label.split(", step")[0].split(", mean")[0])
            axes.plot(t.x, t.y, color=COLOURS[i], lw=1.2, ls="--" if t.dashed else "-", marker=MARKERS[i],
                      ms=7 if t.dashed else 4, mfc="none" if t.dashed else COLOURS[i], label=_name(t))
            if t.n > 1:
                axes.fill_between(t.x, t.low, t.high, color=COLOURS[i], alpha=0.15, lw=0)
        axes.set(xlabel=spec.x, ylabel=f"{part} (L2)", yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="x", rotation=60)
    _legend(figure, panels[0])
    return figure


def _scan(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    figure, (axes,) = _figure()
    points = [t for t in found if t.x]
    for i, label in enumerate(dict.fromkeys(t.label for t in points)):
        of = sorted((t for t in points if t.label == label), key=lambda t: float(t.x[0]))
        y = [t.y[0] for t in of]
        bars = [[m - t.low[0] for m, t in zip(y, of, strict=True)], [t.high[0] - m for m, t in zip(y, of, strict=True)]]
        axes.errorbar([float(t.x[0]) for t in of], y, yerr=bars, color=COLOURS[3 + i], marker="o", capsize=3, lw=1.4,
                      label=f"{label} (n = {min(t.n for t in of)})")
    for t in (t for t in found if not t.x):
        axes.axhline(t.y[0], color=COLOURS[0], ls="--", lw=1.2, label=_name(t))
        axes.axhspan(t.low[0], t.high[0], color=COLOURS[0], alpha=0.10, lw=0)
    axes.set(xlabel=spec.x, ylabel=spec.y, xticks=sorted({float(t.x[0]) for t in points}))
    _legend(figure, axes)
    return figure


def _radar(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    return radar.figure([replace(t, label=_name(t)) for t in found], spec.sets)


def _dots(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    assert spec.level is not None
    figure, (axes,) = _figure(7.0, 1.2 + 0.30 * len(found))
    groups = list(dict.fromkeys(t.part for t in found))
    for i, t in enumerate(found):
        g = groups.index(t.part)
        axes.errorbar(t.y[0], i, xerr=[[t.y[0] - t.low[0]], [t.high[0] - t.y[0]]], color=COLOURS[(3, 5)[g % 2]], capsize=3,
                      marker=MARKERS[g], label=t.part if t.part not in [f.part for f in found[:i]] else None)
    axes.axvline(0.0, color=COLOURS[0], lw=1.2, ls="--", label=spec.level.label)
    axes.set(yticks=range(len(found)), yticklabels=[_name(t) for t in found], xlabel=spec.x)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    _legend(figure, axes)
    return figure


def _landscape(spec: FigureSpec, panels: Sequence[Panel]) -> Figure:
    """Level lines of the toy function, and each rule's places joined in order."""
    import numpy as np

    from repro.landscape import MINIMUM, START, height

    figure, all_axes = _figure(9.5, 5.2, len(panels))
    x, y = np.meshgrid(np.linspace(-1.2, 2.0, 161), np.linspace(-0.8, 6.0, 137))
    for axes, panel in zip(all_axes, panels, strict=True):
        axes.contour(x, y, height(x, y), levels=[0.1, 0.5, 1, 2, 4, 6, 8, 12, 16, 24, 40, 80], colors="#999999", linewidths=0.5)
        for i, path in enumerate(panel.paths):
            axes.plot(*zip(*path.places, strict=True), color=COLOURS[i], marker=MARKERS[i], ms=3, lw=1.0, alpha=0.85,
                      label=f"{path.label} (rate {path.rate:g}, end {path.end:.2g})")
        axes.plot(*START, "o", color="#000000", ms=9, mfc="none", ls="none", label="start")
        axes.plot(*MINIMUM, "*", color="#000000", ms=12, ls="none", label="minimum")
        axes.set(xlabel=spec.x, ylabel=spec.y, xlim=(-1.2, 2.0), ylim=(-0.8, 6.0))
        axes.set_title(panel.title, fontsize=9)
        axes.grid(visible=False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=7)
    return figure
