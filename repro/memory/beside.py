"""Rows of a memory table: what is simulated beside what a paper prints, its difference, the bound, and a note where they part."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro.memory.cases import Case
from repro.memory.found import GIB, Found
from suites.cost.tracker import Kind

if TYPE_CHECKING:
    from repro.papers.numbers import Printed

APART = 0.10
"""Relative difference from which on a row has a note."""


@dataclass(frozen=True)
class Beside:
    """One row. Bytes in GiB: PyTorch and nvidia-smi count so; read as GB of 10^9 bytes, the paper's "G" would be 7 % less."""

    case: Case
    found: Found
    printed: Printed | None = None
    note: str = ""
    by_phase: bool = False
    """Whether the most bytes alive in each phase of a step are shown, in place of what the peak is for."""

    @property
    def apart(self) -> float | None:
        """Relative difference to the printed number."""
        return None if self.printed is None or self.printed.value is None else self.found.gib / self.printed.value - 1

    def to_json(self) -> dict[str, Any]:
        peak = self.found.footprint.peak
        return {"model": self.case.model.name, "what": self.case.label, "tokens": self.case.tokens,
                "attention": self.case.attention, "by": self.case.by, "training": self.case.training.to_json(),
                "paper": None if self.printed is None else self.printed.text, "difference": self.apart,
                "simulated_bytes": self.found.peak_bytes,
                "bound_bytes": self.found.bound.bytes, "composition": dict(peak.composition), "operation": peak.operation,
                "phase": peak.phase, "phases": dict(peak.phases), "step_operations": self.found.bound.operations,
                "note": self.note}

    def cells(self) -> tuple[str, ...]:
        """As HEADER."""
        peak = self.found.footprint.peak
        parts, highs = ({}, peak.phases) if self.by_phase else (peak.composition, {})
        apart = "" if self.apart is None else f"{self.apart:+.0%}".replace("-", "−")
        return (self.case.model.name, self.case.label, "" if self.printed is None else self.printed.text,
                f"{self.found.gib:.2f}", apart, f"{self.found.bound.bytes / GIB:.2f}",
                *(f"{parts.get(kind, 0) / GIB:.1f}" if parts.get(kind, 0) else "" for kind in PARTS),
                *(f"{highs[phase] / GIB:.2f}" if phase in highs else "" for phase in PHASES))


PARTS: Mapping[str, str] = {Kind.WEIGHTS: "weights", Kind.GRADIENTS: "grad", Kind.OPTIMIZER: "state", Kind.ACTIVATIONS: "activ",
                            Kind.SELECTION: "select", Kind.OTHER: "other"}
"""Kinds of memory -> heads of columns."""
PHASES: Mapping[str, str] = {"selection": "choosing", "forward": "forward", "backward": "backward", "update": "update"}
"""Phases of a step -> heads of columns."""
NAMES = ("model", "what")
HEADER = (*NAMES, "paper", "GiB", "diff", "bound", *PARTS.values(), *PHASES.values())


def noted(rows: Sequence[Beside], others: Mapping[str, Sequence[tuple[str, Found]]]) -> list[Beside]:
    """Rows that are further apart than APART say what other settings would give: `others` by model and label."""
    made = []
    for row in rows:
        known = others.get(str(row.case), ())
        if row.apart is None or abs(row.apart) <= APART or not known or row.note:
            made.append(row)
            continue
        value = row.found.gib / (1 + row.apart)
        told = "; ".join(f"{how}: {found.gib:.1f} GiB ({found.gib / value - 1:+.0%})".replace("-", "−") for how, found in known)
        made.append(Beside(row.case, row.found, row.printed, f"the paper leaves open what these change: {told}"))
    return made
