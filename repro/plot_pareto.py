"""Quality against cost: a panel for each board of a group, the Pareto front through its points, intervals on both axes."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from methods import atomic
from repro import canvas, look
from repro.canvas import SMALL
from repro.leaderboard.boards import COSTS, Board, Standing
from repro.look import LEVEL, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Cost = Literal["memory", "time"]
AXES: Mapping[Cost, tuple[str, float]] = {"memory": ("optimizer state (MiB)", 2.0**-20), "time": ("training time (s)", 1.0)}
"""Cost -> the words of its axis and its factor."""
PER_ROW = 2
WIDE = 20.0
"""Costs that differ by more than this factor are drawn on a logarithmic axis."""
NEAR = 0.025
"""Points that lie within this share of the axis of the next are drawn side by side, dearer ones to the right."""
FILES = (__file__, canvas.__file__, look.__file__)
HOW = hashlib.blake2b(b"".join(Path(str(f)).read_bytes() for f in FILES), digest_size=10).hexdigest()


@dataclass(frozen=True)
class Point:
    """A method's place; `cost` (least, mean, greatest) and `mean` with its interval are in the units of the axes."""

    label: str
    cost: tuple[float, float, float]
    mean: float
    low: float
    high: float
    front: bool


@dataclass(frozen=True)
class Panel:
    """A board; `before`: the mean of the base model before training."""

    title: str
    y: str
    points: tuple[Point, ...]
    before: float | None


def write(boards: Sequence[Board], cost: Cost, style: Mapping[str, Look], name: str, folder: Path) -> tuple[Path, ...]:
    """The PNG and SVG of a group's boards, unless they show this already; none where no board has two methods of known cost."""
    panels = [p for p in (panel(b, cost) for b in boards) if len(p.points) > 1]
    if not panels:
        return ()
    files, mark = canvas.files_of(folder, name), folder / f".{name}.digest"
    looks = [(label, style[label]) for label in dict.fromkeys(p.label for of in panels for p in of.points)]
    digest = hashlib.blake2b(repr((panels, looks, cost, HOW)).encode(), digest_size=10).hexdigest()
    if not (all(f.exists() for f in files) and mark.exists() and mark.read_text() == digest):
        group = boards[0].contest
        title = f"Quality against {cost}: {group.base}, trained on {' then '.join(group.data)}"
        canvas.write(title, lambda: figure(panels, cost, style), files)
        atomic.write_text(mark, digest)
    return files


def styles(boards: Sequence[Board]) -> dict[str, Look]:
    """Method -> how it is drawn on all boards."""
    method = {s.entrant.label: s.entrant.names[0].partition("/")[2] for b in boards for s in b.ranked}
    by = look.looks(method.values())
    return {label: by[name] for label, name in method.items()}


def panel(board: Board, cost: Cost) -> Panel:
    c = board.contest
    points = tuple(p for s in board.ranked if (p := _point(s, cost)) is not None)
    better = "more" if c.measure.higher else "less"
    before = board.before.estimate.mean if board.before and board.before.estimate else None
    seeds = sorted({s.estimate.seeds for s in board.ranked if s.estimate is not None})
    n = f"n = {' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds" if seeds else ""
    what, _, how = board.title.partition(", ")
    return Panel("\n".join((what, ", ".join(part for part in (how, n) if part))), f"{c.measure.unit}, {better} is better", points,
                 before)


def _point(s: Standing, cost: Cost) -> Point | None:
    at = COSTS[cost](s.cost)
    if at is None or s.estimate is None:
        return None
    time, factor = s.cost.train_s, AXES[cost][1]
    ends = (time.least, at, time.greatest) if cost == "time" and time else (at, at, at)
    e = s.estimate
    return Point(s.entrant.label, (factor * ends[0], factor * ends[1], factor * ends[2]), e.mean, e.low, e.high, cost in s.fronts)


def figure(panels: Sequence[Panel], cost: Cost, style: Mapping[str, Look]) -> Figure:
    rows, across = -(-len(panels) // PER_ROW), min(PER_ROW, len(panels))
    labels = [p.label for of in panels for p in of.points]
    labels = sorted(dict.fromkeys(labels), key=lambda label: (style[label].control, label))
    made, grid = canvas.new(2.75 * rows + 0.4, rows, across, legend=[*labels, FRONT, BEFORE])
    every = [axes for row in grid for axes in row]
    for axes, of in zip(every, panels, strict=False):
        _draw(axes, of, cost, style)
    for axes in every[len(panels):]:
        axes.set_visible(False)
    found = canvas.labelled(every)
    told = {label: canvas.sample(**_sampled(style[label])) for label in labels}
    canvas.legend(made, told | {label: found[label] for label in (FRONT, BEFORE) if label in found})
    return made


def _sampled(look: Look) -> dict[str, Any]:
    return {"colour": look.colour, **{k: v for k, v in look.point.items() if k != "color"}, "ms": 6}


FRONT, BEFORE = "Pareto front (large points)", "before training"


def _draw(axes: Axes, of: Panel, cost: Cost, style: Mapping[str, Look]) -> None:
    from matplotlib.transforms import ScaledTranslation

    _limit(axes, of.points)
    for p, aside in zip(of.points, beside(_places(axes, [p.cost[1] for p in of.points])), strict=True):
        moved = axes.transData + ScaledTranslation(aside * 5.5 / 72, 0, axes.figure.dpi_scale_trans)
        wide = p.cost[2] > p.cost[0]
        axes.errorbar(p.cost[1], p.mean, xerr=[[p.cost[1] - p.cost[0]], [p.cost[2] - p.cost[1]]] if wide else None,
                      yerr=[[p.mean - p.low], [p.high - p.mean]], **style[p.label].point, elinewidth=1.0,
                      ms=8.5 if p.front else 5, transform=moved, label=p.label)
    front = sorted((p.cost[1], p.mean) for p in of.points if p.front)
    axes.plot(*zip(*front, strict=True), drawstyle="steps-post", color=LEVEL, lw=1.0, zorder=1, label=FRONT)
    if of.before is not None:
        axes.axhline(of.before, color=LEVEL, lw=1.0, ls=":", label=BEFORE)
    _limit(axes, of.points)
    axes.set(xlabel=AXES[cost][0], ylabel=of.y)
    axes.set_title(of.title, fontsize=SMALL)


def _limit(axes: Axes, points: Sequence[Point]) -> None:
    """Axes that hold all points. That of the cost is logarithmic where costs differ widely, linear about 0 where some are 0."""
    least, greatest = min(p.cost[0] for p in points), max(p.cost[2] for p in points)
    above = [p.cost[0] for p in points if p.cost[0] > 0]
    low, high = min(p.low for p in points), max(p.high for p in points)
    axes.set_ylim(low - 0.08 * (high - low or 1.0), high + 0.08 * (high - low or 1.0))
    if not above or greatest <= WIDE * min(above):
        span = max(greatest - least, 0.2 * greatest) or 1.0
        room = (0.12 + 0.025 * len(points)) * span + (span - greatest + least) / 2
        axes.set_xlim(least - room, greatest + room)
    elif len(above) == len(points):
        axes.set(xscale="log", xlim=(least / 2, greatest * 2))
    else:
        axes.set_xscale("symlog", linthresh=min(above))
        axes.set_xlim(-0.6 * min(above), greatest * 2)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")


def _places(axes: Axes, costs: Sequence[float]) -> list[float]:
    """Where costs lie along the axis, from 0 to 1."""
    along = axes.transScale + axes.transLimits
    return [float(along.transform((cost, axes.get_ylim()[0]))[0]) for cost in costs]


def beside(places: Sequence[float]) -> list[float]:
    """By how many steps each point is moved aside, so that those of nearly one cost do not lie over each other."""
    moved = [0.0] * len(places)
    order = sorted(range(len(places)), key=lambda i: (places[i], i))
    while order:
        near = order[:1]
        while len(near) < len(order) and places[order[len(near)]] <= places[near[-1]] + NEAR:
            near.append(order[len(near)])
        for step, i in enumerate(near):
            moved[i] = step - (len(near) - 1) / 2
        order = order[len(near):]
    return moved
