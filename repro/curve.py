"""A run's curve while it grows: rows of (step, kind, layer, value)."""
from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from repro.store import CURVE

Row = tuple[int, str, str | None, float]


@dataclass
class Curve:
    """What was seen at which step; steps go on counting over the stages."""

    rows: list[Row] = field(default_factory=list)

    def add(self, step: int, kind: str, value: float, layer: str | None = None) -> None:
        self.rows.append((step, kind, layer, float(value)))

    def add_layers(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        for layer, value in values.items():
            self.add(step, kind, value, layer)

    def values(self, kind: str) -> list[float]:
        return [row[3] for row in self.rows if row[1] == kind]

    def frame(self) -> pd.DataFrame:
        frame = pd.DataFrame(self.rows, columns=list(CURVE))
        return frame.astype({"step": "int64", "kind": "str", "layer": "object", "value": "float64"})

    @classmethod
    def read(cls, path: Path) -> Curve:
        columns = pd.read_parquet(path).to_dict("list")
        rows = zip(*(columns[c] for c in CURVE), strict=True)
        return cls([(int(step), str(kind), layer if isinstance(layer, str) else None, float(value))
                    for step, kind, layer, value in rows])


@functools.cache
def evenly(steps: int, points: int) -> frozenset[int]:
    """About `points` steps from 0 to `steps`, both ends included."""
    return frozenset(round(i * steps / (points - 1)) for i in range(points))
