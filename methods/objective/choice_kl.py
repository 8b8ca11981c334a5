"""Cross-entropy among label words with a leash: plus beta times the divergence from what the base model answers.

loss_i = -log p(y_i | x_i) + beta KL(p(. | x_i) || p_0(. | x_i)), both over the label words, in nats; `reverse`: KL(p_0 || p).

Source: the output-space regulariser of Wang et al., arXiv 2310.00035; p_0 is the model before step 0, asked once and kept.

Departures: the paper's direction, support and beta could not be read. Over the label words alone, so that the leash is on
the same choice as the loss; `methods.objective.kl` has the whole vocabulary.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.likelihood import answer_counts, answer_logits
from methods.modes import evaluating
from methods.parts import Batch, Refused
from methods.words import gold, known, words


@dataclass(frozen=True)
class Kept:
    """What is known before step 0: the label words, and [N, C] log-probabilities of the base model by position in the data."""

    words: Tensor
    base: Tensor


@dataclass(frozen=True)
class ChoiceKl:
    """LabelWords(ids, mask) plus `beta` times the divergence; beta = 0 is LabelWords to the last bit."""

    beta: float = 0.1
    reverse: bool = False
    ids: tuple[int, ...] = ()
    mask: int | None = None

    def __post_init__(self) -> None:
        known(self.ids)
        if not self.beta >= 0:
            raise Refused(f"cannot use ChoiceKl with beta {self.beta}; because it would push the model away from its base; "
                          "use beta >= 0")

    def prepare(self, model: nn.Module, batches: Iterator[Batch]) -> Kept:
        """Raises Refused as LabelWords does."""
        kept = list(batches)
        ids = words(self, self.ids, self.mask, model, iter(kept))
        with torch.no_grad(), evaluating(model):
            answers = [(batch.index.cpu(), self._log_probabilities(model, batch, ids).cpu()) for batch in kept]
        base = answers[0][1].new_zeros(sum(len(batch) for batch in kept), len(ids))
        for index, rows in answers:
            base[index] = rows
        return Kept(ids, base)

    def mass(self, batch: Batch) -> Tensor:
        return torch.ones_like(answer_counts(batch))

    def __call__(self, model: nn.Module, batch: Batch, prepared: Kept) -> Tensor:
        ours = self._log_probabilities(model, batch, prepared.words)
        base = prepared.base[batch.index.cpu()].to(ours.device)
        gap = (base.exp() * (base - ours) if self.reverse else ours.exp() * (ours - base)).sum(-1)
        return F.nll_loss(ours, gold(batch, prepared.words.to(ours.device)), reduction="none") + self.beta * gap

    def _log_probabilities(self, model: nn.Module, batch: Batch, ids: Tensor) -> Tensor:
        """[B, C]"""
        logits = answer_logits(model, batch, self.mask)[:, ids.to(batch.labels.device)]
        return torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), -1)
