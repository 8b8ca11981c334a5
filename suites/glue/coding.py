"""Items to tokens: the text behind which an option stands, or around which a mask stands.

A causal model's text that is too long loses its beginning (what the tokenizer puts in front stays), a masked model's the
ends of its fields, the first field first, so that neither the template nor the mask is lost.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peft import PeftModel
from torch import nn
from transformers import GenerationMixin

from methods.examples import Example
from methods.parts import Refused
from suites.glue.task import MASK, Item, Task
from suites.glue.template import fields, fill


@dataclass(frozen=True)
class Reader:
    """A tokenizer as a model uses it: how many tokens fit, and the mask's id for a masked model (None: causal)."""

    tokenizer: Any
    room: int
    mask: int | None

    @property
    def pad(self) -> int:
        """The padding token, or the end token, or 0: padded places are masked."""
        ids = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0)
        return int(next(i for i in ids if i is not None))


@dataclass(frozen=True)
class Coded:
    """An item's options as examples. `words`: the token ids of the options where each is one token behind the same text;
    the one example then stands for all of them."""

    examples: tuple[Example, ...]
    words: tuple[int, ...]
    cut: bool


def reader_of(model: nn.Module, tokenizer: Any) -> Reader:
    """Raises Refused for a model that is neither causal nor masked, and for a tokenizer without a mask for a masked one."""
    plain: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    masked = type(plain).__name__.endswith("ForMaskedLM")
    if not (masked or isinstance(plain, GenerationMixin)):
        raise Refused(f"cannot evaluate a {type(plain).__name__}; because it neither goes on with a text nor fills a mask; "
                      "use a causal or a masked language model")
    if masked and tokenizer.mask_token_id is None:
        raise Refused(f"cannot use {type(plain).__name__} with this tokenizer; because it has no mask token; use the model's own")
    virtual = [c.num_virtual_tokens for c in model.peft_config.values() if c.is_prompt_learning] \
        if isinstance(model, PeftModel) else []
    offset = int(plain.config.pad_token_id) + 1 if masked and plain.config.model_type == "roberta" else 0
    room = int(plain.config.max_position_embeddings) - offset - sum(virtual)
    return Reader(tokenizer, room, tokenizer.mask_token_id if masked else None)


def code(task: Task, asked: Item, reader: Reader, before: str = "") -> Coded:
    """An item's options, with `before` (demonstrations) in front of it. Refused: a label word of several tokens, masked."""
    made = [_option(task, asked, option, reader, before) for option in asked.options]
    examples, cut = tuple(e for e, _ in made), any(c for _, c in made)
    if all(e.answer_tokens == 1 for e in examples) and len({_around(e) for e in examples}) == 1:
        return Coded(examples[:1], tuple(e.input_ids[e.answer_from] for e in examples), cut)
    if reader.mask is None:
        return Coded(examples, (), cut)
    worst = next((o for o, e in zip(asked.options, examples, strict=True) if e.answer_tokens > 1), asked.options[0])
    raise Refused(f"cannot use the label word {worst!r} of {task}; because it is not one token and there is one mask; "
                  "use a tokenizer that has it, or another word")


def _around(example: Example) -> tuple[Sequence[int], Sequence[int]]:
    """What stands before and behind an answer."""
    return example.input_ids[:example.answer_from], example.input_ids[example.answer_end:]


def _option(task: Task, asked: Item, option: str, reader: Reader, before: str) -> tuple[Example, bool]:
    """One option in its place, and whether the text was cut."""
    prompt = before + asked.prompt
    ids, start, stop = _tokens(reader.tokenizer, prompt, option, asked.rest)
    if reader.mask is not None:
        return Example(tuple(ids), start, task.data, asked.fact, stop), False
    ids = ids[:stop]
    excess, front = len(ids) - reader.room, _front(reader.tokenizer)
    if excess > 0 and start - front - excess < 1:
        raise Refused(f"cannot use the option {option!r} of {task}; because the model reads {reader.room} tokens, too few for "
                      "it and a prompt; use a model with a longer context")
    if excess > 0:
        ids, start = [*ids[:front], *ids[front + excess:]], start - excess
    return Example(tuple(ids), start, task.data, asked.fact), excess > 0


def _tokens(tokenizer: Any, prompt: str, option: str, rest: str) -> tuple[list[int], int, int]:
    """The ids of the whole text, and where the option's begin and end: the tokens that touch it."""
    if not tokenizer.is_fast:
        raise Refused(f"cannot use the tokenizer {type(tokenizer).__name__}; because it does not say which token holds which "
                      "character; use a fast one (tokenizer.json)")
    coded = tokenizer(prompt + option + rest, verbose=False)
    places = [coded.char_to_token(at) for at in range(len(prompt), len(prompt) + len(option))]
    touched = [p for p in places if p is not None]
    return list(coded["input_ids"]), min(touched), max(touched) + 1


def _front(tokenizer: Any) -> int:
    """How many tokens the tokenizer puts in front of a text."""
    return list(tokenizer("a")["input_ids"]).index(tokenizer("a", add_special_tokens=False)["input_ids"][0])


def shortened(task: Task, row: Mapping[str, Any], reader: Reader) -> tuple[Mapping[str, Any], bool]:
    """A masked model's row whose fields are cut until its text fits, and whether one was."""
    if reader.mask is None:
        return row, False
    most = min(reader.room, task.most or reader.room)
    names, cut = fields(task.template), False
    for number, name in enumerate(names):
        limit = task.first if number == 0 and task.first else most
        while (excess := max(_length(task, row, reader) - most, _count(reader, row[name]) - limit)) > 0 and row[name]:
            row, cut = {**row, name: _keep(reader, row[name], _count(reader, row[name]) - excess)}, True
    if _length(task, row, reader) > most:
        raise Refused(f"cannot use {task}; because its template alone is longer than {most} tokens; "
                      "use a model with a longer context")
    return row, cut


def _length(task: Task, row: Mapping[str, Any], reader: Reader) -> int:
    return len(reader.tokenizer(fill(task.template.replace(MASK, task.options[0]), row), verbose=False)["input_ids"])


def _count(reader: Reader, text: str) -> int:
    return len(reader.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _keep(reader: Reader, text: str, tokens: int) -> str:
    """The text of its first tokens."""
    coded = reader.tokenizer(text, add_special_tokens=False, verbose=False)
    return text[:coded.token_to_chars(tokens - 1).end] if tokens > 0 else ""
