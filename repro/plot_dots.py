"""Figures of points by name: differences from one arm with their intervals, and counted numbers beside the paper's."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from repro import canvas
from repro.canvas import LETTER, SMALL, WIDTH
from repro.claims import FigureSpec
from repro.look import LEVEL, PAPER, looks
from repro.plot_lines import named, of
from repro.traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from repro.memory.drawn import Peak

CONTROL, BASELINE = "control", "baseline"
"""The groups of lines that could explain a claim away, and of what a method is to be better than."""
FACES: Mapping[str, dict[str, Any]] = {"method": {}, BASELINE: {"fillstyle": "left", "markerfacecoloralt": "white"},
                                          CONTROL: {"mfc": "white"}}
"""How the groups are told apart."""
LEAST = "least possible"
"""What no implementation of a recipe can do without."""


def dots(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """A row a trace; what all are compared with is a line."""
    assert spec.level is not None
    names = [named(t) for t in found]
    figure, ((axes,),) = canvas.new(0.9 + 0.27 * len(found), legend=[spec.level.label])
    for i, (t, look) in enumerate(zip(found, of(found), strict=True)):
        axes.errorbar(t.y[0], i, xerr=[[t.y[0] - t.low[0]], [t.high[0] - t.y[0]]], **(look.point | FACES.get(t.part, {})), ms=6,
                      capsize=5.5, capthick=1.2, elinewidth=1.2, label=names[i])
    axes.axvline(0.0, color=LEVEL, lw=1.2, ls="--", label=spec.level.label)
    _rows(axes, names, spec.x, WIDTH - LETTER * 1.15 * max(map(len, names)) - 0.4)
    told = {spec.level.label: canvas.labelled([axes])[spec.level.label]}
    groups = {t.part if t.part in FACES else "method" for t in found}
    if len(groups) > 1:
        told |= {group: canvas.sample(LEVEL, **how) for group, how in FACES.items() if group in groups}
    canvas.legend(figure, told)
    return figure


def _rows(axes: Axes, names: Sequence[str], x: str, inches: float) -> None:
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel=canvas.wrapped(x, inches), ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)


def peaks(spec: FigureSpec, found: Sequence[Peak]) -> Figure:
    """A panel a model, a row a way; the least possible as a bar, the paper's number as a hollow diamond."""
    panels = list(dict.fromkeys(p.panel for p in found))
    most = max(sum(p.panel == panel for p in found) for panel in panels)
    across = min(2, len(panels))
    rows = -(-len(panels) // across)
    beside = {LEAST: [p.bound for p in found], "paper": [p.paper for p in found]}
    kinds = ["simulated", *(kind for kind, values in beside.items() if any(v is not None for v in values))]
    figure, grid = canvas.new(0.3 + rows * (0.75 + 0.24 * most), rows, across, legend=kinds)
    every = [axes for row in grid for axes in row]
    by = looks(p.method for p in found)
    for i, (axes, panel) in enumerate(zip(every, panels, strict=False)):
        own = [p for p in found if p.panel == panel]
        names = [p.label for p in own]
        _panel(axes, own, by)
        _rows(axes, names, spec.x, 3.0 if across > 1 else 5.0)
        axes.set_title(panel, fontsize=SMALL)
        axes.set_xlim(0, 1.06 * max(v for p in own for v in (p.value, p.bound, p.paper) if v is not None))
        if i % across and names == [p.label for p in found if p.panel == panels[i - 1]]:
            axes.set_yticklabels([])  # those of the panel to the left
    for axes in every[len(panels):]:
        axes.set_visible(False)
    told = canvas.labelled(every)
    canvas.legend(figure, {"simulated": canvas.sample(LEVEL)} | {kind: told[kind] for kind in kinds[1:]})
    return figure


def _panel(axes: Axes, own: Sequence[Peak], by: Any) -> None:
    for i, p in enumerate(own):
        axes.plot(p.value, i, **by[p.method].point, ms=6, clip_on=False, label=p.method)
    bounds = [(p.bound, i) for i, p in enumerate(own) if p.bound is not None]
    if bounds:
        axes.plot(*zip(*bounds, strict=True), color="black", marker="|", ls="none", ms=11, mew=1.6, label=LEAST)
    printed = [(p.paper, i) for i, p in enumerate(own) if p.paper is not None]
    if printed:
        axes.plot(*zip(*printed, strict=True), **PAPER)
