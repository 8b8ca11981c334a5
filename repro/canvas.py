"""Figures without pyplot: made, given a legend below the data, laid out once, and written as the same bytes each time."""
from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods import atomic
from repro.look import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2
"""Inches; at a README's 800 pixels text of 8 points is 12 pixels high."""
SMALL = 8
"""Points of legends and of titles within a figure."""
LETTER, HANDLE, ROW = 0.058, 0.64, 0.185
"""Inches: a letter of SMALL text, what stands before a legend's text, and a row of a legend."""
BLANK: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""What would differ from one writing to the next."""


def files_of(folder: Path, name: str) -> tuple[Path, ...]:
    """Where a figure's files lie, one a format."""
    return tuple(folder / f"{name}.{end}" for end in BLANK)


def new(height: float, rows: int = 1, across: int = 1, legend: Sequence[str] = (), width: float = WIDTH,
        **how: Any) -> tuple[Figure, list[list[Axes]]]:
    """A figure and its axes, row by row; `height` is without the legend, for whose labels there is room below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = max((label.count("\n") + 1 for label in legend), default=0)
    room = ROW * lines * -(-len(legend) // columns(width, legend)) + 0.15 if legend else 0.0
    figure = Figure(figsize=(width, height + room), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [list(row) for row in figure.subplots(rows, across, squeeze=False, **how)]


def columns(width: float, labels: Sequence[str]) -> int:
    """Columns of a legend of these labels: as many as stand beside each other, or fewer that give no more rows."""
    longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
    fit = max(1, min(len(labels), int((width - 0.2) / (LETTER * longest + HANDLE))))
    rows = -(-len(labels) // fit)
    return max(1, -(-len(labels) // max(1, rows)))


def legend(figure: Figure, found: dict[str, Any]) -> None:
    """Label -> its handle, below the data."""
    figure.legend(list(found.values()), list(found), loc="outside lower center", fontsize=SMALL,
                  ncols=columns(figure.get_figwidth(), list(found)), handlelength=3.0)


def labelled(axes: Sequence[Axes]) -> dict[str, Any]:
    """What is drawn with a label, each label once, in the order of drawing."""
    found: dict[str, Any] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def wrapped(text: str, inches: float) -> str:
    """Text of 9 points in lines of no more than this width."""
    return textwrap.fill(text, max(10, int(inches / (1.03 * LETTER))))


def sample(colour: str, **how: Any) -> Any:
    """What stands in a legend for something drawn in several ways; as a point unless `how` says otherwise."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **{"color": colour, "marker": "o", "ls": "none", "ms": 7, **how})


def write(title: str, make: Callable[[], Figure], files: Sequence[Path]) -> None:
    """The figure that `make` draws into every file, by its ending; each whole or not at all. It is laid out once for all."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = finished(title, make)
        for file in files:
            made, end = io.BytesIO(), file.suffix[1:]
            figure.savefig(made, format=end, metadata=BLANK[end])
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(file, made.getvalue())


def finished(title: str, make: Callable[[], Figure]) -> Figure:
    """The figure under its title, with every part in its place."""
    figure = make()
    figure.suptitle(textwrap.fill(title, int(figure.get_figwidth() / 0.078)), x=0.01, ha="left", fontsize=10)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)  # else each file would be laid out anew, after a drawing that nobody sees
    return figure
