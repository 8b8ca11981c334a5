"""Figures of lines: curves against steps, ratios of speed, norms by layer, a measure against a number, means with bands."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro import canvas
from repro.claims import FigureSpec
from repro.look import LEVEL, LINES, Look, looks
from repro.reaching import FALLS
from repro.traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.1
"""Inches of a figure without its legend."""
MARKS = 8
"""Markers along a line of many points."""


def named(trace: Trace) -> str:
    return f"{trace.label} (n = {trace.n})" if trace.n else f"{trace.label} (no seed)"


def of(found: Sequence[Trace]) -> list[Look]:
    """How each trace is drawn; one that names no method, by its label."""
    each = [t.method or t.label for t in found]
    by = looks(each)
    return [by[name] for name in each]


def curves(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """A line a trace, its band behind it; markers of lines over each other stand at different steps. Lines of one colour are
    shown again below, as their differences from the first one, since they often lie over each other."""
    close, names = of_one_colour(found), [named(t) for t in found]
    figure, grid = canvas.new(1.45 * HEIGHT, 2, legend=names, sharex=True, height_ratios=(1.6, 1)) if close else \
        canvas.new(HEIGHT, legend=names)
    axes, last = grid[0][0], grid[-1][0]
    if close:
        _differences(last, found)
    for i, (t, look) in enumerate(zip(found, of(found), strict=True)):
        if t.n > 1:
            axes.fill_between(t.x, t.low, t.high, color=look.colour, alpha=0.13, lw=0)
        axes.plot(t.x, t.y, **look.drawn, lw=1.3, ms=5, markevery=marks(len(t.x), i, len(found)), label=named(t))
    axes.set(ylabel=canvas.wrapped(spec.y, HEIGHT - 0.7))
    last.set(xlabel=spec.x)
    high = top(spec, found)
    if high is not None:
        axes.set_ylim(0, high)
    canvas.legend(figure, canvas.labelled([axes]))
    return figure


def of_one_colour(found: Sequence[Trace]) -> bool:
    """Whether all lines are variants of one method, over the same points."""
    return len(found) > 1 and len({look.colour for look in of(found)}) == 1 and len({t.x for t in found}) == 1


def _differences(axes: Axes, found: Sequence[Trace]) -> None:
    first = found[0]
    for i, (t, look) in enumerate(zip(found, of(found), strict=True)):
        axes.plot(t.x, [a - b for a, b in zip(t.y, first.y, strict=True)], **look.drawn, lw=1.3, ms=5,
                  markevery=marks(len(t.x), i, len(found)))
    axes.set_ylabel(canvas.wrapped(f"minus {first.label}", 1.1))


def marks(points: int, place: int, lines: int) -> tuple[int, int]:
    """(first, every) of the points with a marker."""
    every = max(1, points // MARKS)
    return place * every // max(1, lines), every


def top(spec: FigureSpec, found: Sequence[Trace]) -> float | None:
    """Where the axis of a loss is cut, so that a run that diverges does not hide the others: at twice the largest first value.

    None where no line comes so high.
    """
    if spec.draws != "curves" or not spec.kind.endswith("_loss") or not found:
        return None
    high = 2 * max(t.y[0] for t in found)
    return high if max(max(t.y) for t in found) > high else None


def speed(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    figure = curves(spec, found)
    axes = figure.axes[0]
    axes.axhline(1.0, color=LEVEL, lw=1.0, ls=":")
    for ratio, words in spec.asked:
        axes.axhline(ratio, color=LEVEL, lw=1.0, ls="--")
        axes.annotate(words, (0, ratio), (3, 2), xycoords=("axes fraction", "data"), textcoords="offset points", color=LEVEL,
                      fontsize=canvas.SMALL)
    if spec.kind in FALLS:
        axes.invert_xaxis()
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}x")
    return figure


def bands(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """Means at every point with a band from the least to the greatest of the seeds."""
    figure, ((axes,),) = canvas.new(HEIGHT, legend=[named(t) for t in found])
    for t, look in zip(found, of(found), strict=True):
        if t.n > 1:
            axes.fill_between(t.x, t.low, t.high, color=look.colour, alpha=0.13, lw=0)
        axes.plot(t.x, t.y, **look.drawn, ms=4.5, lw=1.3, label=named(t))
    axes.set(xlabel=spec.x, ylabel=canvas.wrapped(spec.y, HEIGHT - 0.7))
    canvas.legend(figure, canvas.labelled([axes]))
    return figure


def scan(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """A measure against a number, with its interval; points of one number stand side by side."""
    points = [t for t in found if t.x]
    labels = list(dict.fromkeys(t.label for t in points))
    figure, ((axes,),) = canvas.new(HEIGHT, legend=[f"{label} (n = 9)" for label in dict.fromkeys(t.label for t in found)])
    places = sorted({float(t.x[0]) for t in points})
    step = 0.018 * (places[-1] - places[0] or 1.0)
    for i, label in enumerate(labels):
        own = sorted((t for t in points if t.label == label), key=lambda t: float(t.x[0]))
        y = [t.y[0] for t in own]
        aside = step * (i - (len(labels) - 1) / 2)
        bars = [[m - t.low[0] for m, t in zip(y, own, strict=True)], [t.high[0] - m for m, t in zip(y, own, strict=True)]]
        axes.errorbar([float(t.x[0]) + aside for t in own], y, yerr=bars, **of(found)[found.index(own[0])].drawn, ms=5.5,
                      capsize=2.5, lw=1.3, elinewidth=1.0, label=f"{label} (n = {min(t.n for t in own)})")
    for t, look in zip(found, of(found), strict=True):
        if not t.x:
            axes.axhspan(t.low[0], t.high[0], color=look.colour, alpha=0.08, lw=0)
            axes.axhline(t.y[0], color=look.colour, ls="--", lw=1.2, label=named(t))
    axes.set(xlabel=spec.x, ylabel=canvas.wrapped(spec.y, HEIGHT - 0.7), xticks=places)
    canvas.legend(figure, canvas.labelled([axes]))
    return figure


def norms(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """A panel a kind of norm; what stands at step 0 is dashed and hollow. The legend is the first panel's."""
    parts = list(dict.fromkeys(t.part for t in found))
    figure, (panels,) = canvas.new(3.3, across=len(parts), legend=[named(t) for t in found if t.part == parts[0]])
    for axes, part in zip(panels, parts, strict=True):
        for t, look in zip(found, of(found), strict=True):
            if t.part == part:
                _norm(axes, t, look)
        _by_layer(axes, spec.x, f"{part} (L2)")
    canvas.legend(figure, canvas.labelled(panels[:1]))
    return figure


def _norm(axes: Axes, t: Trace, look: Look) -> None:
    how = look.drawn | {"ls": LINES["--" if t.dashed else "-"], "mfc": "white" if t.dashed else look.colour}
    if t.n > 1:
        axes.fill_between(t.x, t.low, t.high, color=look.colour, alpha=0.13, lw=0)
    axes.plot(t.x, t.y, **how, lw=1.2, ms=5.5 if t.dashed else 4, label=named(t))


def _by_layer(axes: Axes, x: str, y: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set(xlabel=x, ylabel=y, yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", rotation=45)
