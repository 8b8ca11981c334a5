"""What a training run's memory was, step by step, as a value."""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from suites.cost.tracker import Peak


@dataclass(frozen=True)
class Footprint:
    """Bytes on the model's device. A step's peak is the most alive at once between the end of the step before and its own end."""

    setup: Peak
    """Before the first step: adapters are made and weights converted."""
    steps: tuple[Peak, ...]
    weight_bytes: int
    """Weights and buffers; tied ones once."""
    weights: int
    """Numbers in all weights."""
    moving: tuple[int, ...]
    """Numbers in the weights that moved, by step."""
    attention: str
    """The attention back end by its name in transformers."""
    simulated: bool
    notes: tuple[str, ...] = ()

    @property
    def peak(self) -> Peak:
        """The first of the largest steps."""
        return max(self.steps, key=lambda peak: peak.bytes)

    @property
    def peak_bytes(self) -> int:
        return self.peak.bytes

    @property
    def composition(self) -> Mapping[str, int]:
        """Bytes at the peak by kind."""
        return self.peak.composition

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Footprint:
        steps = tuple(Peak(**step) for step in values["steps"])
        lists = {name: tuple(values[name]) for name in ("moving", "notes")}
        return cls(**{**values, **lists, "setup": Peak(**values["setup"]), "steps": steps})
