"""Answer log-likelihoods from a causal language model's logits, shared by objectives and held-out loss."""
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


def answer_counts(batch: Batch) -> Tensor:
    """[B] answer tokens of each example that have a predecessor."""
    return (batch.labels[:, 1:] != IGNORE).sum(1)


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """logits [B, T, V], labels [B, T] -> [B, T-1] in nats, 0 where no loss is taken; computed in float32 at least."""
    width = torch.promote_types(logits.dtype, torch.float32)
    flat = logits[:, :-1].flatten(0, 1).to(width)
    return F.cross_entropy(flat, labels[:, 1:].flatten(), ignore_index=IGNORE, reduction="none").view(len(labels), -1)
