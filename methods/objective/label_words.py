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

from methods import anatomy
from methods.examples import IGNORE
from methods.likelihood import answer_counts, answer_logits
from methods.parts import Batch, Refused


@dataclass(frozen=True)
class LabelWords:
    """The label words' token ids, one per class (none given: those that answer the training examples); `mask` is the
    tokenizer's mask token for a masked model."""

    ids: tuple[int, ...] = ()
    mask: int | None = None

    def __post_init__(self) -> None:
        if len(self.ids) == 1 or len(set(self.ids)) < len(self.ids):
            raise Refused(f"cannot use the label words {self.ids}; because a choice needs two different tokens at least; "
                          "use one token per class")

    def prepare(self, model: nn.Module, batches: Iterator[Batch]) -> Tensor:
        """[C] the label words. Refuses a model of the other kind, an answer that is none of them, and fewer than two."""
        if anatomy.read(model).predicts_next != (self.mask is None):
            kind = "masked" if self.mask is None else "causal"
            raise Refused(f"cannot use {self} with {type(model).__name__}; because the model is {kind}; "
                          f"use mask={'the id of the mask token' if self.mask is None else None}")
        known, found = torch.tensor(self.ids, dtype=torch.long), set[int]()
        for batch in batches:
            answers = _answers(batch)
            fits = answer_counts(batch) == 1
            if self.ids:
                fits &= torch.isin(answers, known.to(answers.device))
            if not bool(fits.all()):
                worst = int(batch.index[~fits][0])
                raise Refused(f"cannot use {self} on example {worst}; because its answer is not one of these tokens; "
                              "use examples whose answer is a label word of one token, or Nll")
            found.update(answers.tolist())
        if not self.ids and len(found) < 2:
            raise Refused("cannot use LabelWords on these examples; because all have one answer; use examples of every class, "
                          "or name the words")
        return known if self.ids else torch.tensor(sorted(found))

    def mass(self, batch: Batch) -> Tensor:
        return torch.ones_like(answer_counts(batch))

    def __call__(self, model: nn.Module, batch: Batch, prepared: Tensor) -> Tensor:
        ids = prepared.to(batch.labels.device)
        logits = answer_logits(model, batch, self.mask)[:, ids]
        gold = (_answers(batch)[:, None] == ids).int().argmax(1)
        return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), gold, reduction="none")


def _answers(batch: Batch) -> Tensor:
    """[B] the first answer token of each row."""
    place = (batch.labels != IGNORE).int().argmax(1, keepdim=True)
    return batch.input_ids.gather(1, place)[:, 0]
