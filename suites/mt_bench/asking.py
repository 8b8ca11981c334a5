"""What a judge is to be asked about some answers: a score for each, or two games for every two models.

Source: FastChat, fastchat/llm_judge/gen_judgment.py: single, pairwise-all, pairwise-baseline.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from methods.parts import Refused
from suites.mt_bench.formats import ModelAnswer, Question
from suites.mt_bench.prompts import Prompts, games, single
from suites.mt_bench.wanted import Asked, AskedGame


@dataclass(frozen=True)
class Sheet:
    """Questions, how a judge is asked about them, and the references beside which some are judged."""

    questions: Sequence[Question]
    prompts: Prompts
    references: Sequence[ModelAnswer] = ()
    _known: dict[int, Question] = field(init=False, repr=False, compare=False)
    _beside: dict[int, ModelAnswer] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", {q.question_id: q for q in self.questions})
        object.__setattr__(self, "_beside", {r.question_id: r for r in self.references})

    def scores(self, answers: Iterable[ModelAnswer]) -> list[Asked]:
        """Both turns of every answer. Raises Refused for an answer to no question, or without a reference it needs."""
        asked = []
        for answer in answers:
            question = self._question(answer)
            for turn in range(1, len(question.turns) + 1):
                p = single(self.prompts, question, answer, turn, self._beside.get(answer.question_id))
                asked.append(Asked(answer.question_id, turn, answer.model_id, p.system_prompt, p.user_prompt, p.name))
        return asked

    def games(self, answers: Iterable[ModelAnswer], baseline: str | None = None) -> list[AskedGame]:
        """Both games of every two models (or of every model and the baseline) on all that both answered, both turns. The models
        of a pair stand in the order of their names. Raises Refused as `scores` does, and for fewer than two models."""
        by_model: dict[str, dict[int, ModelAnswer]] = {}
        for answer in answers:
            by_model.setdefault(answer.model_id, {})[answer.question_id] = answer
        asked = []
        for one, two in matches(sorted(by_model), baseline):
            for number, first in by_model[one].items():
                if number in by_model[two]:
                    asked += self._both(first, by_model[two][number])
        if not asked:
            raise Refused(f"cannot compare {', '.join(by_model)}; because no question was answered by two of them; use answers "
                          "to the same questions")
        return asked

    def _both(self, first: ModelAnswer, second: ModelAnswer) -> list[AskedGame]:
        question, number = self._question(first), first.question_id
        return [AskedGame(number, turn, first.model_id, second.model_id, swapped, p.system_prompt, p.user_prompt, p.name)
                for turn in range(1, len(question.turns) + 1)
                for swapped, p in zip((False, True), games(self.prompts, question, first, second, turn, self._beside.get(number)),
                                      strict=True)]

    def _question(self, answer: ModelAnswer) -> Question:
        if answer.question_id not in self._known:
            raise Refused(f"cannot judge {answer.model_id}'s answer to question {answer.question_id}; because the questions "
                          "given have none of that number; use the questions that were answered")
        return self._known[answer.question_id]


def matches(models: Sequence[str], baseline: str | None) -> list[tuple[str, str]]:
    """Pairs of models. Raises Refused for fewer than two, and for a baseline that is not among them."""
    if baseline is not None and baseline not in models:
        raise Refused(f"cannot compare with {baseline}; because the answers are by {', '.join(models)}; use answers of the "
                      "baseline too")
    found = [pair for pair in combinations(models, 2) if baseline in (None, *pair)]
    if not found:
        raise Refused(f"cannot compare pairs of answers; because they are all by {', '.join(models) or 'nobody'}; use answers of "
                      "two models")
    return found
