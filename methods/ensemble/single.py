"""One model, no ensemble.

Departures: none.
"""
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.parts import Refused
from methods.streams import Streams


@dataclass(frozen=True)
class Single:
    """One member whose probabilities stand as they are."""

    members: int = 1

    def __post_init__(self) -> None:
        if self.members != 1:
            raise Refused(f"cannot use Single with {self.members} members; because it is one model alone; use Average")

    def streams(self, streams: Streams, member: int) -> Streams:
        return streams

    def combine(self, answers: Tensor) -> Tensor:
        """[1, N, C] log-probabilities of the options -> [N, C] probabilities."""
        return answers.squeeze(0).softmax(-1)
