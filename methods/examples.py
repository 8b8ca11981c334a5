"""Tokenised examples and the batches made of them."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from methods.parts import Batch, Refused

IGNORE = -100
"""The label of a token that no loss is taken on."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training text. Loss is taken on the tokens from `answer_from` to `answer_to` (None: the end); the rest is prompt.

    `source` names the data set it came from, `fact` what it hangs on (items that share a fact are not independent).
    """

    input_ids: tuple[int, ...]
    answer_from: int
    source: str = ""
    fact: str = ""
    answer_to: int | None = None
    """Behind the answer's last token; a masked model's prompt goes on there."""

    def __post_init__(self) -> None:
        if self.answer_from < 0 or self.answer_tokens < 1:
            raise Refused(f"cannot use an example of {len(self.input_ids)} tokens whose answer starts at "
                          f"{self.answer_from}; because no answer token is left to learn; use a longer maximum length")

    @property
    def answer_tokens(self) -> int:
        """Tokens the loss is taken on; the first token of a text has no predecessor to be predicted from."""
        return self.answer_end - max(1, self.answer_from)

    @property
    def answer_end(self) -> int:
        """Behind the answer's last token."""
        return len(self.input_ids) if self.answer_to is None else min(self.answer_to, len(self.input_ids))


def collate(examples: Sequence[Example], index: Sequence[int], pad_id: int) -> Batch:
    """The examples at `index`, padded on the right to the longest of them."""
    if not index:
        raise Refused("cannot make a batch; because no example was given; use a data set that is not empty")
    rows = [examples[i] for i in index]
    width = max(len(r.input_ids) for r in rows)
    ids = torch.tensor([[*r.input_ids, *[pad_id] * (width - len(r.input_ids))] for r in rows])
    column = torch.arange(width)
    stop = torch.tensor([len(r.input_ids) for r in rows])[:, None]
    start = torch.tensor([r.answer_from for r in rows])[:, None]
    end = torch.tensor([r.answer_end for r in rows])[:, None]
    mask = (column < stop).long()
    labels = ids.masked_fill((column < start) | (column >= end), IGNORE)
    return Batch(ids, mask, labels, torch.as_tensor(index))


def digest(examples: Sequence[Example]) -> str:
    """A name for exactly these examples in this order."""
    hasher = hashlib.blake2b(digest_size=10)
    for example in examples:
        ends = () if example.answer_to is None else (example.answer_to,)
        hasher.update(repr((example.input_ids, example.answer_from, *ends)).encode())
    return hasher.hexdigest()
