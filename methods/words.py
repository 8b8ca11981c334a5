"""Label words: the tokens among which an answer is chosen, as objectives over them share them."""
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from methods import anatomy
from methods.examples import IGNORE
from methods.likelihood import answer_counts
from methods.parts import Batch, Refused


def known(ids: tuple[int, ...]) -> None:
    """Raises Refused for words that are given and are no choice."""
    if len(ids) == 1 or len(set(ids)) < len(ids):
        raise Refused(f"cannot use the label words {ids}; because a choice needs two different tokens at least; "
                      "use one token per class")


def words(part: object, ids: tuple[int, ...], mask: int | None, model: nn.Module, batches: Iterator[Batch]) -> Tensor:
    """[C] the label words `ids`, or where none are given those that answer the examples, in order of their ids.

    Refuses a model of the other kind, an answer that is none of them, and fewer than two.
    """
    if anatomy.read(model).predicts_next != (mask is None):
        kind = "masked" if mask is None else "causal"
        raise Refused(f"cannot use {part} with {type(model).__name__}; because the model is {kind}; "
                      f"use mask={'the id of the mask token' if mask is None else None}")
    given, found = torch.tensor(ids, dtype=torch.long), set[int]()
    for batch in batches:
        answers = first_answers(batch)
        fits = answer_counts(batch) == 1
        if ids:
            fits &= torch.isin(answers, given.to(answers.device))
        if not bool(fits.all()):
            worst = int(batch.index[~fits][0])
            raise Refused(f"cannot use {part} on example {worst}; because its answer is not one of these tokens; "
                          "use examples whose answer is a label word of one token, or Nll")
        found.update(answers.tolist())
    if not ids and len(found) < 2:
        raise Refused(f"cannot use {type(part).__name__} on these examples; because all have one answer; use examples of every "
                      "class, or name the words")
    return given if ids else torch.tensor(sorted(found))


def gold(batch: Batch, ids: Tensor) -> Tensor:
    """[B] which of the words [C] answers each row."""
    return (first_answers(batch)[:, None] == ids).int().argmax(1)


def first_answers(batch: Batch) -> Tensor:
    """[B] the first answer token of each row."""
    place = (batch.labels != IGNORE).int().argmax(1, keepdim=True)
    return batch.input_ids.gather(1, place)[:, 0]
