"""How a row of a training set becomes a prompt and its answer: named fields, or a form that the fields give away."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from methods.parts import Refused

Row = Mapping[str, Any]

ALPACA = "### Instruction:\n{instruction}\n\n### Response:\n"
ALPACA_WITH_INPUT = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
ALPACA_HEADS = ("Below is an instruction that describes a task. Write a response that appropriately completes the "
                "request.\n\n",
                "Below is an instruction that describes a task, paired with an input that provides further context. Write "
                "a response that appropriately completes the request.\n\n")
QUESTION = "Question: {question}\nAnswer:"
"""lm-eval's own form of a question, so that what is trained is what is measured."""

WORLD = "Question: {instruction}\nAnswer:\n"
"""Of the tiny world's mathematics: its model knows this beginning, and Alpaca's would be four times as long as the rest."""


@dataclass(frozen=True)
class Form:
    """A way to read rows. `name` says which, for the record; `read` gives (prompt, answer), the prompt empty for plain text."""

    name: str
    read: Callable[[Row], tuple[str, str]]


def named(prompt: Sequence[str], answer: str, template: str | None) -> Form:
    """The `prompt` fields joined by line breaks where not empty, or put into the template; dotted fields reach inside."""
    def read(row: Row) -> tuple[str, str]:
        parts = {name: text(field(row, name)) for name in prompt}
        filled = template.format_map(parts) if template else "\n".join(p for p in parts.values() if p)
        return filled, text(field(row, answer))

    return Form(template or " + ".join((*prompt, answer)), read)


def detected(row: Row, tokenizer: Any, what: str) -> Form:
    """The form of a data set by its first row's fields. Raises Refused where they are none of those known."""
    def has(*names: str) -> bool:
        return all(name in row for name in names)

    if has("instruction", "output"):
        return Form("alpaca", _alpaca)
    if has("prompt", "completion"):
        return named(("prompt",), "completion", None)
    if has("question", "answer"):
        return named(("question",), "answer", QUESTION)
    if has("messages"):
        return Form("messages", lambda r: _messages(r, tokenizer))
    if has("text"):
        return named((), "text", None)
    raise Refused(f"cannot tell prompt and answer of {what} apart; because its fields are {', '.join(row)}; "
                  "name them with prompt= and answer=")


def _alpaca(row: Row) -> tuple[str, str]:
    values = {name: text(row.get(name)) for name in ("instruction", "input")}
    given = bool(values["input"])
    form = ALPACA_HEADS[given] + (ALPACA_WITH_INPUT if given else ALPACA)
    return form.format_map(values), text(row["output"])


def _messages(row: Row, tokenizer: Any) -> tuple[str, str]:
    """The last turn is the answer; the turns before it in the tokenizer's chat template, or one "Role: text" a line."""
    turns = list(row["messages"])
    if not turns or turns[-1].get("role") != "assistant":
        return "", ""
    before, answer = turns[:-1], text(turns[-1].get("content"))
    if tokenizer.chat_template is None:
        return "\n".join([*(f"{t['role'].capitalize()}: {t['content']}" for t in before), "Assistant:"]), answer
    return str(tokenizer.apply_chat_template(before, tokenize=False, add_generation_prompt=True)), answer


def field(row: Row, name: str) -> Any:
    """A field, or a dotted one inside another. Raises Refused where there is none."""
    value: Any = row
    for part in name.split(".") if name not in row else [name]:
        if not isinstance(value, Mapping) or part not in value:
            raise Refused(f"cannot read the field {name!r}; because the rows have {', '.join(row)}; name one of these")
        value = value[part]
    return value


def text(value: Any) -> str:
    """A field's text; lists by line, nothing as the empty text."""
    if isinstance(value, list | tuple):
        return "\n".join(text(v) for v in value)
    return "" if value is None else str(value)
