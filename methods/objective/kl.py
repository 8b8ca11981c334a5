"""Answer likelihood with a leash: NLL plus beta times the divergence from the base model on the answer tokens.

loss_i = nll_i + (beta / n_i) sum_t KL(p_base(. | x_<t) || p(. | x_<t)), over the answer tokens of example i, in nats.

Source: the regulariser of Wang et al., arXiv 2310.00035; the base model's log-probabilities are computed once, before
step 0, and kept.

Departures: all V log-probabilities of every answer token are kept in float32, which is exact and costs 4 V bytes a token;
beyond `cache_limit_bytes` the objective refuses instead of falling back to an approximation.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.examples import IGNORE
from methods.likelihood import answer_counts, logits_of, token_losses
from methods.parts import Batch, Refused

BaseAnswers = dict[int, Tensor]
"""Position in the data set -> [answer tokens, V] log-probabilities of the base model."""


@dataclass(frozen=True)
class KlToBase:
    """NLL (mean per token) plus `beta` times KL(base || model)."""

    beta: float = 0.1
    cache_limit_bytes: int = 4 * 2**30

    def prepare(self, model: nn.Module, batches: Iterator[Batch]) -> BaseAnswers:
        """One forward pass over the data. Refused when the answers would not fit the limit."""
        kept: BaseAnswers = {}
        used = 0
        was_training = model.training
        model.eval()
        with torch.no_grad():
            for batch in batches:
                rows = torch.log_softmax(logits_of(model, batch)[:, :-1].float(), -1)
                here = batch.labels[:, 1:] != IGNORE
                used += int(here.sum()) * rows.shape[-1] * rows.element_size()
                if used > self.cache_limit_bytes:
                    raise Refused(f"cannot keep the base model's answers in {self.cache_limit_bytes} bytes; because "
                                  f"{len(kept)} examples alone need {used}; use a larger cache_limit_bytes or less data")
                kept |= {int(i): r[h].cpu() for i, r, h in zip(batch.index, rows, here, strict=True)}
        model.train(was_training)
        return kept

    def mass(self, batch: Batch) -> Tensor:
        return answer_counts(batch)

    def __call__(self, model: nn.Module, batch: Batch, prepared: BaseAnswers) -> Tensor:
        logits = logits_of(model, batch)
        here = batch.labels[:, 1:] != IGNORE
        base = torch.cat([prepared[int(i)] for i in batch.index]).to(logits.device)
        ours = torch.log_softmax(logits[:, :-1][here].float(), -1)
        gap = F.kl_div(ours, base, reduction="none", log_target=True).sum(-1)
        losses = token_losses(logits, batch.labels)
        total = losses + self.beta * torch.zeros_like(losses).masked_scatter(here, gap.to(losses.dtype))
        return total.sum(1) / answer_counts(batch).clamp_min(1)

