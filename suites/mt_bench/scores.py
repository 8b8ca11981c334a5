"""Scores of single-answer grading: overall, by turn and by category, with n, an interval, and what could not be scored.

A mean is over answers, as in FastChat's show_result.py; its interval takes the questions as the units (`clustered`). A judgment
without a score from 1 to 10 is counted: as *failed* where the judge was never heard (FastChat's $ERROR$), else as *unparsable*,
which the policy leaves out or counts as the lowest score.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import pandas as pd

from methods.parts import Refused
from suites.mt_bench import clustered, verdicts
from suites.mt_bench.formats import CATEGORIES, Question
from suites.mt_bench.judgments import Pair, Single, Winner
from suites.mt_bench.verdicts import HIGHEST, LOWEST, Policy

OVERALL = "overall"
KEY = ["question_id", "turn", "model", "judge"]
BOUNDS = (float(LOWEST), float(HIGHEST))


def scored(judgments: Sequence[Single], questions: Iterable[Question] | None = None, *, policy: Policy = "exclude",
           latest: bool = False) -> pd.DataFrame:
    """One row a judgment: question_id, turn, model, judge, prompt, user_prompt, category (None without questions), score (NaN
    where it has none), unparsable, failed, and disagrees (the file's score is not the one in the judge's words).

    Raises Refused for two judgments of one (question, turn, model, judge) unless `latest` takes the newer, and for a question
    that is not among `questions`.
    """
    if policy not in verdicts.POLICIES:
        raise Refused(f"cannot treat unparsable verdicts as {policy!r}; because the policies are {', '.join(verdicts.POLICIES)}; "
                      "use one of these")
    categories = None if questions is None else {q.question_id: q.category for q in questions}
    rows = [_row(j, policy) for j in judgments]
    if not rows:
        raise Refused("cannot score nothing; because there is no judgment; use a file with some")
    frame = once(pd.DataFrame(rows), KEY, latest=latest)
    return frame.assign(category=None if categories is None else [_category(categories, i) for i in frame["question_id"]])


def table(frame: pd.DataFrame, *, across_judges: bool = False) -> pd.DataFrame:
    """Rows judge, model, part (overall, turn 1, turn 2, categories), mean, stderr, low and high (90 %), n (scores), questions,
    unparsable, failed, missing (answers of which another model here has a judgment and this one has not).

    Raises Refused for several judges, whose scores may not be compared, unless asked for.
    """
    judges = list(dict.fromkeys(frame["judge"]))
    if len(judges) > 1 and not across_judges:
        raise Refused(f"cannot put scores of the judges {', '.join(judges)} into one table; because one judge's 7 is not "
                      "another's; use a table for each, or ask for a comparison across judges")
    rows = []
    for name, subset in parts(frame):
        asked = len(subset[["question_id", "turn"]].drop_duplicates())
        for (judge, model), own in subset.groupby(["judge", "model"], sort=False):
            found = asdict(clustered.mean(*_values(own), BOUNDS))
            del found["p"]
            rows.append({"judge": judge, "model": model, "part": name, **found, "unparsable": int(own["unparsable"].sum()),
                         "failed": int(own["failed"].sum()), "missing": asked - len(own)})
    return pd.DataFrame(rows)


def parts(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(name, rows): overall, then by turn where there are several, then by category where these are known."""
    turns = sorted(set(frame["turn"]))
    found = [(OVERALL, frame)] + [(f"turn {t}", frame[frame["turn"] == t]) for t in turns if len(turns) > 1]
    known = [c for c in dict.fromkeys(frame["category"]) if isinstance(c, str)]
    order = [*(c for c in CATEGORIES if c in known), *(c for c in known if c not in CATEGORIES)]
    return found + [(c, frame[frame["category"] == c]) for c in order]


def once(frame: pd.DataFrame, key: list[str], *, latest: bool) -> pd.DataFrame:
    """The rows, one for each key: Refused names those that come twice, unless `latest` takes the newest (else the last)."""
    twice = frame[frame.duplicated(key, keep=False)]
    if len(twice) and not latest:
        named = [", ".join(f"{name} {value}" for name, value in zip(key, values, strict=True))
                 for values in twice[key].drop_duplicates().itertuples(index=False)]
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        raise Refused(f"cannot score answers that were judged twice; because there are several judgments of "
                      f"{'; of '.join(named[:5]).replace('question_id', 'question')}{more}; remove one of each, or take the "
                      "latest")
    newest = frame.sort_values("tstamp", kind="stable").drop_duplicates(key, keep="last")
    return newest.sort_index().reset_index(drop=True)


def of_pairs(pairs: Sequence[Pair], *, latest: bool = False) -> pd.DataFrame:
    """One row a pair: question_id, turn, model_1, model_2, judge, prompt, first and second (the games' winners)."""
    if not pairs:
        raise Refused("cannot compare nothing; because there is no judgment of a pair; use a file with some")
    frame = pd.DataFrame([_pair(p) for p in pairs])
    return once(frame, ["question_id", "turn", "model_1", "model_2", "judge"], latest=latest)


def _pair(pair: Pair) -> dict[str, object]:
    """The models in the order of their names, as in FastChat; the first game is always that in which model_1 is shown first."""
    models, games = (pair.model_1, pair.model_2), (pair.g1_winner, pair.g2_winner)
    if models[0] > models[1]:
        other: dict[Winner, Winner] = {"model_1": "model_2", "model_2": "model_1", "tie": "tie", "error": "error"}
        models, games = (models[1], models[0]), (other[games[1]], other[games[0]])
    return {"question_id": pair.question_id, "turn": pair.turn, "model_1": models[0], "model_2": models[1],
            "judge": pair.judge[0], "prompt": pair.judge[1], "first": games[0], "second": games[1], "tstamp": pair.tstamp}


def _row(judgment: Single, policy: Policy) -> dict[str, object]:
    score = judgment.score if judgment.score is not None and verdicts.within(judgment.score) else None
    failed = score is None and judgment.judgment == verdicts.FAILED
    unparsable = score is None and not failed
    return {"question_id": judgment.question_id, "turn": judgment.turn, "model": judgment.model, "judge": judgment.judge[0],
            "prompt": judgment.judge[1], "user_prompt": judgment.user_prompt, "tstamp": judgment.tstamp,
            "score": float(LOWEST) if unparsable and policy == "lowest" else float("nan") if score is None else float(score),
            "unparsable": unparsable, "failed": failed, "disagrees": verdicts.rating(judgment.judgment) != score}


def _category(categories: dict[int, str], question_id: int) -> str:
    if question_id not in categories:
        raise Refused(f"cannot tell the category of question {question_id}; because the questions given have none of that "
                      "number; use the file of questions that was judged")
    return categories[question_id]


def _values(own: pd.DataFrame) -> tuple[list[float], list[int]]:
    has = own[own["score"].notna()]
    return has["score"].tolist(), has["question_id"].tolist()
