"""Questions in a model's tokens, and what a model says to them."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from methods.examples import Example, collate
from methods.likelihood import answer_logits
from methods.merged import adapters, merged
from methods.modes import evaluating
from methods.parts import Batch, Refused
from suites.options.questions import LETTERS, Question


@dataclass(frozen=True)
class Coded:
    """Questions as training examples whose answer is the right letter. `letters`: the tokens of A, B, ... behind a prompt."""

    examples: tuple[Example, ...]
    letters: tuple[int, ...]
    options: tuple[int, ...]
    """[N] how many options each has."""
    gold: tuple[int, ...]
    facts: tuple[str, ...]
    cut: int
    """Questions whose beginning was cut to fit."""

    def __len__(self) -> int:
        return len(self.examples)


def code(questions: Sequence[Question], tokenizer: Any, longest: int, shown: Sequence[Question] = ()) -> Coded:
    """`shown` stand before each prompt with their answers. What is too long loses its beginning.

    Raises Refused for a tokenizer to which a letter behind the prompt is not one token of its own.
    """
    before = "".join(f"{q.prompt} {LETTERS[q.gold]}\n\n" for q in shown)
    most = max(q.options for q in questions)
    letters = _letters(tokenizer, questions[0].prompt, most)
    examples, cut = [], 0
    for q in questions:
        ids = list(tokenizer(before + q.prompt).input_ids)
        kept = ids[-(longest - 1):]
        cut += len(kept) < len(ids)
        examples.append(Example((*kept, letters[q.gold]), len(kept), q.source, q.fact))
    return Coded(tuple(examples), letters, tuple(q.options for q in questions), tuple(q.gold for q in questions),
                 tuple(q.fact for q in questions), cut)


def _letters(tokenizer: Any, prompt: str, most: int) -> tuple[int, ...]:
    plain = list(tokenizer(prompt).input_ids)
    found = []
    for letter in LETTERS[:most]:
        ids = list(tokenizer(f"{prompt} {letter}").input_ids)
        if ids[:-1] != plain:
            raise Refused(f"cannot ask for a letter; because behind a prompt {letter!r} is not one token of its own in this "
                          "tokenizer; use another tokenizer, or a suite that scores whole options")
        found.append(int(ids[-1]))
    return tuple(found)


@torch.no_grad()
def log_probabilities(model: nn.Module, asked: Coded, *, pad_id: int, batch_size: int) -> Tensor:
    """[N, K] float32 of the letters, out of the whole vocabulary's softmax; -inf for options that a question does not have.

    Raises Refused where a logit is not a number.
    """
    with evaluating(model), merged(adapters(model)):
        return _asked(model, asked, pad_id, batch_size, 1)[0]


@torch.no_grad()
def sampled(model: nn.Module, asked: Coded, samples: int, seed: int, *, pad_id: int, batch_size: int) -> Tensor:
    """[S, N, K] as `log_probabilities` with dropout at work: MC dropout (Gal and Ghahramani, arXiv 1506.02142).

    Every row of a batch has a mask of its own, so that the samples go through the model side by side.
    Raises Refused where the model has no dropout.
    """
    with evaluating(model), _dropping(model), torch.random.fork_rng():
        torch.manual_seed(seed)
        return _asked(model, asked, pad_id, max(1, batch_size // samples), samples)


def _asked(model: nn.Module, asked: Coded, pad_id: int, batch_size: int, times: int) -> Tensor:
    """[times, N, K]"""
    device = next(model.parameters()).device
    out = torch.full((times, len(asked), len(asked.letters)), -torch.inf)
    letters = torch.tensor(asked.letters, device=device)
    for index, batch in _batches(asked, pad_id, batch_size):
        wide = Batch(*(t.repeat(times, *[1] * (t.dim() - 1)) for t in vars(batch).values())).to(device)
        logits = answer_logits(model, wide)
        found = logits.float().log_softmax(-1)[:, letters].view(times, len(index), -1)
        if not bool(torch.isfinite(found).all()):
            raise Refused(f"cannot read the answer to question {index[0]} or a neighbour; because a logit is not a number; use a "
                          "lower learning rate, or another precision")
        out[:, index] = found.cpu()
    there = torch.arange(out.shape[-1]) < torch.tensor(asked.options)[:, None]
    return out.masked_fill(~there, -torch.inf)


def _batches(asked: Coded, pad_id: int, batch_size: int) -> Iterator[tuple[list[int], Batch]]:
    order = sorted(range(len(asked)), key=lambda i: len(asked.examples[i].input_ids))
    for start in range(0, len(order), batch_size):
        index = order[start:start + batch_size]
        yield index, collate(asked.examples, index, pad_id)


@contextmanager
def _dropping(model: nn.Module) -> Iterator[None]:
    """Dropout modules alone in training mode."""
    found = [m for m in model.modules() if isinstance(m, nn.Dropout) and m.p > 0]
    if not found:
        raise Refused("cannot sample by dropout; because the model has none; use adapters with dropout > 0")
    for module in found:
        module.train()
    try:
        yield
    finally:
        for module in found:
            module.eval()
