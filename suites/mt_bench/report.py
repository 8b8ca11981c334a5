"""All that can be said of some judgments, as tables: scores by judge, differences, agreement of judges, bias, pairs."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import pandas as pd

from suites.mt_bench import bias, compare, scores
from suites.mt_bench.formats import ModelAnswer, Question
from suites.mt_bench.layout import Judgments
from suites.mt_bench.verdicts import Policy

NO_CATEGORIES = "Categories cannot be told without a file of questions; give one with --questions."
NO_LENGTHS = "Whether scores go with the length of answers cannot be told without the answers; give them with --answers."


@dataclass(frozen=True)
class Report:
    """Tables, empty where there is nothing to say; `notes` are sentences that belong beside them."""

    scores: tuple[pd.DataFrame, ...] = ()
    """One for each judge, or a single one across judges."""
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    agreement: pd.DataFrame = field(default_factory=pd.DataFrame)
    confusion: pd.DataFrame = field(default_factory=pd.DataFrame)
    length: pd.DataFrame = field(default_factory=pd.DataFrame)
    wins: pd.DataFrame = field(default_factory=pd.DataFrame)
    position: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()


def report(given: Judgments, questions: Sequence[Question] | None = None, answers: Sequence[ModelAnswer] | None = None, *,
           policy: Policy = "exclude", latest: bool = False, across_judges: bool = False) -> Report:
    pairs = scores.of_pairs(given.pairs, latest=latest) if given.pairs else None
    beside = Report() if pairs is None else Report(wins=bias.wins(pairs), position=bias.position(pairs))
    if not given.singles:
        return beside
    frame = scores.scored(given.singles, questions, policy=policy, latest=latest)
    judges = list(dict.fromkeys(frame["judge"]))
    tables = [frame] if across_judges else [frame[frame["judge"] == judge] for judge in judges]
    return replace(beside, scores=tuple(scores.table(t, across_judges=across_judges) for t in tables),
                   differences=compare.differences(frame, across_judges=across_judges), **_between(frame, judges),
                   length=pd.DataFrame() if answers is None else bias.length(frame, answers),
                   notes=tuple(_notes(frame, policy, questions is None, answers is None)))


def _between(frame: pd.DataFrame, judges: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Agreement and confusion of every two judges that have judged an answer both."""
    agree, confused = [], []
    for one, two in combinations(judges, 2):
        rows = compare.agreement(frame, one, two)
        if rows["n"].iloc[0]:
            agree.append(rows.assign(judge_1=one, judge_2=two))
            confused.append(compare.confusion(frame, one, two).assign(judge_1=one, judge_2=two))
    if not agree:
        return {}
    return {"agreement": pd.concat(agree, ignore_index=True), "confusion": pd.concat(confused, ignore_index=True)}


def _notes(frame: pd.DataFrame, policy: Policy, no_questions: bool, no_answers: bool) -> list[str]:
    treated = "are left out of the means" if policy == "exclude" else "count as the lowest score"
    unparsable, failed, disagree = (int(frame[name].sum()) for name in ("unparsable", "failed", "disagrees"))
    return [note for note, there in (
        (f"{unparsable} verdicts could not be parsed and {treated}.", unparsable),
        (f"{failed} judgments failed (the judge was never heard) and are left out.", failed),
        (f"{disagree} scores in the files are not the ones in the judge's words; the files' are shown.", disagree),
        (NO_CATEGORIES, no_questions), (NO_LENGTHS, no_answers)) if there]
