"""The category radar of MT-Bench as a figure: a line a model, its 90 % interval as a band, n beside the name."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from methods.parts import Refused
from repro import canvas
from repro.plot_lines import of
from repro.traces import Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP, LEAST, MOST = 10, 3, 8
"""The highest score; the fewest categories that span an area; the most models that are told apart in one."""


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
    if len(lines) > MOST:
        raise Refused(f"cannot draw a radar of {len(lines)} models; because {MOST} can be told apart; use fewer")
    many = table["judge"].nunique() > 1
    found = [_line(table, judge, model, axes, f"{model} by {judge}" if many else model) for judge, model in lines]
    files = canvas.files_of(folder, name)
    canvas.write(title, lambda: figure(found, axes), files)
    return list(files)


def figure(found: Sequence[Trace], names: Sequence[str]) -> Figure:
    """A closed line a trace, whose y, low and high are the categories' in order; its label has n in it."""
    made, ((plot,),) = canvas.new(4.4, legend=[t.label for t in found], subplot_kw={"projection": "polar"})
    _axes(plot, names)
    angles = np.append(_angles(len(names)), 2 * np.pi)
    for t, look in zip(found, of(found), strict=True):
        mean, low, high = (np.append(part, part[:1]) for part in (t.y, t.low, t.high))
        plot.fill_between(angles, low, high, color=look.colour, alpha=0.10, lw=0)
        plot.plot(angles, mean, **look.drawn, ms=5, lw=1.4, label=t.label)
    canvas.legend(made, canvas.labelled([plot]))
    return made


def _line(table: pd.DataFrame, judge: str, model: str, names: Sequence[str], label: str) -> Trace:
    own = table[(table["judge"] == judge) & (table["model"] == model)].set_index("part").reindex(list(names))
    n, questions = int(own["n"].fillna(0).sum()), int(own["questions"].fillna(0).sum())
    mean, low, high = (tuple(own[c].astype(np.float64)) for c in ("mean", "low", "high"))
    return Trace(f"{label}\n(n = {n} scores, {questions} questions)", tuple(names), mean, low, high, n, method=label)


def _axes(plot: Any, names: Sequence[str]) -> None:
    plot.set_theta_offset(np.pi / 2)
    plot.set_theta_direction(-1)
    plot.set_ylim(0, TOP)
    plot.set_yticks(range(2, TOP + 1, 2))
    plot.set_xticks(_angles(len(names)))
    plot.set_xticklabels(names)
    plot.tick_params(axis="x", pad=14)
    plot.tick_params(axis="y", labelsize=7)
    plot.set_rlabel_position(180 / len(names))


def _angles(count: int) -> Any:
    return np.linspace(0, 2 * np.pi, count, endpoint=False)
