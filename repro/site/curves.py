"""What a run's curve shows: charts of what moved, and in a word what stayed as it was."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from repro.site.parts import codes, numbers
from repro.site.svg import Floats, Line, chart, shown, thinned

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
Points = tuple[Floats, Floats]
"""Steps and values."""


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


def of(curve: pa.Table) -> Curves:
    """From the columns step, kind, layer and value of a curve."""
    found, lost = _lines(curve)
    figures, constant = [], []
    for title, (unit, what, kinds) in GROUPS.items():
        series = {key: points for key, points in found.items() if key[0] in kinds}
        if not series:
            continue
        first = next(iter(series.values()))[1]
        if len(series) == 1 and (first == first[0]).all():
            constant.append(f"{title}: {shown_in_full(float(first[0]))} {unit} throughout")
        else:
            figures.append(_figure(title, unit, what, series))
    if lost:
        constant.append(f"{lost} values of the curve are not numbers and are not drawn")
    return Curves(tuple(figures), tuple(constant))


def _lines(curve: pa.Table) -> tuple[dict[tuple[str, str], Points], int]:
    """(kind, layer) -> its points, in the order in which the curve begins them; and how many values are no numbers."""
    (kinds, kind), (layers, layer) = codes(curve, "kind"), codes(curve, "layer")
    step, value = numbers(curve, "step"), numbers(curve, "value")
    shown_ = np.array([name in SHOWN for name in kinds], dtype=bool)[kind]
    sound = np.isfinite(step) & np.isfinite(value)
    rows = np.flatnonzero(shown_ & sound)
    key = kind[rows] * len(layers) + layer[rows]
    order = np.argsort(key, kind="stable")
    rows, ends = rows[order], np.flatnonzero(np.diff(key[order])) + 1
    groups = sorted(np.split(rows, ends), key=lambda of: int(of[0])) if len(rows) else []
    return ({(str(kinds[kind[of[0]]]), layers[layer[of[0]]] or ""): (step[of], value[of]) for of in groups},
            int((shown_ & ~sound).sum()))


def shown_in_full(value: float) -> str:
    return f"{int(value):,}" if value.is_integer() else f"{value:.4g}"


def _figure(title: str, unit: str, what: str, series: Mapping[tuple[str, str], Points]) -> Figure:
    thick = [(k, p) for k, p in series.items() if not k[1].isdigit()]
    thin = [(k, p) for k, p in series.items() if k[1].isdigit()]
    made = [thinned(Line(layer or NAMES.get(kind, kind), *points, thin=layer.isdigit()))
            for (kind, layer), points in [*thick, *thin]]
    lines, width = [line for line, _ in made], max(w for _, w in made)
    legend = [(f"line{i % 4}", line.label) for i, line in enumerate(lines) if not line.thin]
    legend += [("thin", f"{len(thin)} blocks")] if thin else []
    ends = "; ".join(f"{line.label} from {shown(line.y[0])} to {shown(float(f'{line.y[-1]:.3g}'))}" for line in lines[:3])
    note = f"Means of {width} neighbouring steps." if width > 1 else ""
    svg = chart(lines, "optimizer step", unit, f"{title} ({what}): {ends}")
    return Figure(title, svg, tuple(legend), note)
