"""`repro judge`: a judge's scores for answers to MT-Bench, one by one, resumable, the cost told before the first call."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    from suites.mt_bench.grading import Asked, Outcome
    from suites.mt_bench.judges import OpenAiJudge

Price = Annotated[float | None, typer.Option(min=0, help="Per million tokens, for the estimate.")]


def judge(
    answers: Annotated[Path, typer.Option("--answers", help="FastChat's model_answer file of the model that is judged.")],
    questions: Annotated[Path, typer.Option("--questions", help="FastChat's question.jsonl.")],
    prompts: Annotated[Path, typer.Option("--prompts", help="FastChat's judge_prompts.jsonl.")],
    model: Annotated[str, typer.Option("--judge", help="The judge's name at the server.")],
    out: Annotated[Path, typer.Option("--out", help="The file of judgments, new or of the same judging cut short.")],
    references: Annotated[Path | None, typer.Option("--references", help="Reference answers, for mathematics, reasoning and "
                                                    "coding.")] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Any server that speaks OpenAI's chat completions. Default: "
                                                 "OpenAI's.")] = None,
    key_variable: Annotated[str, typer.Option("--key-variable", help="NAME of the environment variable with the key; a key is "
                                              "never given itself.")] = "OPENAI_API_KEY",
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Requests at a time.")] = 4,
    per_minute: Annotated[float | None, typer.Option("--per-minute", min=0.01, help="Requests a minute, at most.")] = None,
    price_in: Price = None,
    price_out: Price = None,
    yes: Annotated[bool, typer.Option("--yes", help="Go on after the estimate without a question.")] = False,
) -> None:
    """Have a judge grade answers, turn by turn; judgments go to a file in FastChat's format as they arrive."""
    from repro.store import spoken
    from suites.mt_bench.judges import OpenAiJudge

    asked = everything(answers, questions, prompts, references)
    judging = OpenAiJudge(model, base_url, key_variable)
    try:
        with spoken(out.parent):
            found = graded(asked, judging, out, concurrency, per_minute, (price_in, price_out), yes)
    finally:
        judging.close()
    print(found)
    if not found.complete:
        raise typer.Exit(1)


def everything(answers: Path, questions: Path, prompts: Path, references: Path | None) -> list[Asked]:
    """Both turns of every answer. Raises Refused for an answer to no question; says how many questions have no answer."""
    from methods.parts import Refused
    from suites.mt_bench import formats
    from suites.mt_bench.formats import ModelAnswer
    from suites.mt_bench.grading import Asked
    from suites.mt_bench.prompts import read_prompts, single

    known = {q.question_id: q for q in formats.read_questions(questions, None)}
    beside = {r.question_id: r for r in formats.read(ModelAnswer, references)} if references else {}
    templates, given = read_prompts(prompts), formats.read(ModelAnswer, answers)
    asked = []
    for answer in given:
        if answer.question_id not in known:
            raise Refused(f"cannot judge the answer to question {answer.question_id}; because {questions} has no such question; "
                          "use the questions that were answered")
        question = known[answer.question_id]
        for turn in range(1, len(question.turns) + 1):
            p = single(templates, question, answer, turn, beside.get(answer.question_id))
            asked.append(Asked(answer.question_id, turn, answer.model_id, p.system_prompt, p.user_prompt, p.name))
    left = len(known.keys() - {a.question_id for a in given})
    if left:
        say(f"{left} of {len(known)} questions have no answer in {answers} and are not judged.")
    return asked


def graded(asked: Sequence[Asked], judging: OpenAiJudge, out: Path, concurrency: int, per_minute: float | None,
           prices: tuple[float | None, float | None], yes: bool) -> Outcome:
    """With the estimate before the first call, and a bar on a terminal."""
    from suites.mt_bench.estimate import agreed, estimate
    from suites.mt_bench.grading import grade
    from suites.mt_bench.verdicts import rating

    def go(missing: Sequence[Asked]) -> bool:
        found = estimate(missing, judging.name, judging.max_tokens, *prices)
        say(str(found))
        return agreed(found, yes)

    console = Console(stderr=True)
    with Progress(console=console, transient=True, auto_refresh=False, disable=not console.is_terminal) as bars:
        line = bars.add_task("judging", total=len(asked), visible=False)  # not before the question is answered

        def watch(done: int, of: int) -> None:
            bars.update(line, completed=done, total=of, visible=True, refresh=True)

        return grade(asked, judging, out, concurrency, per_minute, watch, parse=rating, go=go)


def say(text: str) -> None:
    Console(stderr=True).print(text, soft_wrap=True, markup=False, highlight=False)
