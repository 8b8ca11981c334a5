"""A model's answers to MT-Bench: two turns of 80 questions, the second after its own answer to the first.

Source: FastChat, fastchat/llm_judge/gen_model_answer.py: temperatures by category, below 1e-4 greedy; at most 1,024 new tokens;
an answer ends at the template's stop. Questions of like length go through the model together, padded on the left.

Departures: a token is drawn by the question's own generator (seed, question, turn), so that an answer does not depend on who else
is in the batch; a prompt that does not leave room loses its beginning, which is counted, where FastChat lets the model fail; an
ensemble's next token comes from the mean of its members' probabilities (`methods.decoding`).
"""
from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LogitsProcessor

from methods.adapters import Adapters
from methods.decoding import decode, log_mean
from methods.modes import evaluating
from methods.parts import Refused
from methods.stacked import repeated, stacked
from methods.streams import Streams
from suites.mt_bench.conversing import Template
from suites.mt_bench.formats import ModelAnswer, Question

TEMPERATURES = {"writing": 0.7, "roleplay": 0.7, "extraction": 0.0, "math": 0.0, "coding": 0.0, "reasoning": 0.0, "stem": 0.1,
                "humanities": 0.1}
OTHER = 0.7
"""FastChat's for categories that it does not know."""
GREEDY = 1e-4
MOST_NEW = 1024


@dataclass(frozen=True)
class Answered:
    """A model's answers in the order of the questions; how many prompts were cut and how many answers did not end in time."""

    answers: tuple[ModelAnswer, ...]
    template: str
    cut: int
    unfinished: int
    new_tokens: int


def answer(model: nn.Module, tokenizer: Any, questions: Sequence[Question], *, model_id: str, template: str | None = None,
           batch_size: int = 16, max_new_tokens: int = MOST_NEW, seed: int = 0, members: Sequence[Adapters] = ()) -> Answered:
    """Answers every turn of every question. `members`: adapters on `model` that answer together.

    Raises Refused for no question, a template that is none, and a context without room for a prompt.
    """
    if not questions:
        raise Refused("cannot answer MT-Bench; because there is no question; give a file with some")
    chosen, room = Template.of(template, tokenizer), _room(model, max_new_tokens)
    said: list[list[str]] = [[] for _ in questions]
    cut = unfinished = new = 0
    for turn in range(max(len(q.turns) for q in questions)):
        asked = [i for i, q in enumerate(questions) if turn < len(q.turns)]
        prompts = {i: chosen.prompt(tokenizer, questions[i].turns[:turn + 1], said[i]) for i in asked}
        cut += sum(len(p) > room[0] for p in prompts.values())
        order = sorted(asked, key=lambda i: len(prompts[i]))
        for start in range(0, len(order), batch_size):
            index = order[start:start + batch_size]
            drawn = Drawn([_temperature(questions[i]) for i in index], [
                Streams(seed).generator(f"mt_bench/{questions[i].question_id}", turn) for i in index], len(members))
            tokens = _generate(model, tokenizer, [prompts[i][-room[0]:] for i in index], drawn, room[1], members)
            for i, row in zip(index, tokens, strict=True):
                kept, ended = _until(row, tokenizer.eos_token_id)
                unfinished, new = unfinished + (not ended), new + len(kept)
                said[i].append(chosen.ended(tokenizer.decode(kept, skip_special_tokens=True)))
    made = tuple(ModelAnswer(q.question_id, model_id, tuple(s), f"{model_id}-{q.question_id}-{seed}", time.time())
                 for q, s in zip(questions, said, strict=True))
    return Answered(made, chosen.name, cut, unfinished, new)


class Drawn(LogitsProcessor):  # type: ignore[misc]
    """Scores [M B, V] -> 0 at each row's next token, -inf elsewhere: the likeliest, or one drawn by the row's generator."""

    def __init__(self, temperatures: Sequence[float], generators: Sequence[torch.Generator], members: int = 0) -> None:
        self.temperatures, self.generators, self.members = temperatures, generators, max(1, members)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        mean = log_mean(scores.float().view(self.members, -1, scores.shape[-1])).cpu()
        picks = [int(row.argmax()) if t < GREEDY else int(torch.multinomial((row / t).softmax(-1), 1, generator=g))
                 for row, t, g in zip(mean, self.temperatures, self.generators, strict=True)]
        only = torch.full_like(mean, -math.inf)
        only[torch.arange(len(picks)), torch.tensor(picks)] = 0.0
        return repeated(only.to(scores), self.members)


def _generate(model: nn.Module, tokenizer: Any, prompts: Sequence[Sequence[int]], drawn: Drawn, new: int,
              members: Sequence[Adapters]) -> list[list[int]]:
    """[B] lists of new tokens."""
    device, pad = next(model.parameters()).device, tokenizer.pad_token_id
    pad = pad if pad is not None else tokenizer.eos_token_id or 0
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    with evaluating(model), torch.no_grad():
        if not members:
            return [[int(t) for t in row] for row in decode(model, drawn, ids, mask, new, tokenizer.eos_token_id, pad)]
        with stacked(model, members):
            many = decode(model, drawn, repeated(ids, len(members)), repeated(mask, len(members)), new,
                          tokenizer.eos_token_id, pad)
        return [[int(t) for t in row] for row in many[:len(prompts)]]


def _until(tokens: Sequence[int], eos: int | None) -> tuple[list[int], bool]:
    """Tokens up to the end token, and whether there was one."""
    return (list(tokens[:tokens.index(eos)]), True) if eos in tokens else (list(tokens), False)


def _temperature(question: Question) -> float:
    return TEMPERATURES.get(question.category, OTHER)


def _room(model: Any, new: int) -> tuple[int, int]:
    """Tokens for a prompt and for an answer: an answer takes half of the context at most."""
    context = int(getattr(model.config, "max_position_embeddings", 0) or 2**30)
    most = max(1, min(new, context // 2))
    if context - most < 1:
        raise Refused(f"cannot answer MT-Bench; because its context of {context} tokens has no room for a prompt; use another "
                      "model")
    return context - most, most
