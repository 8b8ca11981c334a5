"""Rows of a task as training examples: the prompt and the right label word, option or text."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from methods.examples import Example
from methods.parts import Refused
from suites.fewshot import Short
from suites.glue.coding import Coded, Reader, code, reader_of, shortened
from suites.glue.rows import Row, split
from suites.glue.task import Item, Task, item
from suites.glue.tasks import find


@dataclass(frozen=True)
class Prepared:
    """What training on a task takes: examples, the dev rows to choose by, the label words' tokens, the mask, what is short."""

    task: Task
    train: list[Example]
    dev: list[Example]
    dev_rows: tuple[Row, ...]
    words: tuple[int, ...]
    mask: int | None
    short: tuple[Short, ...]


def prepare(name: str, model: nn.Module, tokenizer: Any, *, source: Path | None, seed: int, k: int | None = None) -> Prepared:
    """A task's split for a model whose objective is LabelWords(words, mask). Raises Refused as `find` and `word_ids` do."""
    reader = reader_of(model, tokenizer)
    task = find(name, reader.mask is not None, source)
    made = split(task, source, seed=seed, k=k)
    words = word_ids(task, [*made.train, *made.dev], reader)
    train, dev = (examples(task, rows, reader) for rows in (made.train, made.dev))
    return Prepared(task, train, dev, made.dev, words, reader.mask, made.short)


def examples(task: Task, rows: Sequence[Row], reader: Reader) -> list[Example]:
    """One example per row: the loss is on the right option, or on the first accepted text and the line break behind it."""
    return [_right(task, asked, reader) for asked in _items(task, rows, reader)]


def word_ids(task: Task, rows: Sequence[Row], reader: Reader) -> tuple[int, ...]:
    """The token of each label word, for the objective LabelWords. Raises Refused where a word is not one token."""
    if not rows:
        raise Refused(f"cannot tell the label words of {task}; because no row was given; use a split with rows")
    found = {_words(task, asked, code(task, asked, reader)) for asked in _items(task, rows, reader)}
    if len(found) > 1:
        raise Refused(f"cannot use the label words of {task} with this tokenizer; because their tokens depend on the text "
                      "before them; use Nll")
    return found.pop()


def _items(task: Task, rows: Sequence[Row], reader: Reader) -> list[Item]:
    return [item(task, shortened(task, row, reader)[0], f"{task.name}/train/{i}") for i, row in enumerate(rows)]


def _words(task: Task, asked: Item, coded: Coded) -> tuple[int, ...]:
    if coded.words:
        return coded.words
    if task.generated or task.per or len({*asked.options} & {*task.options}) < len(asked.options):
        raise Refused(f"cannot take label words from {task}; because its answers differ from row to row; use Nll")
    long = next((o for o, e in zip(asked.options, coded.examples, strict=True) if e.answer_tokens > 1), asked.options[0])
    raise Refused(f"cannot use the label word {long!r} of {task}; because this tokenizer makes more than one token of it; "
                  "use Nll, or a word that is one token")


def _right(task: Task, asked: Item, reader: Reader) -> Example:
    """The item with its first right answer in place."""
    right = f" {asked.answers[0]}\n" if task.generated else asked.options[asked.gold[0]]
    coded = code(task, replace(asked, options=(right,), gold=(0,)), reader)
    return coded.examples[0]
