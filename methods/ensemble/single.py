"""One model, no ensemble.

Departures: none.
"""
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Single:
    """One member whose probabilities stand as they are."""

    members: int = 1

    def combine(self, probabilities: Tensor) -> Tensor:
        """[1, N, C] -> [N, C]."""
        return probabilities.squeeze(0)
