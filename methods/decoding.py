"""Free text from an ensemble: all members write one text together, token by token.

p(next) = mean_m softmax(logits_m), at temperature 1; greedy takes its largest entry, else one is drawn from it. Every member
reads the common text through its own adapters and cache. Mixing whole texts instead is `vote`.

Departures: the paper (arXiv 2310.00035) scores options and writes no text; averaging next-token probabilities is what its
rule becomes there.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from methods.adapters import Adapters
from methods.parts import Refused
from methods.stacked import repeated, stacked


def generate(model: nn.Module, members: Sequence[Adapters], input_ids: Tensor, attention_mask: Tensor, max_new_tokens: int,
             eos: int | Sequence[int] | None, pad: int, generator: torch.Generator | None = None, **options: Any) -> Tensor:
    """[B, new] tokens that follow left-padded prompts [B, T]; what stands after an end token is `pad`.

    Greedy without a generator, else drawn. The model's own generation options are not used; Refused where some are given.
    """
    if options:
        raise Refused(f"cannot generate with {', '.join(options)}; because the members write one common text, greedily or by "
                      "single draws; use max_new_tokens, eos, pad and generator alone")
    _left_padded(attention_mask)
    with stacked(model, members):
        return decode(model, Common(len(members), generator), repeated(input_ids, len(members)),
                      repeated(attention_mask, len(members)), max_new_tokens, eos, pad)[:len(input_ids)]


def decode(model: Any, common: Common, input_ids: Tensor, attention_mask: Tensor, max_new_tokens: int,
           eos: int | Sequence[int] | None, pad: int, **options: Any) -> Tensor:
    """[M B, new] by transformers' own loop and cache, `common` choosing the tokens; member-major like its input."""
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        out: Tensor = model.generate(
            input_ids=input_ids, attention_mask=attention_mask, logits_processor=LogitsProcessorList([common]), **options,
            generation_config=GenerationConfig(max_new_tokens=max_new_tokens, do_sample=False, num_beams=1, eos_token_id=eos,
                                               pad_token_id=pad, use_cache=True))
    finally:
        model.generation_config = own
    return out[:, input_ids.shape[1]:]


class Common(LogitsProcessor):  # type: ignore[misc]
    """Scores [M B, V] of the members -> the same for all members of a question: those of the mean of their probabilities.

    With a generator the token is drawn here, and all others get -inf.
    """

    def __init__(self, members: int, generator: torch.Generator | None = None) -> None:
        self.members, self.generator = members, generator

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        mean = log_mean(scores.view(self.members, -1, scores.shape[-1]))
        if self.generator is not None:
            drawn = torch.multinomial(mean.exp(), 1, generator=self.generator)
            mean = torch.full_like(mean, -math.inf).scatter_(1, drawn, 0.0)
        return repeated(mean, self.members)


def log_mean(logits: Tensor) -> Tensor:
    """[M, B, V] logits -> [B, V] log of the mean over members of their probabilities."""
    return logits.log_softmax(-1).logsumexp(0) - math.log(len(logits))


def vote(texts: Sequence[Sequence[str]]) -> list[str]:
    """[M][B] answers -> [B] the most frequent; among equally frequent ones the earliest member's."""
    if not texts or len({len(member) for member in texts}) > 1:
        raise Refused(f"cannot vote on {[len(member) for member in texts]} answers; because every member gives one answer to "
                      "each question; use lists of one length, one for each member")
    return [Counter(answers).most_common(1)[0][0] for answers in zip(*texts, strict=True)]


def _left_padded(mask: Tensor) -> None:
    if bool((mask[:, 1:] < mask[:, :-1]).any()) or not bool(mask[:, -1].all()):
        raise Refused("cannot generate after prompts that are padded on the right; because the next token would follow the "
                      "padding; use padding on the left")
