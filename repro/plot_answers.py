"""Drawings of lettered questions: reliability diagrams and matrices of shift."""
from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from repro import canvas
from repro.answer_traces import BINS, SHARES
from repro.canvas import SMALL
from repro.claims import FigureSpec
from repro.look import LEVEL
from repro.plot_lines import named, of
from repro.traces import Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """One column a prediction."""
    points, shares = [t for t in found if t.part != SHARES], [t for t in found if t.part == SHARES]
    return diagram([replace(t, label=named(t)) for t in points], shares, 0.95 / BINS)


def diagram(points: Sequence[Trace], heights: Sequence[Trace], width: float) -> Figure:
    """Accuracy against confidence above, where the answers lie below: a column a pair of traces, bars of this width."""
    figure, (above, below) = canvas.new(4.0, 2, len(points), width=max(3.6, min(canvas.WIDTH, 1.0 + 2.0 * len(points))),
                                        sharex=True, sharey="row", height_ratios=(3, 1))
    for i, (t, share, look) in enumerate(zip(points, heights, of(points), strict=True)):
        above[i].plot([0, 1], [0, 1], color=LEVEL, ls="--", lw=1)
        bars = [[y - lo for y, lo in zip(t.y, t.low, strict=True)], [hi - y for y, hi in zip(t.y, t.high, strict=True)]]
        above[i].errorbar(t.x, t.y, yerr=bars, **look.point, capsize=2.5, ms=4.5, elinewidth=1.0, label=t.label)
        above[i].set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), xticklabels=("0", "0.5", "1"))
        kept = t.label.replace("(n = ", "(n\u00a0=\u00a0")
        above[i].set_title(textwrap.fill(kept, 24 if len(points) > 2 else 44), fontsize=SMALL)
        below[i].bar(share.x, share.y, width=width, color=look.colour)
        below[i].set(xlabel="confidence")
    above[0].set(ylabel="share right")
    below[0].set(ylabel="answers" if max(max(h.y) for h in heights) > 1 else "answers\n(share)")
    figure.align_ylabels([above[0], below[0]])
    return figure


def matrix(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """A panel a group: rows trained on, columns tested on, the value with half its 90 % interval."""
    groups = list(dict.fromkeys(t.part for t in found))
    most = max(max(t.y) for t in found)
    figure, (panels,) = canvas.new(2.5, across=len(groups))
    for axes, group in zip(panels, groups, strict=True):
        rows = [t for t in found if t.part == group]
        axes.imshow([t.y for t in rows], cmap="Blues", vmin=0, vmax=most, aspect="auto")
        for i, t in enumerate(rows):
            for j, (y, low, high) in enumerate(zip(t.y, t.low, t.high, strict=True)):
                axes.text(j, i, f"{y:.1f}\n± {(high - low) / 2:.1f}", ha="center", va="center", fontsize=SMALL,
                          color="white" if y > 0.6 * most else "black")
        axes.set(xticks=range(len(rows[0].x)), xticklabels=rows[0].x, yticks=range(len(rows)),
                 yticklabels=[named(t) for t in rows], xlabel=spec.x, ylabel=spec.y if axes is panels[0] else "")
        axes.set_title(group, fontsize=9)
        axes.grid(visible=False)
    return figure
