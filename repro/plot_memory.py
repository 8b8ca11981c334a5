"""Figures of memory: peaks over the steps of a run, and what a peak is for, as stacked bars with the paper's number beside."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.look import COLOURS, LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from repro.claims import FigureSpec
    from repro.memory.drawn import Growth, Stack

KINDS = ("weights", "gradients", "optimizer state", "activations", "selection", "temporaries")
CARD = 24.0
"""GiB of the card that the paper draws a line at."""


def growth(spec: FigureSpec, lines: Sequence[Growth]) -> Figure:
    """A line for each way; ways of the same peaks lie over each other and share one."""
    figure, axes = _axes(7.0)
    shown: dict[tuple[float, ...], list[str]] = {}
    for line in lines:
        shown.setdefault(line.gib, []).append(line.label)
    for i, (gib, labels) in enumerate(shown.items()):
        axes.plot(range(1, len(gib) + 1), gib, color=COLOURS[i + 1], ls=LINES[i % len(LINES)], lw=1.6, label="; ".join(labels))
    axes.axhline(CARD, color="black", lw=0.8, ls=":", label=f"{CARD:g} GiB")
    axes.set(xlabel=spec.x, ylabel=spec.y)
    axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def stacks(spec: FigureSpec, bars: Sequence[Stack]) -> Figure:
    """A bar for each way, the paper's number as a diamond, the bound as a line across the bar."""
    figure, axes = _axes(7.0)
    names = [bar.label for bar in bars]
    left = [0.0] * len(bars)
    for i, kind in enumerate(KINDS):
        wide = [dict(bar.parts).get(kind, 0.0) for bar in bars]
        if any(wide):
            axes.barh(names, wide, left=left, color=COLOURS[(i + 1) % len(COLOURS)], label=kind, height=0.6)
            left = [a + b for a, b in zip(left, wide, strict=True)]
    axes.vlines([bar.bound for bar in bars], [i - 0.38 for i in range(len(bars))], [i + 0.38 for i in range(len(bars))],
                color="black", lw=1.6, label="bound")
    printed = [(bar.paper, i) for i, bar in enumerate(bars) if bar.paper is not None]
    if printed:
        axes.scatter([p for p, _ in printed], [i for _, i in printed], marker="D", s=34, facecolor="white", edgecolor="black",
                     zorder=3, label="paper")
    axes.axvline(CARD, color="black", lw=0.8, ls=":", label=f"{CARD:g} GiB")
    axes.set(xlabel=spec.x)
    axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return figure


def _axes(width: float) -> tuple[Figure, Axes]:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, 3.4), layout="constrained")
