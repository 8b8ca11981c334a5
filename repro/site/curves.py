"""What a run's curve shows: charts of what moved, and in a word what stayed as it was."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from repro.site.svg import Line, chart, shown, thinned

GROUPS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "Loss": ("nats", "per answer token", ("train_loss", "dev_loss")),
    "Accuracy on dev": ("share", "among label words", ("dev_accuracy",)),
    "Learning rate": ("times the recipe's", "by the schedule", ("lr",)),
    "Share of small sources": ("share", "of the batch", ("small_share",)),
    "Weights that move": ("weights", "at a step", ("active",)),
    "The update's state": ("bytes", "at a step", ("state_bytes",)),
    "Norms of the weights": ("L2 norm", "by layer", ("norm",)),
    "Norms of the change": ("L2 norm", "by layer", ("delta_norm",)),
}
"""Title -> words of the axis, what of, kinds of the curve."""
SHOWN = frozenset(kind for _, _, kinds in GROUPS.values() for kind in kinds)
NAMES = {"train_loss": "training", "dev_loss": "dev"}
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Figure:
    """A chart with its words; the legend says the lines in their order."""

    title: str
    svg: Markup
    legend: tuple[tuple[str, str], ...]
    """(class, name) of each line."""
    note: str


@dataclass(frozen=True)
class Curves:
    figures: tuple[Figure, ...]
    constant: tuple[str, ...]


def of(columns: Mapping[str, Sequence[object]]) -> Curves:
    """From the columns step, kind, layer and value of a curve."""
    found: dict[tuple[object, object], list[tuple[float, float]]] = {}
    lost = 0
    for step, kind, layer, value in zip(*(columns[c] for c in ("step", "kind", "layer", "value")), strict=True):
        if kind not in SHOWN:
            continue
        if isinstance(step, int) and isinstance(value, float) and math.isfinite(value):
            found.setdefault((kind, layer), []).append((step, value))
        else:
            lost += 1
    figures, constant = [], []
    for title, (unit, what, kinds) in GROUPS.items():
        series = {(str(kind), str(layer or "")): points for (kind, layer), points in found.items() if kind in kinds}
        if not series:
            continue
        if all(y == points[0][1] for points in series.values() for _, y in points) and len(series) == 1:
            constant.append(f"{title}: {shown_in_full(next(iter(series.values()))[0][1])} {unit} throughout")
        else:
            figures.append(_figure(title, unit, what, series))
    if lost:
        constant.append(f"{lost} values of the curve are not numbers and are not drawn")
    return Curves(tuple(figures), tuple(constant))


def shown_in_full(value: float) -> str:
    return f"{int(value):,}" if value.is_integer() else f"{value:.4g}"


def _figure(title: str, unit: str, what: str, series: Mapping[tuple[str, str], Points]) -> Figure:
    thick = [(k, p) for k, p in series.items() if not k[1].isdigit()]
    thin = [(k, p) for k, p in series.items() if k[1].isdigit()]
    made = [thinned(Line(layer or NAMES.get(kind, kind), *_axes(points), thin=layer.isdigit()))
            for (kind, layer), points in [*thick, *thin]]
    lines, width = [line for line, _ in made], max(w for _, w in made)
    legend = [(f"line{i % 4}", line.label) for i, line in enumerate(lines) if not line.thin]
    legend += [("thin", f"{len(thin)} blocks")] if thin else []
    ends = "; ".join(f"{line.label} from {shown(line.y[0])} to {shown(float(f'{line.y[-1]:.3g}'))}" for line in lines[:3])
    note = f"Means of {width} neighbouring steps." if width > 1 else ""
    svg = chart(lines, "optimizer step", unit, f"{title} ({what}): {ends}")
    return Figure(title, svg, tuple(legend), note)


def _axes(points: Points) -> tuple[tuple[float, ...], tuple[float, ...]]:
    x, y = zip(*points, strict=True)
    return tuple(x), tuple(y)
