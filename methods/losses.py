"""The loss of a batch in micro-batches, and that of examples which were held out."""
from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from methods.examples import Example, collate
from methods.likelihood import answer_counts, answer_losses
from methods.modes import evaluating
from methods.parts import Batch, Objective, Prepared, Refused

Phase = Literal["switch", "selection", "gradient", "forward", "update"]
Watch = Callable[[Phase], contextlib.AbstractContextManager[object]]
"""Its context is entered around every phase of a step; "forward" is entered inside "gradient", once a micro-batch."""


def mean_loss(model: nn.Module, data: Sequence[Example], *, pad_id: int, batch_size: int) -> tuple[Tensor, Tensor]:
    """Held-out loss: ([N] mean loss per answer token of each example, float64, in nats; [N] answer tokens)."""
    if not len(data):
        raise Refused("cannot measure a loss on an empty data set; because there is no example in it; use one with rows")
    losses, counts = torch.zeros(len(data), dtype=torch.float64), torch.zeros(len(data), dtype=torch.long)
    order = sorted(range(len(data)), key=lambda i: len(data[i].input_ids))
    device = next(model.parameters()).device
    with torch.no_grad(), evaluating(model):
        for start in range(0, len(order), batch_size):
            batch = collate(data, order[start:start + batch_size], pad_id).to(device)
            total = answer_losses(model, batch).cpu().double().sum(1)
            where = batch.index.cpu()
            counts[where] = answer_counts(batch).cpu()
            losses[where] = total / counts[where]
    return losses, counts


@dataclass
class BatchLoss:
    """The loss of one batch in micro-batches; `share` [B] is mass * weight over its sum in the whole batch."""

    objective: Objective
    model: nn.Module
    batch: Batch
    share: Tensor
    micro_batch: int
    prepared: Prepared
    autocast: bool
    watch: Watch

    def parts(self) -> Iterator[Tensor]:
        for start, losses in self._rows():
            yield (losses * self.share[start:start + len(losses)].to(losses)).sum()

    def _rows(self) -> Iterator[tuple[int, Tensor]]:
        """(number of the first example, [b] losses with a graph) of every micro-batch."""
        kind = self.batch.input_ids.device.type
        for start in range(0, len(self.batch), self.micro_batch):
            rows = self.batch if self.micro_batch >= len(self.batch) else self.batch.rows(start, start + self.micro_batch)
            here = torch.autocast(kind, torch.bfloat16) if self.autocast else contextlib.nullcontext()
            with self.watch("forward"), here:
                losses = self.objective(self.model, rows, self.prepared)
            yield start, losses

    def value(self) -> Tensor:
        with torch.no_grad():
            return torch.stack(list(self.parts())).sum()

    def each(self) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            losses = torch.cat([losses for _, losses in self._rows()])
        return losses, self.share.to(losses.device)
