"""Figures of memory: peaks over the steps of a run, and what a peak is for, as stacked bars with the paper's number beside."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro import canvas
from repro.look import LEVEL, PAPER, PARTS, looks
from repro.plot_dots import LEAST
from repro.plot_lines import marks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from repro.claims import FigureSpec
    from repro.memory.drawn import Growth, Stack

CARD = 24.0
"""GiB of the card that the paper draws a line at."""


def growth(spec: FigureSpec, lines: Sequence[Growth]) -> Figure:
    """A line for each way; ways of the same peaks lie over each other and share one."""
    shown: dict[tuple[float, ...], list[Growth]] = {}
    for line in lines:
        shown.setdefault(line.gib, []).append(line)
    names = ["; ".join(g.label for g in own) for own in shown.values()]
    by = looks(line.method for line in lines)
    figure, ((axes,),) = canvas.new(3.1, legend=[*names, _card()])
    for i, (gib, own) in enumerate(shown.items()):
        axes.plot(range(1, len(gib) + 1), gib, **by[own[0].method].drawn, lw=1.4, ms=5.5, label=names[i],
                  markevery=marks(len(gib), i, len(shown)))
    axes.axhline(CARD, color=LEVEL, lw=1.0, ls=":", label=_card())
    axes.set(xlabel=spec.x, ylabel=spec.y)
    axes.set_ylim(bottom=0)
    canvas.legend(figure, canvas.labelled([axes]))
    return figure


def _card() -> str:
    return f"{CARD:g} GiB"


def stacks(spec: FigureSpec, bars: Sequence[Stack]) -> Figure:
    """A bar for each way, the paper's number as a diamond, the least possible as a line across the bar."""
    names = [bar.label for bar in bars]
    figure, ((axes,),) = canvas.new(0.8 + 0.3 * len(bars), legend=[*PARTS, LEAST, "paper", _card()])
    left = [0.0] * len(bars)
    for kind, colour in PARTS.items():
        wide = [dict(bar.parts).get(kind, 0.0) for bar in bars]
        if any(wide):
            axes.barh(names, wide, left=left, color=colour, edgecolor="#555555", lw=0.5, label=kind, height=0.62)
            left = [a + b for a, b in zip(left, wide, strict=True)]
    axes.vlines([bar.bound for bar in bars], [i - 0.4 for i in range(len(bars))], [i + 0.4 for i in range(len(bars))],
                color="black", lw=1.8, label=LEAST)
    printed = [(bar.paper, i) for i, bar in enumerate(bars) if bar.paper is not None]
    if printed:
        axes.plot(*zip(*printed, strict=True), **{**PAPER, "mfc": "white"})
    axes.axvline(CARD, color=LEVEL, lw=1.0, ls=":", label=_card())
    axes.set(xlabel=spec.x)
    axes.set_axisbelow(True)
    axes.grid(axis="y", visible=False)
    axes.invert_yaxis()
    canvas.legend(figure, canvas.labelled([axes]))
    return figure
