"""What a judge is shown: FastChat's templates filled with question, answers and reference, byte for byte.

Source: FastChat, fastchat/llm_judge/common.py (run_judge_single, run_judge_pair) and gen_judgment.py (which prompt for which
question). Mathematics, reasoning and coding are judged beside a reference; turn 2 is judged with the whole conversation.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from methods.parts import Refused
from suites.mt_bench import formats
from suites.mt_bench.formats import JudgePrompt, ModelAnswer, Question

WITH_REFERENCE = ("math", "reasoning", "coding")
NAMES = {("single", False): "single-v1", ("single", True): "single-math-v1",
         ("pair", False): "pair-v2", ("pair", True): "pair-math-v1"}
Prompts = Mapping[str, JudgePrompt]


@dataclass(frozen=True)
class Filled:
    """A prompt ready to be sent; `name` goes into the judgment's record."""

    name: str
    system_prompt: str
    user_prompt: str


def read_prompts(path: Path) -> Prompts:
    return {prompt.name: prompt for prompt in formats.read(JudgePrompt, path)}


def needs_reference(question: Question) -> bool:
    return question.category in WITH_REFERENCE


def name(mode: Literal["single", "pair"], turn: int, referenced: bool) -> str:
    return NAMES[mode, referenced] + ("-multi-turn" if turn == 2 else "")


def single(prompts: Prompts, question: Question, answer: ModelAnswer, turn: int, reference: ModelAnswer | None = None, *,
           referenced: bool | None = None) -> Filled:
    """The prompt that grades one answer. `referenced` overrides what the question's category asks for (None)."""
    beside = needs_reference(question) if referenced is None else referenced
    shown = _question(question, turn) | _answer(answer, turn, "answer") | _reference(question, reference, turn, beside)
    return _filled(prompts, name("single", turn, beside), shown)


def pair(prompts: Prompts, question: Question, first: ModelAnswer, second: ModelAnswer, turn: int,
         reference: ModelAnswer | None = None, *, referenced: bool | None = None) -> Filled:
    """The prompt that compares two answers, the first of them as assistant A."""
    beside = needs_reference(question) if referenced is None else referenced
    shown = (_question(question, turn) | _answer(first, turn, "answer_a") | _answer(second, turn, "answer_b")
             | _reference(question, reference, turn, beside))
    return _filled(prompts, name("pair", turn, beside), shown)


def games(prompts: Prompts, question: Question, model_1: ModelAnswer, model_2: ModelAnswer, turn: int,
          reference: ModelAnswer | None = None, *, referenced: bool | None = None) -> tuple[Filled, Filled]:
    """Both games of a pair: model_1 as A, then model_2 as A."""
    return (pair(prompts, question, model_1, model_2, turn, reference, referenced=referenced),
            pair(prompts, question, model_2, model_1, turn, reference, referenced=referenced))


def _question(question: Question, turn: int) -> dict[str, str]:
    if turn not in (1, 2):
        raise Refused(f"cannot judge turn {turn}; because there are prompts for turns 1 and 2 alone; use one of these")
    texts = _first(question.turns, turn, f"question {question.question_id}")
    return {"question": texts[0]} if turn == 1 else {"question_1": texts[0], "question_2": texts[1]}


def _answer(answer: ModelAnswer, turn: int, field: str) -> dict[str, str]:
    texts = _first(answer.turns, turn, f"{answer.model_id}'s answer to question {answer.question_id}")
    return {field: texts[0]} if turn == 1 else {f"{field}_1": texts[0], f"{field}_2": texts[1]}


def _reference(question: Question, reference: ModelAnswer | None, turn: int, beside: bool) -> dict[str, str]:
    if not beside:
        return {}
    if reference is None:
        raise Refused(f"cannot judge question {question.question_id} without a reference; because {question.category} is judged "
                      f"beside one; use a file of references ({ModelAnswer.where}), or ask for a prompt without")
    texts = _first(reference.turns, turn, f"the reference to question {question.question_id}")
    return {f"ref_answer_{i}": text for i, text in enumerate(texts, start=1)}


def _first(texts: Iterable[str], turn: int, what: str) -> list[str]:
    found = list(texts)[:turn]
    if len(found) < turn:
        raise Refused(f"cannot judge turn {turn}; because {what} has no turn {turn}; use turn 1, or complete it")
    return found


def _filled(prompts: Prompts, wanted: str, shown: dict[str, str]) -> Filled:
    if wanted not in prompts:
        raise Refused(f"cannot ask a judge with the prompt {wanted}; because the prompts are {', '.join(prompts) or 'none'}; use "
                      f"a file that has it ({JudgePrompt.where})")
    prompt = prompts[wanted]
    try:
        return Filled(wanted, prompt.system_prompt, prompt.prompt_template.format(**shown))
    except (KeyError, IndexError, ValueError) as error:
        raise Refused(f"cannot fill the template of {wanted}; because of its field {error}, where there are "
                      f"{', '.join(shown)}; mend the file of judge prompts") from error
