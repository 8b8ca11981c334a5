"""In-context learning: solved examples in front of the question, a blank line between them.

The demonstrations are the first rows of the train split as seed 0 permutes it, the same for every item, in this order.
Where a text is longer than the model's context, whole demonstrations are left out, the first one first, never a part of one.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from methods.parts import Refused
from suites.fewshot import permuted
from suites.glue.coding import Reader
from suites.glue.rows import read
from suites.glue.task import Item, Task, item

SEED = 0
BETWEEN = "\n\n"


@dataclass(frozen=True)
class Solved:
    """A demonstration and the blank line behind it, and about how many tokens they are."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Shown:
    """The text in front of an item, and how many demonstrations it holds."""

    text: str
    shots: int


def demonstrations(task: Task, source: Path | None, shots: int, reader: Reader) -> list[Solved]:
    """`shots` solved examples. Refused for masked models, whose texts are one example long, and for sets too small."""
    if not shots:
        return []
    if reader.mask is not None:
        raise Refused(f"cannot show {shots} examples in the prompts of {task}; because a masked model's text is one example; "
                      "use a causal model, or no shots")
    rows = read(task, "train", source)
    if len(rows) < shots:
        raise Refused(f"cannot show {shots} examples in the prompts of {task}; because its train split has {len(rows)}; "
                      "use fewer shots")
    order = permuted(len(rows), SEED, train=shots, dev=0).train
    texts = [solved(task, item(task, rows[i], "")) + BETWEEN for i in order]
    return [Solved(text, _length(reader, text)) for text in texts]


def solved(task: Task, asked: Item) -> str:
    """An item with its right answer, the first where there are several."""
    return asked.prompt + (f" {asked.answers[0]}" if task.generated else asked.options[asked.gold[0]])


def shown(examples: Sequence[Solved], asked: Item, reader: Reader, reserve: int) -> Shown:
    """As many of the last demonstrations as fit with the item's longest option and `reserve` tokens for an answer."""
    if not examples:
        return Shown("", 0)
    own = asked.prompt + max(asked.options, key=len, default="")
    left = reader.room - reserve - _length(reader, own)
    first = len(examples)
    while first > 0 and examples[first - 1].tokens <= left:
        first, left = first - 1, left - examples[first - 1].tokens
    while _length(reader, text := "".join(e.text for e in examples[first:]) + own) + reserve > reader.room \
            and first < len(examples):
        first += 1
    return Shown(text.removesuffix(own), len(examples) - first)


def _length(reader: Reader, text: str) -> int:
    return len(reader.tokenizer(text, verbose=False)["input_ids"])
