"""What a recipe is trained with: length, batch, schedule, precision. Nothing in here belongs to one method."""
from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import torch

from methods.parts import Refused

Precision = Literal["fp32", "bf16", "bf16-mixed"]


@dataclass(frozen=True)
class Training:
    """Either `steps` (optimizer steps) or `epochs` is given. `micro_batch` splits a batch to save memory, not to change it;
    with precision "bf16" the parts' gradients are summed in bfloat16, so that a hundred of them lose several per cent.

    precision: "fp32"; "bf16" holds weights, gradients and (by default) optimizer state in bfloat16, as LISA's memory
    figures imply; "bf16-mixed" holds weights in float32 and multiplies in bfloat16. The model is converted in place.
    """

    steps: int | None = None
    epochs: float | None = None
    batch_size: int = 16
    micro_batch: int | None = None
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = 0
    clip_norm: float | None = None
    precision: Precision = "fp32"
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise Refused(f"cannot train with steps={self.steps} and epochs={self.epochs}; because the length of a run is "
                          "one of the two; give either steps or epochs")
        length = self.steps if self.steps is not None else self.epochs
        smallest = min(self.batch_size, 1 if self.micro_batch is None else self.micro_batch)
        clipped = self.clip_norm is None or self.clip_norm > 0
        if not (length and length > 0 and smallest >= 1 and self.warmup_steps >= 0 and clipped):
            raise Refused(f"cannot train with {self}; because steps, epochs, batch sizes and clip_norm must be positive; "
                          "use positive values (clip_norm=None for no clipping)")

    def total_steps(self, examples_per_step: int, examples: int) -> int:
        """Optimizer steps of the run; the last batch of an epoch may be partial and counts as one."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, round(self.epochs * math.ceil(examples / examples_per_step)))

    def lr_scale(self, step: int, steps: int) -> float:
        """The factor on the learning rate at a step: linear warm-up, then the schedule down to 0 after the last step."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
        if self.schedule == "linear":
            return 1 - done
        return (1 + math.cos(math.pi * done)) / 2 if self.schedule == "cosine" else 1.0

    @property
    def weight_dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Training:
        return cls(**values)
