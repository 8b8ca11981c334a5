"""How the logits of answer tokens move with the last block's LoRA weights, example by example.

A factor computes y = x F^T on every position, so that an example's gradient by F is (slope of y)^T x, summed over positions: one
backward pass for each of the K logits gives it for all examples of a batch.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from methods import anatomy
from methods.examples import Example, collate
from methods.likelihood import answer_logits
from methods.merged import adapters
from methods.modes import evaluating
from methods.parts import Batch, Refused


def last_factors(model: nn.Module) -> tuple[nn.Linear, ...]:
    """The active adapters' A and B in the last block: theta is their weights one after another, row by row."""
    body, found = anatomy.read(model), list[nn.Linear]()
    if not body.predicts_next:
        raise Refused(f"cannot fit a Laplace approximation to {type(model).__name__}; because it does not predict the token "
                      "behind a prompt; use a causal language model")
    for layer in adapters(body.blocks[-1]):
        active = () if layer.disable_adapters else tuple(a for a in layer.active_adapters if a in layer.lora_A)
        if active and (layer.merged or any(a in layer.lora_variant for a in active)):
            raise Refused("cannot fit a Laplace approximation to adapters that are merged or rescaled (DoRA); because A and B "
                          "must work apart; use plain LoRA, unmerged")
        found += [factor for a in active for factor in (layer.lora_A[a], layer.lora_B[a])]
    if not found:
        raise Refused(f"cannot fit a Laplace approximation to {type(model).__name__}; because its last block has no active "
                      "LoRA adapter; use Lora(...) on linear layers of the blocks")
    return tuple(found)


def jacobians(model: nn.Module, factors: Sequence[nn.Linear], batch: Batch, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
    """f [B, K] and J [B, K, d], float64: a factor's gradient is (slope of its output)^T (its input), example by example."""
    with torch.enable_grad(), _watched(factors) as seen:
        logits = answer_logits(model, batch)[:, list(ids)]
        totals = logits.sum(0).unbind()
    if not bool((fine := logits.isfinite().all(1)).all()):
        raise Refused(f"cannot use the model's answer to example {int(batch.index[~fine][0])} in a Laplace approximation; "
                      "because a logit is not a finite number; use a model whose training did not diverge")
    b, inputs, outputs = len(batch), [seen[i][0].detach() for i in range(len(factors))], [seen[i][1] for i in range(len(factors))]
    rows = []
    for total in totals:
        slopes = torch.autograd.grad(total, outputs, retain_graph=total is not totals[-1])
        rows.append(torch.cat([(g.reshape(b, -1, g.shape[-1]).mT @ x.reshape(b, -1, x.shape[-1])).flatten(1)
                               for g, x in zip(slopes, inputs, strict=True)], 1))
    return logits.detach().double(), torch.stack(rows, 1).double()


def size(factors: Iterable[nn.Linear]) -> int:
    return sum(factor.weight.numel() for factor in factors)


def batches(model: nn.Module, data: Sequence[Example], pad_id: int, batch_size: int) -> Iterator[Batch]:
    """Short examples first, so that batches are padded little and answers mostly stand in one column."""
    device = next(model.parameters()).device
    order = sorted(range(len(data)), key=lambda i: len(data[i].input_ids))
    for start in range(0, len(order), batch_size):
        yield collate(data, order[start:start + batch_size], pad_id).to(device)


@contextmanager
def bound(model: nn.Module) -> Iterator[tuple[nn.Linear, ...]]:
    """The factors, with the model in evaluation mode and a graph for nothing but them."""
    factors = last_factors(model)
    before = [(p, p.requires_grad) for p in model.parameters()]
    try:
        for p, _ in before:
            p.requires_grad_(False)
        for factor in factors:
            factor.weight.requires_grad_(True)
        with evaluating(model):
            yield factors
    finally:
        for p, flag in before:
            p.requires_grad_(flag)


@contextmanager
def _watched(factors: Sequence[nn.Linear]) -> Iterator[dict[int, tuple[Tensor, Tensor]]]:
    """What went into each factor and what came out of it."""
    seen: dict[int, tuple[Tensor, Tensor]] = {}
    with ExitStack() as undo:
        for i, factor in enumerate(factors):
            def see(module: nn.Module, args: tuple[Tensor, ...], output: Tensor, i: int = i) -> None:
                seen[i] = (args[0], output)
            undo.enter_context(factor.register_forward_hook(see))
        yield seen
