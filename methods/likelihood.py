"""Answer log-likelihoods from a language model's logits, shared by objectives, held-out loss and suites."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.examples import IGNORE
from methods.parts import Batch


def logits_of(model: nn.Module, batch: Batch) -> Tensor:
    """[B, T, V]; what a soft prompt adds in front is left out."""
    out: Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    return out[:, -batch.input_ids.shape[1]:]


def answer_logits(model: nn.Module, batch: Batch, mask: int | None = None) -> Tensor:
    """[B, V] what the model gives for the first answer token of each row.

    `mask` None: a causal model, whose head is applied to the tokens before the answers alone. Else a masked model, which
    reads this token in the place of the answer.
    """
    answer = batch.labels != IGNORE
    place, rows = answer.int().argmax(1), torch.arange(len(batch), device=batch.labels.device)
    if mask is not None:
        ids = batch.input_ids.masked_fill(answer, mask)
        masked: Tensor = model(input_ids=ids, attention_mask=batch.attention_mask).logits
        return masked[rows, place]
    keep, where = torch.unique(place - 1 - answer.shape[1], return_inverse=True)  # from the end: behind a soft prompt
    out: Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False,
                        logits_to_keep=keep).logits
    return out[rows, where]


def answer_losses(model: nn.Module, batch: Batch) -> Tensor:
    """[B, K] in nats of a causal model's answer tokens, 0 where a row has none; float32 at least.

    The head is applied to the K columns alone in which some row's answer is predicted: mostly a fraction of a prompt.
    """
    targets = batch.labels[:, 1:]
    columns = (targets != IGNORE).any(0).nonzero()[:, 0]
    out: Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False,
                        logits_to_keep=columns - batch.labels.shape[1]).logits  # from the end: behind a soft prompt
    flat = out.flatten(0, 1).to(torch.promote_types(out.dtype, torch.float32))
    loss = F.cross_entropy(flat, targets[:, columns].flatten(), ignore_index=IGNORE, reduction="none")
    return loss.view(len(targets), -1)


def answer_counts(batch: Batch) -> Tensor:
    """[B] answer tokens of each example that have a predecessor."""
    return (batch.labels[:, 1:] != IGNORE).sum(1)


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """logits [B, T, V], labels [B, T] -> [B, T-1] in nats, 0 where no loss is taken; computed in float32 at least."""
    width = torch.promote_types(logits.dtype, torch.float32)
    flat = logits[:, :-1].flatten(0, 1).to(width)
    return F.cross_entropy(flat, labels[:, 1:].flatten(), ignore_index=IGNORE, reduction="none").view(len(labels), -1)
