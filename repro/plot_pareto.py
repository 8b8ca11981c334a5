"""Quality against cost: a panel for each board of a group, the Pareto front through its points, intervals on both axes.

A point stands at its cost. Where several would hide each other, some markers stand to the right of it, each joined to a tick at
its cost by a thin line.
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from methods import atomic
from repro import canvas, look, proportion
from repro.canvas import SMALL
from repro.claims import Measure
from repro.leaderboard.boards import Board, Standing
from repro.leaderboard.fronts import COSTS
from repro.look import LEVEL, Look
from repro.table import DIGITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Cost = Literal["optimizer state", "time"]
AXES: Mapping[Cost, tuple[str, float]] = {"optimizer state": ("optimizer state (MiB)", 2.0**-20),
                                          "time": ("training time (s)", 1.0)}
"""Cost -> the words of its axis and its factor."""
PER_ROW = 2
WIDE = 20.0
"""Costs that differ by more than this factor are drawn on a logarithmic axis."""
STEP, HIGH, BESIDE = 6.5, 135.0, 0.75
"""From a marker to the next one aside, and about the height of a panel (1/72 inch); what stands beside a panel (inches)."""
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
    """A board; `before`: the base model before training, at no cost."""

    title: str
    y: str
    points: tuple[Point, ...]
    before: Point | None

    @property
    def shown(self) -> tuple[Point, ...]:
        """The methods, and the base model where it would not squeeze them together."""
        low, high = min(p.low for p in self.points), max(p.high for p in self.points)
        near = self.before is not None and low - (high - low) / 2 <= self.before.mean <= high + (high - low) / 2
        return (*self.points, *([self.before] if self.before is not None and near else []))


def write(boards: Sequence[Board], cost: Cost, style: Mapping[str, Look], name: str, folder: Path) -> tuple[Path, ...]:
    """The PNG and SVG of a group's boards, unless they show this already; none where no board has two methods of known cost."""
    panels = [p for p in (panel(b, cost) for b in boards) if len(p.points) > 1]
    if not panels:
        return ()
    files, mark = canvas.files_of(folder, name), folder / f".{name}.digest"
    looks = [(label, style[label]) for label in dict.fromkeys(p.label for of in panels for p in of.points)]
    digest = hashlib.blake2b(repr((panels, looks, cost, HOW)).encode(), digest_size=10).hexdigest()
    if not (all(f.exists() for f in files) and mark.exists() and mark.read_text() == digest):
        canvas.write(f"Quality against {cost}: {boards[0].setting}", lambda: figure(panels, cost, style), files)
        atomic.write_text(mark, digest)
    return files


def styles(boards: Sequence[Board]) -> dict[str, Look]:
    """Method -> how it is drawn on all boards."""
    method = {s.entrant.label: s.entrant.names[0].partition("/")[2] for b in boards for s in b.ranked}
    by = look.looks(method.values())
    return {label: by[name] for label, name in method.items()}


def panel(board: Board, cost: Cost) -> Panel:
    measure = board.contest.measure
    points = tuple(p for s in board.ranked if (p := _point(s, cost, measure)) is not None)
    before = _point(replace(board.before, entrant=replace(board.before.entrant, label=BEFORE)), cost, measure) \
        if board.before else None
    seeds = sorted({s.estimate.seeds for s in board.ranked if s.estimate is not None})
    n = f"n = {' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds" if seeds else ""
    what, _, how = board.title.partition(", ")
    made = Panel("", f"{measure.unit}, {'more' if measure.higher else 'less'} is better", points, before)
    off = f"{BEFORE} {before.mean:.{DIGITS.get(measure.unit, 3)}f}" if before and points and before not in made.shown else ""
    return replace(made, title="\n".join((what, ", ".join(part for part in (how, n, off) if part))))


def _point(s: Standing, cost: Cost, measure: Measure) -> Point | None:
    at = COSTS[cost](s.cost)
    if at is None or s.estimate is None:
        return None
    time, factor = s.cost.train_s, AXES[cost][1]
    ends = (time.least, at, time.greatest) if cost == "time" and time else (at, at, at)
    low, high = proportion.interval(s.estimate, measure)
    return Point(s.entrant.label, (factor * ends[0], factor * ends[1], factor * ends[2]), s.estimate.mean, low, high,
                 cost in s.fronts)


def figure(panels: Sequence[Panel], cost: Cost, style: Mapping[str, Look]) -> Figure:
    rows, across = -(-len(panels) // PER_ROW), min(PER_ROW, len(panels))
    labels = [p.label for of in panels for p in of.points]
    labels = sorted(dict.fromkeys(labels), key=lambda label: (style[label].control, label))
    made, grid = canvas.new(2.75 * rows + 0.4, rows, across, legend=[*labels, FRONT, BEFORE, ASIDE])
    every = [axes for row in grid for axes in row]
    for axes, of in zip(every, panels, strict=False):
        _draw(axes, of, cost, style)
    for axes in every[len(panels):]:
        axes.set_visible(False)
    found = canvas.labelled(every)
    told = {label: canvas.sample(**_sampled(style[label])) for label in labels}
    drawn = {FRONT: found[FRONT]} | ({BEFORE: canvas.sample(LEVEL, ls=":", lw=1.0, mfc=look.GREY, mec=look.GREY)}
                                     if BEFORE in found else {})
    if any(axes.texts for axes in every):
        drawn |= {ASIDE: canvas.sample(LEVEL, ls="-", lw=0.6, marker="|", ms=5)}
    canvas.legend(made, told | drawn)
    return made


def _sampled(look: Look) -> dict[str, Any]:
    return {"colour": look.colour, **{k: v for k, v in look.point.items() if k != "color"}, "ms": 6}


FRONT, BEFORE, ASIDE = "Pareto front (large points)", "before training", "from a marker to its cost"


def _draw(axes: Axes, of: Panel, cost: Cost, style: Mapping[str, Look]) -> None:
    looks = {**style, BEFORE: look.TABLE["vanilla"]}
    _limit(axes, of.shown, 1.0)
    _limit(axes, of.shown, _room(axes, _places(axes, of.shown)))
    for p, points in zip(of.shown, aside(_places(axes, of.shown)), strict=True):
        _mark(axes, p, points, looks[p.label])
    front = sorted((p.cost[1], p.mean) for p in (*of.points, *([of.before] if of.before else [])) if p.front)
    axes.plot(*zip(*front, strict=True), drawstyle="steps-post", color=LEVEL, lw=1.0, zorder=1, label=FRONT)
    if of.before is not None:
        axes.axhline(of.before.mean, color=LEVEL, lw=1.0, ls=":", label=BEFORE)
    axes.set(xlabel=AXES[cost][0], ylabel=of.y)
    axes.set_title(of.title, fontsize=SMALL)


def _mark(axes: Axes, p: Point, points: float, look: Look) -> None:
    """A marker with its interval, so many points to the right of its place, to which a line leads; the cost's own spread is drawn
    at its place."""
    from matplotlib.transforms import ScaledTranslation

    drawn = look.point | {"ms": 8.5 if p.front else 5, "label": p.label if p.label != BEFORE else None}
    moved = axes.transData + ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)
    axes.errorbar(p.cost[1], p.mean, yerr=[[p.mean - p.low], [p.high - p.mean]], **drawn, elinewidth=1.0, transform=moved)
    if p.cost[2] > p.cost[0]:
        axes.plot([p.cost[0], p.cost[2]], [p.mean, p.mean], color=look.colour, lw=1.0)
    if points:
        axes.plot(p.cost[1], p.mean, marker="|", ms=5, color=look.colour, ls="none")
        axes.annotate("", (p.cost[1], p.mean), (points, 0), textcoords="offset points", zorder=1,
                      arrowprops={"arrowstyle": "-", "lw": 0.6, "color": look.colour, "shrinkA": 0, "shrinkB": 0})


def _wide(axes: Axes) -> float:
    """About how wide a panel is (1/72 inch)."""
    spec = axes.get_subplotspec()
    return 72 * (canvas.WIDTH / (spec.get_gridspec().ncols if spec else 1) - BESIDE)


def _room(axes: Axes, places: Sequence[Place]) -> float:
    """How many times as long the axis must be for what stands aside."""
    return max(x / (_wide(axes) - 2 * STEP - moved) for (x, *_), moved in zip(places, aside(places), strict=True))


def _limit(axes: Axes, points: Sequence[Point], more: float) -> None:
    """Axes that hold all points and are `more` times as long, as what stands aside needs room. That of the cost begins at 0, but
    is logarithmic where costs differ widely, linear about 0 where some are 0."""
    greatest = max(p.cost[2] for p in points)
    above = [p.cost[0] for p in points if p.cost[0] > 0]
    low, high = min(p.low for p in points), max(p.high for p in points)
    axes.set_ylim(low - 0.08 * (high - low or 1.0), high + 0.08 * (high - low or 1.0))
    if not above or greatest <= WIDE * min(above):
        axes.set_xlim(-0.05 * more * (greatest or 1.0), more * (greatest or 1.0))
    elif len(above) == len(points):
        axes.set(xscale="log", xlim=(min(above) / 2, min(above) * (greatest / min(above)) ** more))
    else:
        axes.set_xscale("symlog", linthresh=min(above))
        axes.set_xlim(-0.15 * min(above), min(above) * (greatest / min(above)) ** more)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")


Place = tuple[float, float, float, bool]


def _places(axes: Axes, points: Sequence[Point]) -> list[Place]:
    """(across, bottom, top, whether on the front) of each point with its interval, in 1/72 inch of a panel."""
    along = axes.transScale + axes.transLimits
    ends = [[along.transform((p.cost[1], y)) for y in (p.low, p.high)] for p in points]
    wide = _wide(axes)
    return [(wide * float(a[0]), HIGH * float(a[1]), HIGH * float(b[1]), p.front)
            for (a, b), p in zip(ends, points, strict=True)]


def aside(places: Sequence[Place]) -> list[float]:
    """How far to the right of its place each marker stands, so that no two with their intervals lie over each other. Those on the
    front come first and stay where they are, as long as they do not hide each other."""
    found = [0.0] * len(places)
    taken: list[tuple[float, float, float]] = []
    for i in sorted(range(len(places)), key=lambda i: (not places[i][3], places[i][0], i)):
        x, bottom, top, _ = places[i]
        while any(abs(x + found[i] - other) < STEP and bottom <= up and down <= top for other, down, up in taken):
            found[i] += STEP
        taken.append((x + found[i], bottom, top))
    return found
