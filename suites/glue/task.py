"""A task as data, and an item: what is asked, between which options or for which text."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from methods.parts import Refused
from suites.forms import field
from suites.glue.template import fill

MASK = "[M]"
"""The place of the answer in a masked model's template."""
Form = Literal["mask", "next", "world"]
"""mask: RoBERTa's templates. next: OPT's. world: those that the tiny world's base model was pretrained on."""
PLACE = "@placeholder"


@dataclass(frozen=True)
class Task:
    """One task in one form. `options` are templates, one per label; none where the answer is generated.

    A causal model's answer follows the template, a masked model's stands at its [M]. Where `per` names a field, there is
    an option for each of its entries, which takes the place of @placeholder.
    """

    name: str
    form: Form
    data: str
    """Hub id."""
    config: str | None
    template: str
    options: tuple[str, ...] = ()
    label: str = "label"
    per: str | None = None
    answers: str | None = None
    """The field of the accepted texts, where there is no label."""
    test: str = "validation"
    dev: int = 500
    """Dev rows of the protocol without k."""
    most: int | None = None
    """Tokens of a masked model's text (None: the model's own limit)."""
    first: int | None = None
    """Tokens of its first field."""

    @property
    def generated(self) -> bool:
        return not self.options

    @property
    def metrics(self) -> tuple[str, ...]:
        """The first is the task's own; generated answers are judged by F1 and exact match."""
        return ("f1", "em") if self.generated else ("acc",)

    def __str__(self) -> str:
        return f"{self.name} ({self.form})"


@dataclass(frozen=True)
class Item:
    """What one row asks. `rest` follows the answer; `gold` are the right options, `answers` the accepted texts."""

    prompt: str
    rest: str
    options: tuple[str, ...]
    gold: tuple[int, ...]
    answers: tuple[str, ...]
    fact: str


def item(task: Task, row: Mapping[str, Any], fact: str) -> Item:
    """A row as an item. `fact` is the name of a row that carries none. Raises Refused where a field is missing."""
    before, _, after = task.template.partition(MASK)
    options, gold, answers = _asked(task, row)
    return Item(fill(before, row), fill(after, row), options, gold, answers, str(row.get("fact") or fact))


def _asked(task: Task, row: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """Options, the right ones among them, accepted texts."""
    texts = tuple(dict.fromkeys(field(row, task.answers))) if task.answers else ()
    if task.per is not None:
        entries = tuple(field(row, task.per))
        options = tuple(fill(task.options[0], row).replace(PLACE, entry) for entry in entries)
        gold = tuple(i for i, entry in enumerate(entries) if entry in texts)
    else:
        options = tuple(fill(option, row) for option in task.options)
        gold = (label_of(task, row),) if options else ()
    if not (gold or (texts and task.generated)):
        raise Refused(f"cannot use a row of {task}; because no right answer is among {options or texts}; leave it out")
    return options, gold, texts


def label_of(task: Task, row: Mapping[str, Any]) -> int:
    """The row's label. Refused where it is none of the task's."""
    label = field(row, task.label)
    if not isinstance(label, int) or not 0 <= label < len(task.options):
        raise Refused(f"cannot use the label {label!r} of {task}; because it has the labels 0 to {len(task.options) - 1}; "
                      "leave the row out, or name another field")
    return label
