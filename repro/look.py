"""How every figure looks, and how it is written: colours that colour-blind readers can tell apart, the same bytes each time."""
from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#000000", "#E69F00", "#009E73", "#0072B2", "#CC79A7", "#D55E00", "#56B4E9", "#8C6D1F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
LINES = ("-", "--", "-.", ":")
STYLE: Any = {
    "svg.hashsalt": "repro", "font.size": 9.0, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.alpha": 0.25, "legend.frameon": False, "figure.dpi": 144.0, "svg.fonttype": "path",
}
BLANK: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""What would differ from one writing to the next."""


def files_of(folder: Path, name: str) -> tuple[Path, ...]:
    """Where a figure's files lie, one a format."""
    return tuple(folder / f"{name}.{end}" for end in BLANK)


def write(title: str, make: Callable[[], Figure], files: Sequence[Path]) -> None:
    """The figure that `make` draws into every file, by its ending; each whole or not at all."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        figure = make()
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        for file in files:
            made, end = io.BytesIO(), file.suffix[1:]
            figure.savefig(made, format=end, metadata=BLANK[end])
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(file, made.getvalue())
        plt.close(figure)
