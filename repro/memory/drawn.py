"""What memory figures show, as values: peaks step by step, bars of what a peak is for, and peaks beside the paper's."""
from __future__ import annotations

from dataclasses import dataclass

from repro.memory.found import GIB, Found


@dataclass(frozen=True)
class Growth:
    """A line: GiB at the peak of every step. `method`: as which it is drawn (`repro.look`)."""

    label: str
    method: str
    gib: tuple[float, ...]

    @classmethod
    def of(cls, label: str, method: str, found: Found) -> Growth:
        return cls(label, method, tuple(peak.bytes / GIB for peak in found.footprint.steps))


@dataclass(frozen=True)
class Stack:
    """A bar: GiB by kind at the peak, the bound, and the paper's number where there is one."""

    label: str
    parts: tuple[tuple[str, float], ...]
    bound: float
    paper: float | None = None

    @classmethod
    def of(cls, label: str, found: Found, paper: float | None) -> Stack:
        parts = found.footprint.composition
        return cls(label, tuple((kind, n / GIB) for kind, n in parts.items()), found.bound.bytes / GIB, paper)


@dataclass(frozen=True)
class Peak:
    """A point of a panel, in the unit of its axis, with the bound and the paper's number where there are some."""

    panel: str
    label: str
    method: str
    value: float
    bound: float | None = None
    paper: float | None = None
