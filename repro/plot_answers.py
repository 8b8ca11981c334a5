"""Drawings of lettered questions: reliability diagrams, confidence in wrong answers, risk against coverage, shift matrices."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from repro.answer_traces import BINS, SHARES
from repro.claims import FigureSpec
from repro.look import COLOURS, MARKERS
from repro.traces import Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST = 3
"""Of the colours: black and orange stay for levels and the base model."""


def reliability(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """One column a prediction."""
    points, shares = [t for t in found if t.part != SHARES], [t for t in found if t.part == SHARES]
    named = [replace(t, label=f"{t.label} (n = {t.n})") for t in points]
    return diagram(named, shares, 0.95 / BINS)


def diagram(points: Sequence[Trace], heights: Sequence[Trace], width: float) -> Figure:
    """Accuracy against confidence above, where the answers lie below: a column a pair of traces, bars of this width."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(points), figsize=(0.6 + 2.3 * max(2, len(points)), 4.4), sharex=True, sharey="row",
                                height_ratios=(3, 1), layout="constrained", squeeze=False)
    for i, (t, share) in enumerate(zip(points, heights, strict=True)):
        above, below = axes[0][i], axes[1][i]
        above.plot([0, 1], [0, 1], color="#777777", ls="--", lw=1)
        bars = [[y - lo for y, lo in zip(t.y, t.low, strict=True)], [hi - y for y, hi in zip(t.y, t.high, strict=True)]]
        above.errorbar(t.x, t.y, yerr=bars, color=COLOURS[FIRST + i], marker=MARKERS[i], ls="none", capsize=3, ms=4)
        above.set(xlim=(0, 1), ylim=(0, 1))
        above.set_title(t.label, fontsize=8)
        below.bar(share.x, share.y, width=width, color=COLOURS[FIRST + i])
        below.set(xlabel="confidence")
    axes[0][0].set(ylabel="share right")
    axes[1][0].set(ylabel="answers")
    return figure


def lines(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """Means with a band from the least to the greatest of the seeds."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 3.4), layout="constrained")
    for i, t in enumerate(found):
        axes.plot(t.x, t.y, color=COLOURS[FIRST + i], marker=MARKERS[i], ms=4, lw=1.4,
                  label=f"{t.label} (n = {t.n})" if t.n else f"{t.label} (no seed)")
        if t.n > 1:
            axes.fill_between(t.x, t.low, t.high, color=COLOURS[FIRST + i], alpha=0.15, lw=0)
    axes.set(xlabel=spec.x, ylabel=spec.y)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return figure


def matrix(spec: FigureSpec, found: Sequence[Trace]) -> Figure:
    """A panel a group: rows trained on, columns tested on, the value with half its 90 % interval."""
    import matplotlib.pyplot as plt

    groups = list(dict.fromkeys(t.part for t in found))
    most = max(max(t.y) for t in found)
    figure, panels = plt.subplots(1, len(groups), figsize=(1.2 + 3.4 * len(groups), 2.6), layout="constrained", squeeze=False)
    for axes, group in zip(panels[0], groups, strict=True):
        rows = [t for t in found if t.part == group]
        axes.imshow([t.y for t in rows], cmap="Blues", vmin=0, vmax=most, aspect="auto")
        for i, t in enumerate(rows):
            for j, (y, low, high) in enumerate(zip(t.y, t.low, t.high, strict=True)):
                axes.text(j, i, f"{y:.1f}\n± {(high - low) / 2:.1f}", ha="center", va="center", fontsize=8,
                          color="white" if y > 0.6 * most else "black")
        axes.set(xticks=range(len(rows[0].x)), xticklabels=rows[0].x, yticks=range(len(rows)),
                 yticklabels=[t.label for t in rows], xlabel=spec.x, ylabel=spec.y)
        axes.set_title(group, fontsize=9)
        axes.grid(visible=False)
    return figure
