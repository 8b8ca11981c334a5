"""Cross-entropy over label words: which of a few words stands in the place of the answer.

Source: Malladi et al. (MeZO), arXiv 2305.17333, and Gao et al. (LM-BFF), arXiv 2012.15723, equation 1: with z_c the logit
of the word of class c in the place of the answer, loss_i = -log(exp z_y / sum_c exp z_c), in nats; mass 1 per example.

Departures:
- A label word is one token. MeZO scores words of several tokens by their mean log-probability, one sequence per word;
  here they are refused where the words become tokens, and their place is taken by Nll on the right word.
- A masked model reads the token `mask` in the place of the answer; without `mask` a causal model predicts the answer from
  what stands before it.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.likelihood import answer_counts, answer_logits
from methods.parts import Batch
from methods.words import gold, known, words


@dataclass(frozen=True)
class LabelWords:
    """The label words' token ids, one per class (none given: those that answer the training examples); `mask` is the
    tokenizer's mask token for a masked model."""

    ids: tuple[int, ...] = ()
    mask: int | None = None

    def __post_init__(self) -> None:
        known(self.ids)

    def prepare(self, model: nn.Module, batches: Iterator[Batch]) -> Tensor:
        """[C] the label words. Refuses a model of the other kind, an answer that is none of them, and fewer than two."""
        return words(self, self.ids, self.mask, model, batches)

    def mass(self, batch: Batch) -> Tensor:
        return torch.ones_like(answer_counts(batch))

    def __call__(self, model: nn.Module, batch: Batch, prepared: Tensor) -> Tensor:
        ids = prepared.to(batch.labels.device)
        logits = answer_logits(model, batch, self.mask)[:, ids]
        return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), gold(batch, ids), reduction="none")
