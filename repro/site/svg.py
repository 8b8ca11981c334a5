"""Small line charts as SVG text, without a plotting library: axes with words, lines told apart by dash as well as colour."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 8, 36
POINTS = 60
"""More points of a line than this are drawn as means of neighbours."""


@dataclass(frozen=True)
class Line:
    """One line; `thin` ones stand for many of a kind, such as blocks, and are named once."""

    label: str
    x: Floats
    y: Floats
    thin: bool = False


def thinned(line: Line) -> tuple[Line, int]:
    """The line with at most about `POINTS` points, each the mean of so many neighbours."""
    width = math.ceil(len(line.x) / POINTS)
    if width < 2:
        return line, 1
    return Line(line.label, _means(line.x, width), _means(line.y, width), line.thin), width


def _means(values: Floats, width: int) -> Floats:
    """Of so many neighbours each, of fewer at the end."""
    begins = np.arange(0, len(values), width)
    return np.asarray(np.add.reduceat(values, begins) / np.diff(np.append(begins, len(values))))


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers between two ends."""
    span = high - low or abs(high) or 1.0
    raw = span / most
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * m for m in (1, 2, 5, 10) if base * m >= raw)
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def chart(lines: Sequence[Line], x_label: str, y_label: str, about: str) -> Markup:
    """An SVG element. `about` says in words what is seen, for those who do not see it."""
    low, high = _ends([line.y for line in lines], 0.06)
    first, last = _ends([line.x for line in lines], 0.0)

    across, up = (WIDTH - LEFT - RIGHT) / (last - first), (HEIGHT - TOP - BOTTOM) / (high - low)

    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(about)}">']
    for y in ticks(low, high):
        at = TOP + (high - y) * up
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
                     f'<text class="end" x="{LEFT - 5}" y="{at + 4:.1f}">{shown(y)}</text>')
    for x in ticks(first, last, 5):
        parts.append(f'<text class="middle" x="{LEFT + (x - first) * across:.1f}" y="{HEIGHT - BOTTOM + 15}">{shown(x)}</text>')
    for i, line in enumerate(lines):
        at_x, at_y = (LEFT + (line.x - first) * across).tolist(), (TOP + (high - line.y) * up).tolist()
        places = [f"{x:.1f},{y:.1f}" for x, y in zip(at_x, at_y, strict=True)]
        parts.append(_drawn(places, "thin" if line.thin else f"line{i % 4}"))
    parts.append(f'<text class="middle" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 5}">{escape(x_label)}</text>'
                 f'<text class="middle" transform="translate(11 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)">'
                 f"{escape(y_label)}</text></svg>")
    return Markup("".join(parts))


def _drawn(places: Sequence[str], style: str) -> str:
    """A line through the places, or the one point there is."""
    if len(places) == 1:
        x, y = places[0].split(",")
        return f'<circle class="{style}" cx="{x}" cy="{y}" r="3"/>'
    return f'<polyline class="{style}" points="{" ".join(places)}"/>'


def _ends(values: Sequence[Floats], room: float) -> tuple[float, float]:
    """Least and greatest with some room; never one place alone."""
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    span = high - low or abs(high) or 1.0
    return (low - room * span, high + room * span) if high > low else (low - 0.5 * span, high + 0.5 * span)


def shown(value: float) -> str:
    """A tick's number, short."""
    for least, unit, name in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / unit:.4g}{name}".replace("-", "−")
    return f"{value:.4g}".replace("e-0", "e-").replace("-", "−")
