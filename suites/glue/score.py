"""What a model makes of coded items: a score per option from one forward pass, or a text, token by token."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import LogitsProcessorList

from methods.examples import Example, collate
from methods.likelihood import answer_counts, answer_logits, logits_of, token_losses
from methods.parts import Batch, Refused
from suites.glue.coding import Coded, Reader
from suites.stopping import NOT_A_NUMBER, Numbers, row_stops

NEW_TOKENS = 50
"""The longest answer that is generated."""


class Job(NamedTuple):
    """One text to read: the item it is of, and the words whose log-probabilities are wanted (none: its own answer's)."""

    item: int
    example: Example
    words: tuple[int, ...]


@torch.no_grad()
def scores(model: nn.Module, coded: Sequence[Coded], reader: Reader, batch_size: int) -> list[list[float]]:
    """Per item and option the mean log-probability of its tokens, in nats. Raises Refused at a NaN."""
    jobs = [Job(item, example, c.words) for item, c in enumerate(coded) for example in c.examples]
    values: list[list[float]] = [[] for _ in jobs]
    for index in _batches(jobs, batch_size):
        batch = collate([job.example for job in jobs], index, reader.pad).to(next(model.parameters()).device)
        words = torch.tensor([jobs[i].words for i in index], dtype=torch.long, device=batch.labels.device)
        made = word_scores(model, batch, words, reader.mask) if words.numel() else whole_scores(model, batch)[:, None]
        if bool(torch.isnan(made).any()):
            raise Refused(NOT_A_NUMBER)
        for i, row in zip(index, made.tolist(), strict=True):
            values[i] = row
    found: list[list[float]] = [[] for _ in coded]
    for job, row in zip(jobs, values, strict=True):
        found[job.item] += row
    return found


def word_scores(model: nn.Module, batch: Batch, words: Tensor, mask: int | None) -> Tensor:
    """words [B, C] -> [B, C] log-probabilities of the words in the place of the answer, among the whole vocabulary."""
    logits = answer_logits(model, batch, mask)
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1).gather(1, words)


def whole_scores(model: nn.Module, batch: Batch) -> Tensor:
    """[B] mean log-probability of the answers' tokens."""
    return -token_losses(logits_of(model, batch), batch.labels).sum(1) / answer_counts(batch)


def _batches(jobs: Sequence[Job], size: int) -> Iterator[list[int]]:
    """Positions of jobs of one kind and of like length together."""
    for number in sorted({len(job.words) for job in jobs}):
        alike = [i for i, job in enumerate(jobs) if len(job.words) == number]
        alike.sort(key=lambda i: len(jobs[i].example.input_ids))
        for start in range(0, len(alike), size):
            yield alike[start:start + size]


@torch.no_grad()
def generated(model: nn.Module, prompts: Sequence[Sequence[int]], reader: Reader, batch_size: int) -> list[str]:
    """The likeliest token again and again, to a line break or `NEW_TOKENS`. Prompts are padded on the left."""
    answers = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    device = next(model.parameters()).device
    for start in range(0, len(order), batch_size):
        index = order[start:start + batch_size]
        width = max(len(prompts[i]) for i in index)
        ids = torch.tensor([[reader.pad] * (width - len(prompts[i])) + list(prompts[i]) for i in index], device=device)
        mask = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in index], device=device)
        made = model.generate(  # type: ignore[operator]
            input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=reader.pad,
            logits_processor=LogitsProcessorList([Numbers()]),
            stopping_criteria=row_stops(reader.tokenizer, ["\n"], width, len(index)))
        for i, row in zip(index, made[:, width:].tolist(), strict=True):
            answers[i] = reader.tokenizer.decode(row, skip_special_tokens=True).partition("\n")[0].strip()
    return answers
