"""Negative log-likelihood of the answer: the usual loss of supervised fine-tuning.

loss_i = -(1 / n_i) sum_t log p(y_t | prompt, y_<t) over the n_i answer tokens of example i, in nats.
`mean` says how a batch averages: "token" weighs every answer token alike (what transformers' Trainer does), "example"
every example alike.

Departures: none.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from methods.likelihood import answer_counts, answer_losses
from methods.parts import Batch


@dataclass(frozen=True)
class Nll:
    """Answer-only negative log-likelihood."""

    mean: Literal["token", "example"] = "token"

    def prepare(self, model: nn.Module, batches: Iterator[Batch]) -> None:
        return None

    def mass(self, batch: Batch) -> Tensor:
        counts = answer_counts(batch)
        return counts if self.mean == "token" else torch.ones_like(counts)

    def __call__(self, model: nn.Module, batch: Batch, prepared: None) -> Tensor:
        return answer_losses(model, batch).sum(1) / answer_counts(batch).clamp_min(1)
