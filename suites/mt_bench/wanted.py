"""What is wanted of a judge: a score of one answer, or one game of a pair of answers."""
from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol


class Wanted(Protocol):
    """One request to a judge. Laws: two of one key are the same judgment; `str` names it in a sentence."""

    @property
    def question_id(self) -> int: ...
    @property
    def turn(self) -> int: ...
    @property
    def system(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def prompt_name(self) -> str:
        """The name of the judge's instructions."""
    @property
    def key(self) -> Hashable: ...


@dataclass(frozen=True)
class Asked:
    """A score that is wanted. `model`: whose answer is judged."""

    question_id: int
    turn: int
    model: str
    system: str
    user: str
    prompt_name: str

    @property
    def key(self) -> tuple[int, int, str]:
        return self.question_id, self.turn, self.model

    def __str__(self) -> str:
        return f"question {self.question_id}, turn {self.turn}, {self.model}"


@dataclass(frozen=True)
class AskedGame:
    """One of the two games of a pair. `swapped`: model_2 is shown first, as assistant A."""

    question_id: int
    turn: int
    model_1: str
    model_2: str
    swapped: bool
    system: str
    user: str
    prompt_name: str

    @property
    def pair(self) -> tuple[int, int, str, str]:
        return self.question_id, self.turn, self.model_1, self.model_2

    @property
    def key(self) -> tuple[int, int, str, str, bool]:
        return *self.pair, self.swapped

    def __str__(self) -> str:
        first, second = (self.model_2, self.model_1) if self.swapped else (self.model_1, self.model_2)
        return f"question {self.question_id}, turn {self.turn}, {first} before {second}"
