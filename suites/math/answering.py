"""From texts to judged answers: programs run, numbers parsed, by both scorers, and who must be asked again.

A text that prints is run in the sandbox and what it prints is the answer; any other is parsed. Where a scorer finds no
answer, the question is asked again without the request for a program, and that text is taken for this scorer.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from methods.parts import Refused
from suites import sandbox
from suites.math import corrected, original
from suites.math.sets import Item

SECONDS = 5
"""That a program may compute for."""


@dataclass(frozen=True)
class Scorer:
    """One set of rules. An answer that is empty was not found."""

    name: str
    kept: Callable[[str], str]
    program: Callable[[str], str | None]
    printed: Callable[[str, str], str]
    parsed: Callable[[str, str], str]
    right: Callable[[str, str, str], bool]


CORRECTED = Scorer("corrected", corrected.kept, corrected.program, lambda out, name: corrected.printed(out) or "",
                   lambda text, name: corrected.said(text) or "",
                   lambda answer, reference, name: bool(answer) and corrected.matches(answer, reference))
ORIGINAL = Scorer("original", original.kept, original.program, original.printed, original.cleaned, original.matches)
SCORERS = (CORRECTED, ORIGINAL)


@dataclass(frozen=True)
class Answer:
    """What a scorer read in a text, and whether a program gave it."""

    text: str
    by_program: bool


def answers(texts: Sequence[str], name: str, scorer: Scorer) -> list[Answer]:
    """Each text's answer on the set `name`; the programs among them run side by side."""
    kept = [scorer.kept(text) for text in texts]
    programs = [scorer.program(text) for text in kept]
    outputs = ran([p for p in programs if p is not None])
    return [Answer(scorer.parsed(text, name), False) if p is None else Answer(scorer.printed(outputs[p].stdout, name), True)
            for text, p in zip(kept, programs, strict=True)]


def ran(programs: Sequence[str]) -> dict[str, sandbox.Outcome]:
    """Program -> what became of it; what it printed before it was ended counts."""
    found = sandbox.run_many(programs, sandbox.Limits(cpu_s=SECONDS, wall_s=4.0 * SECONDS))
    return dict(zip(programs, found, strict=True))


def resolved(items: Sequence[Item]) -> list[Item]:
    """Items whose reference is what their own program prints get it. Raises Refused where such a program fails."""
    outcomes = ran([item.worked for item in items if not item.reference])
    return [item if item.reference else item._replace(reference=_printed(item, outcomes[item.worked])) for item in items]


def _printed(item: Item, outcome: sandbox.Outcome) -> str:
    reference = corrected.printed(outcome.stdout) if outcome.ok else None
    if not reference:
        raise Refused(f"cannot score {item.question!r}; because its own program gives no answer "
                      f"({outcome.reason or 'it prints none'}); repair the row, or run on a machine that is less busy")
    return reference


def judged(item: Item, answer: Answer, name: str, scorer: Scorer) -> float:
    """1 where an answer is right."""
    return float(scorer.right(answer.text, item.reference, name))
