"""The illustration: level lines of a toy function of two weights, and each rule's places joined in order."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from repro import canvas
from repro.canvas import SMALL
from repro.claims import FigureSpec
from repro.landscape import MINIMUM, START, Panel, height
from repro.look import looks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (0.1, 0.5, 1, 2, 4, 6, 8, 12, 16, 24, 40, 80)


def landscape(spec: FigureSpec, panels: Sequence[Panel]) -> Figure:
    """A panel a kind of gradient, each with a legend of its own: rates and ends differ."""
    figure, (every,) = canvas.new(5.6, across=len(panels))
    x, y = np.meshgrid(np.linspace(-1.2, 2.0, 161), np.linspace(-0.8, 6.0, 137))
    by = looks(path.label for panel in panels for path in panel.paths)
    for axes, panel in zip(every, panels, strict=True):
        axes.contour(x, y, height(x, y), levels=LEVELS, colors="#999999", linewidths=0.5)
        for path in panel.paths:
            axes.plot(*zip(*path.places, strict=True), **by[path.label].drawn, ms=3.5, mew=0.8, lw=0.9,
                      label=f"{path.label} (rate {path.rate:g}, end {path.end:.2g})")
        axes.plot(*START, "H", color="black", ms=12, mfc="none", ls="none", zorder=4, label="start")
        axes.plot(*MINIMUM, "+", color="black", ms=13, mew=2, ls="none", zorder=4, label="minimum")
        axes.set(xlabel=spec.x, ylabel=spec.y, xlim=(-1.2, 2.0), ylim=(-0.8, 6.0))
        axes.set_title(panel.title, fontsize=SMALL)
        axes.grid(visible=False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=SMALL, handlelength=3.0)
    return figure
