"""FastChat's questions, answers (also references) and judge prompts, and how files of any of its records are read and written.

Source: FastChat, fastchat/llm_judge (common.py, gen_model_answer.py). Every record keeps the row it was read from, so that
reading and writing loses nothing: fields unknown here, further choices, the order of fields.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, Self, TypeVar

from suites.mt_bench import fields, jsonl
from suites.mt_bench.jsonl import BadLine, Row

CATEGORIES = ("writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities")
ORDER = ("question_id", "answer_id", "model_id", "choices", "tstamp")
FASTCHAT = "https://github.com/lm-sys/FastChat, folder fastchat/llm_judge/data"


@dataclass(frozen=True)
class Question:
    """A question of one or more turns; `reference` are the short notes that some questions carry (no judge sees them)."""

    question_id: int
    category: str
    turns: tuple[str, ...]
    reference: tuple[str, ...] = ()
    row: Row = field(default_factory=dict, compare=False, repr=False)
    where: ClassVar[str] = (f"it comes with {FASTCHAT}/mt_bench/question.jsonl; the questions are also on the Hub as "
                            "HuggingFaceH4/mt_bench_prompts")

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(fields.question_id(row), fields.text(row, "category"), fields.texts(row, "turns"),
                   fields.texts(row, "reference") if row.get("reference") else (), row)

    def as_row(self) -> Row:
        return fields.over(self.row, {"question_id": self.question_id, "category": self.category, "turns": list(self.turns)},
                           {"reference": list(self.reference)})


@dataclass(frozen=True)
class ModelAnswer:
    """A model's answer to every turn of a question (the first choice, which is the one that is judged), or a reference."""

    question_id: int
    model_id: str
    turns: tuple[str, ...]
    answer_id: str = ""
    tstamp: float = 0.0
    row: Row = field(default_factory=dict, compare=False, repr=False)
    where: ClassVar[str] = f"references come with {FASTCHAT}/mt_bench/reference_answer/gpt-4.jsonl; answers are a model's own"

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(fields.question_id(row), fields.text(row, "model_id"), fields.texts(fields.choices(row)[0], "turns"),
                   fields.text(row, "answer_id", ""), fields.number(row, "tstamp", 0.0), row)

    def as_row(self) -> Row:
        first, *others = fields.choices(self.row) if self.row else [{"index": 0}]
        known = {"question_id": self.question_id, "model_id": self.model_id,
                 "choices": [{**first, "turns": list(self.turns)}, *others]}
        made = fields.over(self.row, known, {"answer_id": self.answer_id, "tstamp": self.tstamp})
        return made if self.row else {name: made[name] for name in ORDER if name in made}


@dataclass(frozen=True)
class JudgePrompt:
    """A judge's instructions: the system's message and the template of the user's."""

    name: str
    type: str
    system_prompt: str
    prompt_template: str
    description: str = ""
    category: str = ""
    output_format: str = ""
    row: Row = field(default_factory=dict, compare=False, repr=False)
    where: ClassVar[str] = f"it comes with {FASTCHAT}/judge_prompts.jsonl"

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(fields.text(row, "name"), fields.text(row, "type"), fields.text(row, "system_prompt"),
                   fields.text(row, "prompt_template"), fields.text(row, "description", ""), fields.text(row, "category", ""),
                   fields.text(row, "output_format", ""), row)

    def as_row(self) -> Row:
        return fields.over(self.row, {name: getattr(self, name) for name in ("name", "type", "system_prompt", "prompt_template")},
                           {name: getattr(self, name) for name in ("description", "category", "output_format")})


class Record(Protocol):
    """What a file of records holds; `where` says where such a file is to be had."""

    where: ClassVar[str]

    @classmethod
    def of(cls, row: Row) -> Self: ...

    def as_row(self) -> Row: ...


Kind = TypeVar("Kind", bound=Record)


def read(kind: type[Kind], path: Path) -> list[Kind]:
    """The records of a file. Raises Refused with the file, the line and the reason."""
    return [record for _, record in _numbered(kind, path)]


def read_questions(path: Path, categories: Collection[str] | None = CATEGORIES) -> list[Question]:
    """Questions in the file's order. Raises Refused for an id that comes twice, and for a category that is not one of these."""
    found: dict[int, Question] = {}
    for number, question in _numbered(Question, path):
        if categories is not None and question.category not in categories:
            jsonl.refuse(path, number, f"the category {question.category!r} is none of {', '.join(categories)}")
        if question.question_id in found:
            jsonl.refuse(path, number, f"question {question.question_id} stands in the file already")
        found[question.question_id] = question
    return list(found.values())


def by_question(answers: Iterable[ModelAnswer]) -> dict[int, ModelAnswer]:
    """Answers of one model by question; of several to one question the last, as in FastChat."""
    return {answer.question_id: answer for answer in answers}


def write(path: Path, records: Iterable[Record]) -> None:
    jsonl.write(path, (record.as_row() for record in records))


def _numbered(kind: type[Kind], path: Path) -> Iterator[tuple[int, Kind]]:
    for number, row in jsonl.rows(path, kind.where):
        try:
            yield number, kind.of(row)
        except BadLine as error:
            jsonl.refuse(path, number, error)
