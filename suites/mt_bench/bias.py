"""Whether a judge goes by what it should not: the length of an answer, or which of two answers it was shown first.

Source: Zheng et al., arXiv 2306.05685, section 3.3 (position and verbosity bias). A correlation with length alone is no proof
of bias, since good answers may be long: beside it stands the one within categories.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd
from scipy import stats

from methods.parts import Refused
from suites.mt_bench import clustered
from suites.mt_bench.clustered import DRAWS, Floats
from suites.mt_bench.formats import ModelAnswer
from suites.resampling import times

WINS = {"model_1": 1.0, "tie": 0.5, "model_2": 0.0}


def length(frame: pd.DataFrame, answers: Iterable[ModelAnswer]) -> pd.DataFrame:
    """Rows judge, model, measure (rank correlation of the score with the answer's length in characters: over all
    answers; within categories, where these are known), mean, stderr, low and high (90 % over questions), n, questions,
    left_out (no answer or no score). Raises Refused where none of the answers is by a model that was judged."""
    known = {(a.model_id, a.question_id, turn): len(text) for a in answers for turn, text in enumerate(a.turns, start=1)}
    keys = zip(frame["model"], frame["question_id"], frame["turn"], strict=True)
    sized = frame.assign(length=[known.get(key, np.nan) for key in keys])
    if sized["length"].isna().all():
        raise Refused(f"cannot compare scores with lengths; because the answers are by "
                      f"{', '.join(sorted({m for m, _, _ in known})) or 'nobody'} and the judgments of "
                      f"{', '.join(sorted(set(frame['model'])))}; use the answers that were judged")
    rows = []
    for (judge, model), own in sized.groupby(["judge", "model"], sort=False):
        has = own.dropna(subset=["score", "length"])
        for measure, x, y in _ranked(has):
            found = _correlation(x, y, has["question_id"].to_numpy())
            rows.append({"judge": judge, "model": model, "measure": measure, **asdict(found), "left_out": len(own) - len(has)})
    return pd.DataFrame(rows).drop(columns="p")


def position(pairs: pd.DataFrame) -> pd.DataFrame:
    """Rows judge, measure (share of pairs whose winner changed with the position; whose winner was the one shown first both
    times; shown second both times), mean, stderr, low and high, n, questions, unparsable. Of `scores.of_pairs`."""
    rows = []
    for judge, own in pairs.groupby("judge", sort=False):
        has = own[(own["first"] != "error") & (own["second"] != "error")]
        first, second = has["first"].to_numpy(), has["second"].to_numpy()
        shares = {"verdict flips with position": first != second,
                  "first shown wins both times": (first == "model_1") & (second == "model_2"),
                  "second shown wins both times": (first == "model_2") & (second == "model_1")}
        for measure, hit in shares.items():
            found = clustered.mean(hit.astype(np.float64), has["question_id"].to_numpy(), (0.0, 1.0))
            rows.append({"judge": judge, "measure": measure, **asdict(found), "unparsable": len(own) - len(has)})
    return pd.DataFrame(rows).drop(columns="p")


def wins(pairs: pd.DataFrame) -> pd.DataFrame:
    """Rows judge, model_1, model_2, mean (share that model_1 wins; a tie, and a verdict that flips, count half), win, tie, loss,
    interval, n, unparsable; as FastChat's win_rate_adjusted."""
    rows = []
    for (judge, one, two), own in pairs.groupby(["judge", "model_1", "model_2"], sort=False):
        has = own[(own["first"] != "error") & (own["second"] != "error")]
        value = has["first"].where(has["first"] == has["second"], "tie").map(WINS).to_numpy(dtype=np.float64)
        found = clustered.mean(value, has["question_id"].to_numpy(), (0.0, 1.0))
        counts = {name: int((value == v).sum()) for name, v in (("win", 1.0), ("tie", 0.5), ("loss", 0.0))}
        rows.append({"judge": judge, "model_1": one, "model_2": two, **asdict(found), **counts,
                     "unparsable": len(own) - len(has)})
    return pd.DataFrame(rows).drop(columns="p")


def _ranked(has: pd.DataFrame) -> list[tuple[str, Floats, Floats]]:
    """(measure, ranks of lengths, ranks of scores); within categories the ranks are those among a category's answers."""
    found = [("over all answers", stats.rankdata(has["length"]), stats.rankdata(has["score"]))]
    if len(has) and has["category"].notna().all():
        inside = has.groupby("category")[["length", "score"]].rank()
        ranks = (inside - inside.groupby(has["category"]).transform("mean")).to_numpy(dtype=np.float64)
        found.append(("within categories", ranks[:, 0], ranks[:, 1]))
    return found


def _correlation(x: Floats, y: Floats, questions: Floats) -> clustered.Estimate:
    """Pearson's correlation of ranks, with questions redrawn; the ranks are those of the whole sample."""
    if len(x) < 2:
        return clustered.interval(float("nan"), np.empty(0), len(x), len(set(questions.tolist())), (-1.0, 1.0))
    _, at = np.unique(questions, return_inverse=True)
    moments = np.column_stack([np.bincount(at, weights=v) for v in (np.ones(len(x)), x, y, x * x, y * y, x * y)])
    centre, again = _pearson(moments.sum(axis=0)[None]), _pearson(times(len(moments), DRAWS, 0) @ moments)
    return clustered.interval(float(centre[0]), again, len(x), len(moments), (-1.0, 1.0))


def _pearson(sums: Floats) -> Floats:
    """[R] correlations from [R, 6] sums of 1, x, y, xx, yy, xy; NaN where either does not vary."""
    n, x, y, xx, yy, xy = sums.T
    spread = (xx - x * x / n) * (yy - y * y / n)
    there = spread > 1e-9
    return np.where(there, (xy - x * y / n) / np.sqrt(np.where(there, spread, 1.0)), np.nan)
