"""Full fine-tuning: every weight moves at every step.

Departures: none.
"""
from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods import anatomy
from methods.parts import Attached, OnSwitch
from methods.streams import Streams


@dataclass(frozen=True)
class Full:
    """All weights of the model, tied ones once."""

    on_switch: OnSwitch = "keep"

    def attach(self, model: nn.Module, streams: Streams) -> Attached:
        weights = anatomy.read(model).weights
        return Attached(model, weights, lambda step: weights)
