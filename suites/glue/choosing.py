"""How well a model chooses among the label words of tokenised examples: for watching a training, without a task's texts."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from methods.examples import Example, collate
from methods.modes import evaluating
from methods.parts import Refused
from suites.clusters import clustered_mean
from suites.glue.score import word_scores
from suites.suite import Score


@torch.no_grad()
def choice(model: nn.Module, examples: Sequence[Example], *, mask: int | None, pad_id: int,
           batch_size: int) -> tuple[Score, Score]:
    """(accuracy, cross-entropy in nats) of the examples' answers among all answers that occur; ties go to the lowest id.

    `mask` is the mask token of a masked model. The mode of the model is kept. Raises Refused for an answer of several
    tokens, and where no two answers differ.
    """
    if any(e.answer_tokens != 1 for e in examples):
        raise Refused("cannot watch the choice on these examples; because an answer is more than one token; watch the loss")
    words = sorted({e.input_ids[e.answer_from] for e in examples})
    if len(words) < 2:
        raise Refused(f"cannot watch the choice on {len(examples)} examples; because their answers do not differ; use more")
    device = next(model.parameters()).device
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].input_ids))
    right, losses = [0.0] * len(examples), [0.0] * len(examples)
    for start in range(0, len(order), batch_size):
        index = order[start:start + batch_size]
        batch = collate(examples, index, pad_id).to(device)
        with evaluating(model):
            scores = word_scores(model, batch, torch.tensor([words] * len(index), device=device), mask).log_softmax(1)
        gold = [words.index(examples[i].input_ids[examples[i].answer_from]) for i in index]
        for i, g, row in zip(index, gold, scores.tolist(), strict=True):
            right[i], losses[i] = float(row.index(max(row)) == g), -row[g]
    weights, facts = [1.0] * len(right), [e.fact or str(i) for i, e in enumerate(examples)]
    return clustered_mean(right, weights, facts), clustered_mean(losses, weights, facts)
