"""Prompts and answers to tokenised examples.

Prompt and answer are joined by one space unless one of them brings white space, as lm-eval joins them; the end token
follows the answer. A text longer than `longest` is cut on the right, so prompts stay whole; a row with no answer token
left is dropped and counted. Text without a prompt is not cut but goes on in further examples.
"""
from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from methods.examples import Example
from methods.parts import Refused

AT_ONCE = 1000
"""Texts that the tokenizer gets in one call."""


@dataclass(frozen=True)
class Text:
    """A row as read."""

    prompt: str
    answer: str
    source: str
    fact: str


@dataclass(frozen=True)
class Loaded:
    """Examples, how their rows were read, and what became of the rest: rows dropped, rows cut on the right."""

    examples: list[Example]
    form: str
    dropped: int
    cut: int


def encode(texts: Iterable[Text], tokenizer: Any, longest: int, *, form: str = "",
           most_tokens: int | None = None) -> Loaded:
    """Examples of at most `longest` tokens, in order, until `most_tokens` are reached."""
    examples: list[Example] = []
    dropped = cut = tokens = 0
    for text, ids, start in _tokens(texts, tokenizer):
        if tokens >= (math.inf if most_tokens is None else most_tokens):
            break
        full = ids if ids and ids[-1] == tokenizer.eos_token_id else [*ids, *_end(tokenizer)]
        pieces = _pieces(full, longest, whole=bool(text.prompt))
        made = [Example(tuple(p), start, text.source, text.fact) for p in pieces if len(p) > max(1, start)]
        if not text.answer.strip() or not made:
            dropped += 1
            continue
        examples += made
        tokens += sum(len(e.input_ids) for e in made)
        cut += bool(text.prompt) and len(full) > longest
    return Loaded(examples, form, dropped, cut)


def _tokens(texts: Iterable[Text], tokenizer: Any) -> Iterator[tuple[Text, list[int], int]]:
    """Each text with its tokens and the first of them that touches the answer."""
    if not tokenizer.is_fast:
        raise Refused(f"cannot use the tokenizer {type(tokenizer).__name__}; because it does not say which token holds which "
                      "character; use a fast one (tokenizer.json)")
    remaining = iter(texts)
    while block := list(itertools.islice(remaining, AT_ONCE)):
        joined = [t.prompt + _between(t) + t.answer for t in block]
        coded = tokenizer(joined, verbose=False, return_attention_mask=False, return_token_type_ids=False)
        for i, (text, whole) in enumerate(zip(block, joined, strict=True)):
            ids = coded["input_ids"][i]
            places = (coded.char_to_token(i, at) for at in range(len(text.prompt), len(whole)))
            first = next((p for p in places if p is not None), len(ids)) if text.prompt else 0
            yield text, ids, first


def _between(text: Text) -> str:
    return "" if not text.prompt or text.prompt[-1].isspace() or text.answer[:1].isspace() else " "


def _pieces(ids: Sequence[int], longest: int, *, whole: bool) -> list[Sequence[int]]:
    return [ids[:longest]] if whole else [ids[at:at + longest] for at in range(0, len(ids), longest)]


def _end(tokenizer: Any) -> list[int]:
    return [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
