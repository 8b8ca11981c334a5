"""`repro eval --suite mt_bench`: a model answers two turns of every question; a judge scores them afterwards."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from suites.mt_bench.formats import ModelAnswer, Question


def answer(model: str, revision: str | None, adapters: Sequence[str], source: Path | None, questions: Path | None,
           limit: int | None, template: str | None, batch_size: int, max_new_tokens: int, out: Path | None,
           machine: bool) -> None:
    """Answers, and writes them where `out` says. Raises Refused as `suites.mt_bench.answering.answer` does."""
    from methods.adapters import Adapters
    from repro import devices
    from repro.store import spoken
    from suites import models
    from suites.mt_bench import answering, formats

    asked = read(questions, source)[:limit]
    loaded, tokenizer = models.load(model, revision=revision)
    members = [Adapters.read(place, loaded) for place in adapters]
    found = answering.answer(loaded.to(devices.torch_device("auto")), tokenizer, asked, model_id=name_of(model, adapters),
                             template=template, batch_size=batch_size, max_new_tokens=max_new_tokens, members=members)
    if out is not None:
        with spoken(out.parent):
            formats.write(out, found.answers)
    by_rule = rule_scores(asked, found.answers) if all("answers" in q.row for q in asked) else {}
    told: dict[str, Any] = {"questions": len(asked), "turns": sum(len(a.turns) for a in found.answers),
                            "template": found.template, "prompts_cut": found.cut, "answers_unfinished": found.unfinished,
                            "new_tokens": found.new_tokens} | by_rule
    if machine:
        print(json.dumps(told | {"answers": [a.as_row() for a in found.answers]}, indent=1))
        return
    kept = f"Written to {escape(str(out))}; grade them" if out else "Keep them with --answers, and grade them"
    Console().print(f"{told['turns']} answers to {told['questions']} questions, {found.new_tokens} tokens; template "
                    f"{escape(found.template)}; {found.cut} prompts lost their beginning, {found.unfinished} answers did not end "
                    f"in time. {kept} with `python -m repro judge`.", soft_wrap=True)
    if by_rule:
        Console().print("By rule, 10 for a right answer and 1 for another: {rule_mean:.3f} ± {rule_stderr:.3f} (standard error, "
                        "questions as units); no judge's points.".format(**by_rule), soft_wrap=True)


def rule_scores(asked: Sequence[Question], answers: Sequence[ModelAnswer]) -> dict[str, float]:
    """Of the tiny world's questions."""
    from suites.mt_bench import clustered, world

    judged = world.judge(asked, answers)
    found = clustered.mean([j.score or 0.0 for j in judged], [j.question_id for j in judged])
    return {"rule_mean": found.mean, "rule_stderr": found.stderr}


def read(questions: Path | None, source: Path | None) -> list[Question]:
    """The questions of a file, or of a folder of data sets (the tiny world's own in the tiny world), or from the Hub."""
    from suites.mt_bench import formats, hub, world

    if questions is not None:
        return formats.read_questions(questions, None)
    return world.questions(source) if source is not None and world.there(source) else hub.questions(source)


def name_of(model: str, adapters: Sequence[str]) -> str:
    """What the answers are filed under."""
    return "+".join(Path(part).name for part in (model, *adapters))
