"""The tiny world's two-turn questions, and the judge that needs no model: a rule tells whether an answer is right.

A right answer gets 10, any other 1; what it says is "Rating: [[10]]", so that its judgments go the way of all others.
"""
from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.parts import Refused
from suites import data
from suites.mt_bench.formats import ModelAnswer, Question
from suites.mt_bench.judgments import Single
from suites.mt_bench.verdicts import rating
from suites.mt_bench.wanted import Asked

SET, JUDGE = "world/two-turn", ("rule", "world-v1")
RIGHT, WRONG = 10.0, 1.0


def there(root: Path) -> bool:
    """Whether the folder is a tiny world."""
    return (root / SET).is_dir()


def questions(root: Path, split: str = "test") -> list[Question]:
    """Each with its rules in `row["answers"]`, one a turn."""
    rows = [dict(row) for row in data.rows(data.DataSet(SET, root=root), split)]
    return [Question(int(r["question_id"]), r["category"], tuple(r["turns"]), (), r | {"answers": _rules(r["answers"])})
            for r in rows]


@dataclass(frozen=True)
class RuleJudge:
    """A judge (see `judges.Judge`) whose instruction is a rule: it says what the answer gets."""

    name: str = JUDGE[0]

    def __call__(self, system: str, user: str) -> str:
        return f"Rating: [[{RIGHT if holds(json.loads(system), user) else WRONG:g}]]"


def wanted(asked: Sequence[Question], answers: Sequence[ModelAnswer]) -> list[Asked]:
    """A score of every turn of every answer, by its question's rule. Raises Refused for a question without a rule for it."""
    known, found = {q.question_id: q for q in asked}, []
    for answer in answers:
        rules = _rules(known[answer.question_id].row.get("answers") or ()) if answer.question_id in known else []
        if len(rules) < len(answer.turns):
            raise Refused(f"cannot judge question {answer.question_id} by rule; because it has {len(rules)} rules for "
                          f"{len(answer.turns)} answers; use the tiny world's questions, or a judge that reads")
        found += [Asked(answer.question_id, turn, answer.model_id, json.dumps(rule), text, JUDGE[1])
                  for turn, (rule, text) in enumerate(zip(rules, answer.turns, strict=False), start=1)]
    return found


def judge(asked: Sequence[Question], answers: Sequence[ModelAnswer]) -> list[Single]:
    """A judgment of every turn. Raises Refused as `wanted` does."""
    says = RuleJudge()
    judged = [(a, says(a.system, a.user)) for a in wanted(asked, answers)]
    return [Single(a.question_id, a.model, JUDGE, a.user, said, rating(said), a.turn, time.time()) for a, said in judged]


def holds(rule: Mapping[str, Any], answer: str) -> bool:
    """equals: the whole answer; contains, contains_all: a whole word or phrase of it. Case, spaces and a
    final stop do not count."""
    kind, value, said = rule["rule"], rule["value"], _plain(answer)
    if kind == "equals":
        return said == _plain(str(value))
    wanted = value if isinstance(value, list) else [value]
    if kind not in ("contains", "contains_all"):
        raise Refused(f"cannot judge by the rule {kind!r}; because there is none; use equals, contains or contains_all")
    return all(re.search(rf"(?<!\w){re.escape(_plain(str(word)))}(?!\w)", said) is not None for word in wanted)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")


def _rules(of: Any) -> list[dict[str, Any]]:
    """Rules as they stand in the file, whatever its reader made of values of two kinds."""
    rules = [json.loads(rule) if isinstance(rule, str) else dict(rule) for rule in of]
    return [{**rule, "value": _value(rule["value"])} for rule in rules]


def _value(value: Any) -> str | list[str]:
    """A text or a list of texts; readers of JSON make numbers of "40"."""
    read = json.loads(value) if isinstance(value, str) and value.startswith("[") else value
    return [str(v) for v in read] if isinstance(read, list) else str(read)
