"""What a promotion changes: the means over seeds that are not what they were."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from repro.gate.lineup import Key
from repro.study import Record


@dataclass
class Means:
    """Arm by arm and metric by metric the means over seeds, before and after."""

    values: dict[tuple[str, str, str, str], tuple[list[float], list[float]]] = field(default_factory=dict)

    def add(self, key: Key, before: Record | None, now: Record) -> None:
        for side, record in enumerate((before, now)):
            for suite, of in (record.metrics if record else {}).items():
                for name, metric in of.items():
                    self.values.setdefault((*key[:2], suite, name), ([], []))[side].append(metric.value)

    def changed(self) -> list[dict[str, Any]]:
        """Only what is not equal."""
        return [{"paper": paper, "arm": arm, "metric": f"{suite} {name}", "before": mean(a), "after": mean(b)}
                for (paper, arm, suite, name), (a, b) in self.values.items() if mean(a) != mean(b)]


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
