"""`repro judge`: a judge's verdicts on answers to MT-Bench, resumable, the cost told before the first call.

The judge is a server that speaks OpenAI's chat completions, a local Hugging Face model, or the tiny world's rule.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    from suites.mt_bench.asking import Sheet
    from suites.mt_bench.formats import Question
    from suites.mt_bench.grading import Outcome
    from suites.mt_bench.judges import Judge
    from suites.mt_bench.wanted import Wanted

Price = Annotated[float | None, typer.Option(min=0, help="Per million tokens, for the estimate.")]
MODES = ("single", "pair")


def judge(
    answers: Annotated[list[Path], typer.Option("--answers", help="FastChat's model_answer file of a model that is judged; may "
                                                "be repeated.")],
    out: Annotated[Path, typer.Option("--out", help="The file of judgments, new or of the same judging cut short.")],
    questions: Annotated[Path | None, typer.Option("--questions", help="FastChat's question.jsonl. Default: the questions on "
                                                   "the Hub, or with --rule the tiny world's.")] = None,
    prompts: Annotated[Path | None, typer.Option("--prompts", help="FastChat's judge_prompts.jsonl; a rule needs none.")] = None,
    references: Annotated[Path | None, typer.Option("--references", help="Reference answers, for mathematics, reasoning and "
                                                    "coding: GPT-4's, or a corrected set.")] = None,
    model: Annotated[str | None, typer.Option("--judge", help="The judge's name: at the server, or in the file for a local "
                                              "model.")] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Any server that speaks OpenAI's chat completions. Default: "
                                                 "OpenAI's.")] = None,
    local: Annotated[str | None, typer.Option("--local", help="A Hugging Face model as judge: a folder or Hub id.")] = None,
    template: Annotated[Path | None, typer.Option("--template", help="The local judge's chat template (a Jinja file). Default: "
                                                  "its tokenizer's own.")] = None,
    rule: Annotated[bool, typer.Option("--rule", help="Judge the tiny world's questions by their rules.")] = False,
    mode: Annotated[str, typer.Option("--mode", help="single: a score for each answer. pair: every two models, each shown "
                                      "first once.")] = "single",
    baseline: Annotated[str | None, typer.Option("--baseline", help="Pairs with this model alone.")] = None,
    key_variable: Annotated[str, typer.Option("--key-variable", help="NAME of the environment variable with the key; a key is "
                                              "never given itself.")] = "OPENAI_API_KEY",
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Requests at a time.")] = 4,
    per_minute: Annotated[float | None, typer.Option("--per-minute", min=0.01, help="Requests a minute, at most.")] = None,
    price_in: Price = None,
    price_out: Price = None,
    yes: Annotated[bool, typer.Option("--yes", help="Go on after the estimate without a question.")] = False,
) -> None:
    """Have a judge grade answers, turn by turn, or compare them in pairs; judgments go to a file in FastChat's format as they
    arrive."""
    from repro.store import spoken
    from suites.mt_bench import formats
    from suites.mt_bench.formats import ModelAnswer

    check(mode, baseline, rule, prompts, {"--judge": model, "--local": local, "--base-url": base_url, "--template": template})
    given = [a for path in answers for a in formats.read(ModelAnswer, path)]
    with judging(model, base_url, local, template, rule, key_variable) as who, spoken(out.parent):
        asked = wanted(questions, prompts, references, given, rule, mode, baseline)
        paid = not rule and local is None
        found = carried_out(asked, who, out, mode, concurrency, per_minute, (price_in, price_out), yes or not paid)
    print(found)
    if not found.complete:
        raise typer.Exit(1)


def check(mode: str, baseline: str | None, rule: bool, prompts: Path | None, who: dict[str, Any]) -> None:
    """Raises Refused for options that do not go together."""
    from methods.parts import Refused

    if mode not in MODES:
        raise Refused(f"cannot judge in the mode {mode!r}; because the modes are {' and '.join(MODES)}; use one of these")
    if baseline is not None and mode == "single":
        raise Refused("cannot use --baseline with --mode single; because a score is of one answer; use --mode pair")
    if rule and (mode == "pair" or any(who.values())):
        other = "--mode pair" if mode == "pair" else next(name for name, value in who.items() if value)
        raise Refused(f"cannot use {other} with --rule; because a rule tells right from wrong by itself; leave one of them out")
    if who["--local"] and who["--base-url"]:
        raise Refused("cannot use --local with --base-url; because a judge is a model here or one at a server; leave one out")
    if who["--template"] and not who["--local"]:
        raise Refused("cannot use --template without --local; because a server has its own; leave it out")
    if not rule and not who["--judge"] and not who["--local"]:
        raise Refused("cannot judge without a judge; because none is named; use --judge NAME (a model at a server), --local "
                      "MODEL, or --rule on the tiny world")
    if not rule and prompts is None:
        from suites.mt_bench.formats import JudgePrompt

        raise Refused(f"cannot ask a judge without --prompts; because its instructions are not ours to bring along; name a "
                      f"file of judge prompts ({JudgePrompt.where})")


@contextmanager
def judging(model: str | None, base_url: str | None, local: str | None, template: Path | None, rule: bool,
            key_variable: str) -> Iterator[Judge]:
    """The judge that the options name."""
    from suites.mt_bench.judges import LocalJudge, OpenAiJudge

    if rule:
        from suites.mt_bench.world import RuleJudge

        yield RuleJudge()
    elif local is not None:
        from repro import devices
        from suites import models

        loaded, tokenizer = models.load(local, device=devices.torch_device("auto"))
        own = template.read_text() if template else tokenizer.chat_template or ""
        yield LocalJudge(model or Path(local).name, loaded, tokenizer, own)
    else:
        server = OpenAiJudge(str(model), base_url, key_variable)
        try:
            yield server
        finally:
            server.close()


def wanted(questions: Path | None, prompts: Path | None, references: Path | None, given: Sequence[Any], rule: bool, mode: str,
           baseline: str | None) -> Sequence[Wanted]:
    """What is to be judged. Raises Refused for an answer to no question; says what has no answer, and which files are not
    MT-Bench's own."""
    from repro.commands.answering import read
    from repro.scales import get

    asked = read(questions, get("tiny").source() if rule else None)
    left = len({q.question_id for q in asked} - {a.question_id for a in given})
    if left:
        say(f"{left} of {len(asked)} questions have no answer and are not judged.")
    if rule:
        from suites.mt_bench.world import wanted as by_rule

        return by_rule(asked, given)
    sheet = sheet_of(asked, prompts, references)
    for note in unknown(questions, prompts, references):
        say(note)
    return sheet.scores(given) if mode == "single" else sheet.games(given, baseline)


def sheet_of(asked: Sequence[Question], prompts: Path | None, references: Path | None) -> Sheet:
    from suites.mt_bench import formats
    from suites.mt_bench.asking import Sheet
    from suites.mt_bench.formats import ModelAnswer
    from suites.mt_bench.prompts import read_prompts

    return Sheet(asked, read_prompts(prompts) if prompts else {}, formats.read(ModelAnswer, references) if references else ())


def unknown(questions: Path | None, prompts: Path | None, references: Path | None) -> list[str]:
    """A sentence for each file that is not MT-Bench's own, by SHA-256: scores are then not comparable with others'."""
    from suites.mt_bench import known
    from suites.mt_bench.formats import JudgePrompt, ModelAnswer, Question

    files: tuple[tuple[type, Path | None], ...] = ((Question, questions), (JudgePrompt, prompts), (ModelAnswer, references))
    return [f"{path} is not {known.NAMES[kind]} (SHA-256); scores with it are not those of the usual MT-Bench."
            for kind, path in files if path is not None and known.digest(path) != known.DIGESTS[kind]]


def carried_out(asked: Sequence[Any], who: Judge, out: Path, mode: str, concurrency: int, per_minute: float | None,
                prices: tuple[float | None, float | None], yes: bool) -> Outcome:
    """With the estimate before the first call, and a bar on a terminal."""
    from suites.mt_bench.estimate import agreed, estimate
    from suites.mt_bench.grading import grade, play
    from suites.mt_bench.judges import LONGEST
    from suites.mt_bench.verdicts import rating

    def go(missing: Sequence[Wanted]) -> bool:
        found = estimate(missing, who.name, LONGEST, *prices)
        say(str(found))
        return agreed(found, yes)

    with bar(len(asked)) as watch:
        if mode == "pair":
            return play(asked, who, out, concurrency, per_minute, watch, go=go)
        return grade(asked, who, out, concurrency, per_minute, watch, parse=rating, go=go)


@contextmanager
def bar(total: int) -> Iterator[Callable[[int, int], None]]:
    """Shown on a terminal, and not before the question about the cost is answered."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, auto_refresh=False, disable=not console.is_terminal) as bars:
        line = bars.add_task("judging", total=total, visible=False)
        yield lambda done, of: bars.update(line, completed=done, total=of, visible=True, refresh=True)


def say(text: str) -> None:
    Console(stderr=True).print(text, soft_wrap=True, markup=False, highlight=False)
