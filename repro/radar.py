"""The category radar of MT-Bench as a figure: a line a model, its 90 % interval as a band, n beside the name."""
from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from methods import atomic
from methods.parts import Refused
from repro.plot import COLOURS, MARKERS, STYLE

LINES = ("-", "--", "-.", ":")
TOP, LEAST = 10, 3
"""The highest score; the fewest categories that span an area."""
ENDS: tuple[tuple[str, dict[str, None]], ...] = (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None}))


def categories(table: pd.DataFrame) -> list[str]:
    """The parts of a table of scores that are categories, in its order."""
    return [part for part in dict.fromkeys(table["part"]) if part != "overall" and not part.startswith("turn ")]


def draw(table: pd.DataFrame, title: str, folder: Path, name: str = "radar") -> list[Path]:
    """Writes name.png and name.svg of the rows of `suites.mt_bench.scores.table`; returns the files.

    Raises Refused for fewer than three categories (no area to draw) and for more models than colours to tell apart.
    """
    axes = categories(table)
    lines = list(dict.fromkeys(zip(table["judge"], table["model"], strict=True)))
    if len(axes) < LEAST:
        raise Refused(f"cannot draw a radar; because there are {len(axes)} categories; use scores by three or more")
    if len(lines) > len(COLOURS):
        raise Refused(f"cannot draw a radar of {len(lines)} models; because {len(COLOURS)} colours can be told apart; use fewer")
    return _written(table, lines, axes, title, folder / name)


def _written(table: pd.DataFrame, lines: list[tuple[str, str]], axes: list[str], title: str, stem: Path) -> list[Path]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    files = []
    with plt.rc_context(STYLE):
        figure, plot = plt.subplots(figsize=(7.4, 4.6), layout="constrained", subplot_kw={"projection": "polar"})
        _axes(plot, axes)
        for i, (judge, model) in enumerate(lines):
            own = table[(table["judge"] == judge) & (table["model"] == model)].set_index("part")
            _line(plot, own, axes, i, model if table["judge"].nunique() == 1 else f"{model} by {judge}")
        figure.legend(loc="outside right center", fontsize=8)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        for end, blank in ENDS:
            made = io.BytesIO()
            figure.savefig(made, format=end, metadata=blank)
            files.append(stem.with_name(f"{stem.name}.{end}"))
            atomic.write_bytes(files[-1], made.getvalue())
        plt.close(figure)
    return files


def _axes(plot: Any, names: list[str]) -> None:
    plot.set_theta_offset(np.pi / 2)
    plot.set_theta_direction(-1)
    plot.set_ylim(0, TOP)
    plot.set_yticks(range(2, TOP + 1, 2))
    plot.set_xticks(_angles(len(names)))
    plot.set_xticklabels(names)
    plot.tick_params(axis="x", pad=14)
    plot.tick_params(axis="y", labelsize=7)
    plot.set_rlabel_position(180 / len(names))


def _line(plot: Any, rows: pd.DataFrame, names: list[str], i: int, model: str) -> None:
    own = rows.reindex(names)
    angles = np.append(_angles(len(names)), 2 * np.pi)
    closed = {c: np.append(own[c], own[c].iloc[0]).astype(np.float64) for c in ("mean", "low", "high")}
    n, questions = int(own["n"].fillna(0).sum()), int(own["questions"].fillna(0).sum())
    plot.plot(angles, closed["mean"], color=COLOURS[i], ls=LINES[i % len(LINES)], marker=MARKERS[i], ms=4, lw=1.4,
              label=f"{model}\n(n = {n} scores, {questions} questions)")
    plot.fill_between(angles, closed["low"], closed["high"], color=COLOURS[i], alpha=0.12, lw=0)


def _angles(count: int) -> Any:
    return np.linspace(0, 2 * np.pi, count, endpoint=False)
