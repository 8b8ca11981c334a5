"""Verdicts out of a judge's words.

A rating is the first `[[n]]`, else the first `[n]`, as in FastChat (fastchat/llm_judge/common.py). Departures: a rating outside
1 to 10 is unparsable, where FastChat keeps it; and a text that names several winners is unparsable, where FastChat takes A
before B before a tie, which would favour the answer shown first.
"""
from __future__ import annotations

import re
from typing import Literal

from suites.mt_bench.judgments import Winner

LOWEST, HIGHEST = 1, 10
FAILED = "$ERROR$"
"""What FastChat writes in place of a judgment that no judge gave: the call failed."""
Policy = Literal["exclude", "lowest"]
"""What an unparsable verdict counts: nothing, or the lowest score. It is counted and shown in both cases."""
POLICIES: tuple[Policy, ...] = ("exclude", "lowest")
_NUMBER = r"([0-9]+(?:\.[0-9]*)?)"
_RATINGS = (re.compile(rf"\[\[{_NUMBER}\]\]"), re.compile(rf"\[{_NUMBER}\]"))
_WINNERS = re.compile(r"\[\[([ABC])\]\]")


def rating(text: str) -> float | None:
    """The rating, a whole number where it is written as one; None where there is none from 1 to 10."""
    for pattern in _RATINGS:
        found = pattern.search(text)
        if found:
            value = float(found[1]) if "." in found[1] else int(found[1])
            return value if within(value) else None
    return None


def winner(text: str) -> Literal["A", "B", "tie", "error"]:
    """Who wins by `[[A]]`, `[[B]]` or `[[C]]` (a tie); "error" where the text names none, or several."""
    named = set(_WINNERS.findall(text))
    if len(named) != 1:
        return "error"
    verdicts: dict[str, Literal["A", "B", "tie"]] = {"A": "A", "B": "B", "C": "tie"}
    return verdicts[named.pop()]


def winning_model(text: str, *, swapped: bool) -> Winner:
    """The winner under the models' names in a pair's record; `swapped`: model_2 was shown as A (the second game)."""
    found = winner(text)
    if found in ("tie", "error"):
        return "tie" if found == "tie" else "error"
    return "model_1" if (found == "A") != swapped else "model_2"


def within(score: float) -> bool:
    return LOWEST <= score <= HIGHEST
