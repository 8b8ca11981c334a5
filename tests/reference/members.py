"""Slow and obvious: one member after another by PEFT's set_adapter, and texts token by token without a cache or padding."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def logits(wrapped, names: Sequence[str], input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """[M B, T, V] of a PEFT model that holds all members' adapters, member-major."""
    out = []
    with torch.no_grad():
        for name in names:
            wrapped.set_adapter(name)
            out.append(wrapped(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits)
    return torch.cat(out)


def probabilities(wrapped, names: Sequence[str], ids: Tensor) -> Tensor:
    """[V] mean over members of the next token's probabilities after one text."""
    each = [logits(wrapped, [name], ids[None], torch.ones_like(ids[None]))[0, -1].softmax(-1) for name in names]
    return torch.stack(each).mean(0)


def greedy(wrapped, names: Sequence[str], prompts: Sequence[Tensor], new: int, eos: int | None, pad: int) -> Tensor:
    """[B, new] every prompt alone; `pad` after an end token, and no more columns than the longest text needs."""
    rows = []
    for prompt in prompts:
        ids = prompt
        while len(ids) < len(prompt) + new and (len(ids) == len(prompt) or int(ids[-1]) != eos):
            ids = torch.cat([ids, probabilities(wrapped, names, ids).argmax()[None]])
        rows.append(ids[len(prompt):])
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)


def mean_of_merged(wrapped, names: Sequence[str], module: str) -> Tensor:
    """Mean over members of W + s B A of one layer."""
    layer = wrapped.get_base_model().get_submodule(module)
    merged = [layer.base_layer.weight + (layer.get_delta_weight(name) if name in layer.lora_A else 0) for name in names]
    return torch.stack([m.detach() for m in merged]).mean(0)
