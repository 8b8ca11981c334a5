"""FastChat's judgments: a verdict on one answer, and two verdicts on a pair of answers, each shown first once.

Source: FastChat, fastchat/llm_judge/common.py (play_a_match_single, play_a_match_pair). A score that FastChat writes as -1 (no
verdict was found) is None here, and is written as it was read.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import ClassVar, Literal, Self

from suites.mt_bench import fields
from suites.mt_bench.fields import NO_SCORE
from suites.mt_bench.jsonl import Row

Winner = Literal["model_1", "model_2", "tie", "error"]


@dataclass(frozen=True)
class Single:
    """A judge's verdict on one answer at one turn. `judge` is (the judge's name, the prompt's name)."""

    question_id: int
    model: str
    judge: tuple[str, str]
    user_prompt: str
    judgment: str
    score: float | None
    turn: int
    tstamp: float = 0.0
    row: Row = field(default_factory=dict, compare=False, repr=False)
    where: ClassVar[str] = "a judge's own output, model_judgment/JUDGE_single.jsonl"

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(fields.question_id(row), fields.text(row, "model"), fields.judge(row), fields.text(row, "user_prompt"),
                   fields.text(row, "judgment"), fields.score(row), fields.turn(row), fields.number(row, "tstamp", 0.0), row)

    def as_row(self) -> Row:
        unscored = self.row["score"] if "score" in self.row and fields.score(self.row) is None else NO_SCORE
        return fields.over(self.row, {"question_id": self.question_id, "model": self.model, "judge": list(self.judge),
                                      "user_prompt": self.user_prompt, "judgment": self.judgment,
                                      "score": unscored if self.score is None else self.score, "turn": self.turn},
                           {"tstamp": self.tstamp})


@dataclass(frozen=True)
class Pair:
    """Two verdicts on a pair of answers: in the first game model_1 is shown as A, in the second as B."""

    question_id: int
    model_1: str
    model_2: str
    g1_winner: Winner
    g2_winner: Winner
    judge: tuple[str, str]
    g1_user_prompt: str
    g1_judgment: str
    g2_user_prompt: str
    g2_judgment: str
    turn: int
    tstamp: float = 0.0
    row: Row = field(default_factory=dict, compare=False, repr=False)
    where: ClassVar[str] = "a judge's own output, model_judgment/JUDGE_pair.jsonl"

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(fields.question_id(row), fields.text(row, "model_1"), fields.text(row, "model_2"),
                   fields.winner(row, "g1_winner"), fields.winner(row, "g2_winner"), fields.judge(row),
                   fields.text(row, "g1_user_prompt"), fields.text(row, "g1_judgment"), fields.text(row, "g2_user_prompt"),
                   fields.text(row, "g2_judgment"), fields.turn(row), fields.number(row, "tstamp", 0.0), row)

    def as_row(self) -> Row:
        names = ("question_id", "model_1", "model_2", "g1_winner", "g2_winner", "judge", "g1_user_prompt", "g1_judgment",
                 "g2_user_prompt", "g2_judgment", "turn")
        return fields.over(self.row, {**{name: getattr(self, name) for name in names}, "judge": list(self.judge)},
                           {"tstamp": self.tstamp})


@dataclass(frozen=True)
class Game:
    """One game of a pair, kept until the other is there too; FastChat has no such record. `swapped`: model_2 was shown as A."""

    question_id: int
    model_1: str
    model_2: str
    swapped: bool
    judge: tuple[str, str]
    user_prompt: str
    judgment: str
    turn: int
    tstamp: float
    where: ClassVar[str] = "written beside a file of pairs while it is not complete"

    @property
    def pair(self) -> tuple[int, int, str, str]:
        return self.question_id, self.turn, self.model_1, self.model_2

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(fields.question_id(row), fields.text(row, "model_1"), fields.text(row, "model_2"), fields.flag(row, "swapped"),
                   fields.judge(row), fields.text(row, "user_prompt"), fields.text(row, "judgment"), fields.turn(row),
                   fields.number(row, "tstamp"))

    def as_row(self) -> Row:
        return {**asdict(self), "judge": list(self.judge)}
