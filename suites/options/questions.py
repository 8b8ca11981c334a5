"""A question with lettered options, and how the rows of each benchmark become one."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from methods.parts import Refused
from suites.forms import field

Row = Mapping[str, Any]
LETTERS = tuple("ABCDEFGHIJ")


@dataclass(frozen=True)
class Question:
    """The prompt ends where the letter is expected; `gold` is the right one's position among `options` letters."""

    prompt: str
    options: int
    gold: int
    source: str
    fact: str
    """What it hangs on; questions that share it are not independent."""


def lettered(question: str, options: Sequence[str], intro: str = "") -> str:
    """lm-eval's layout of MMLU: the question, one option a line, "Answer:"."""
    lines = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False))
    return f"{intro}{question.strip()}\n{lines}\nAnswer:"


def mmlu(row: Row) -> Question:
    subject = str(field(row, "subject"))
    intro = f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"
    prompt = lettered(field(row, "question"), field(row, "choices"), intro)
    return Question(prompt, len(row["choices"]), int(field(row, "answer")), subject, _fact(row, prompt))


def by_key(row: Row) -> Question:
    """CommonsenseQA, OpenBookQA and ARC: options with labels of their own, one of which is the key."""
    text = row["question_stem"] if "question_stem" in row else field(row, "question")
    options, labels = field(row, "choices.text"), list(field(row, "choices.label"))
    if row["answerKey"] not in labels:
        raise Refused(f"cannot use a question whose key is {row['answerKey']!r}; because its options are {', '.join(labels)}; "
                      "use a split whose answers are public")
    prompt = lettered(text, options)
    return Question(prompt, len(options), labels.index(row["answerKey"]), "", _fact(row, prompt))


def social_iqa(row: Row) -> Question:
    prompt = lettered(f"{field(row, 'context')} {field(row, 'question')}", [row["answerA"], row["answerB"], row["answerC"]])
    return Question(prompt, 3, int(field(row, "label")) - 1, "", str(field(row, "context")))  # several ask about one context


def agieval(row: Row) -> Question:
    """The query holds its options, and ends where the letter is expected."""
    prompt = str(field(row, "query"))
    return Question(prompt, len(field(row, "choices")), int(field(row, "gold")[0]), "", _fact(row, prompt))


FORMS: Mapping[str, Callable[[Row], Question]] = {
    "mmlu": mmlu, "by key": by_key, "social_iqa": social_iqa, "agieval": agieval}


def _fact(row: Row, prompt: str) -> str:
    return str(row.get("fact") or prompt)
