"""What is found of a case."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from suites.cost.bounds import Bound
from suites.cost.footprint import Footprint

GIB = 2**30


@dataclass(frozen=True)
class Found:
    """A case's memory, and what no implementation can do without in the step that needs most."""

    footprint: Footprint
    bound: Bound

    @property
    def peak_bytes(self) -> int:
        return self.footprint.peak_bytes

    @property
    def gib(self) -> float:
        return self.peak_bytes / GIB

    def to_json(self) -> dict[str, Any]:
        return {"footprint": self.footprint.to_json(), "bound": vars(self.bound)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Found:
        return cls(Footprint.from_json(values["footprint"]), Bound(**values["bound"]))
