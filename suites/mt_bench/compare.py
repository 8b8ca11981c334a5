"""What may be compared: two models under one judge, question by question; two judges on the same answers.

Scores by different judges are refused side by side unless asked for: the difference of two models would hold that of the
judges. For the same reason both models must have been judged with the same prompt.
"""
from __future__ import annotations

from dataclasses import asdict
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from methods.parts import Refused
from suites.mt_bench import clustered
from suites.mt_bench.scores import OVERALL, parts

WAY_OUT = "use judgments of both by one judge, or ask for a comparison across judges"


def difference(frame: pd.DataFrame, first: str, second: str, judge: str | None = None, *,
               across_judges: bool = False) -> pd.DataFrame:
    """Rows part, mean (first - second, over answers that both have a score for), stderr, low and high (90 %), p (two-sided),
    n, questions, left_out (answers that one of the two has no score for)."""
    ours, theirs = _of(frame, first), _of(frame, second)
    if across_judges and judge is None:
        ours, theirs = _one_judge(ours, first), _one_judge(theirs, second)
    else:
        named = _common(ours, theirs, first, second, judge)
        ours, theirs = ours[ours["judge"] == named], theirs[theirs["judge"] == named]
    return _paired(ours, theirs, first, second, across_judges=across_judges)


def differences(frame: pd.DataFrame, *, across_judges: bool = False) -> pd.DataFrame:
    """`difference` of every two models under each judge (or of every model by every judge, if asked for); `p_holm` is
    corrected over the overall comparisons shown."""
    found = []
    for judge, own in [("across judges", frame)] if across_judges else list(frame.groupby("judge", sort=False)):
        named = own["model"] + " by " + own["judge"] if across_judges else own["model"]
        for first, second in combinations(dict.fromkeys(named), 2):
            rows = _paired(own[named == first], own[named == second], first, second, across_judges=across_judges)
            found.append(rows.assign(judge=judge, first=first, second=second))
    if not found:
        return pd.DataFrame()
    made = pd.concat(found, ignore_index=True)
    overall = (made["part"] == OVERALL) & made["p"].notna()
    made["p_holm"] = float("nan")
    if overall.any():
        made.loc[overall, "p_holm"] = multipletests(made.loc[overall, "p"].to_numpy(), method="holm")[1]
    return made


def agreement(frame: pd.DataFrame, judge_1: str, judge_2: str) -> pd.DataFrame:
    """Rows part, spearman, kendall (tau-b), mean_absolute_difference, mean_difference (judge_1 - judge_2), same and within_1
    (shares of answers whose two scores are the same, or no more than a point apart), n, left_out (answers that one of the judges
    has no score for, or whose texts were not the same)."""
    return pd.DataFrame([{"part": name, **_agree(subset)} for name, subset in parts(_of_both(frame, judge_1, judge_2))])


def confusion(frame: pd.DataFrame, judge_1: str, judge_2: str) -> pd.DataFrame:
    """Rows part, score_1, score_2 (rounded to whole scores), n: how often judge_1 gave the one where judge_2 gave the other."""
    both = _of_both(frame, judge_1, judge_2).dropna(subset=["score", "score_2"])
    rounded = both.assign(score_1=both["score"].round().astype(int), score_2=both["score_2"].round().astype(int))
    counted = [subset.groupby(["score_1", "score_2"]).size().reset_index(name="n").assign(part=name)
               for name, subset in parts(rounded)] if len(rounded) else []
    return pd.concat(counted, ignore_index=True)[["part", "score_1", "score_2", "n"]] if counted else pd.DataFrame()


def _of_both(frame: pd.DataFrame, judge_1: str, judge_2: str) -> pd.DataFrame:
    """One row an answer: `score` by judge_1 and `score_2` by judge_2, none where the texts were not the same."""
    ours, theirs = (_by(frame, judge) for judge in (judge_1, judge_2))
    both = ours.merge(theirs, on=["question_id", "turn", "model"], how="outer", suffixes=("", "_2"))
    both["category"] = both["category"].where(both["category"].notna(), both["category_2"])
    other = (both["prompt"] == both["prompt_2"]) & (both["user_prompt"] != both["user_prompt_2"])
    both.loc[other, "score"] = float("nan")
    return both


def _paired(ours: pd.DataFrame, theirs: pd.DataFrame, first: str, second: str, *, across_judges: bool) -> pd.DataFrame:
    both = ours.merge(theirs, on=["question_id", "turn"], how="outer", suffixes=("", "_2"))
    both["category"] = both["category"].where(both["category"].notna(), both["category_2"])
    _same_prompt(both, first, second, across_judges)
    rows = []
    for name, subset in parts(both):
        gap = subset["score"] - subset["score_2"]
        has = gap.notna()
        found = clustered.mean(gap[has].to_numpy(), subset.loc[has, "question_id"].to_numpy())
        rows.append({"part": name, **asdict(found), "left_out": int((~has).sum())})
    return pd.DataFrame(rows)


def _agree(subset: pd.DataFrame) -> dict[str, float]:
    has = subset.dropna(subset=["score", "score_2"])
    a, b = has["score"].to_numpy(), has["score_2"].to_numpy()
    apart = np.abs(a - b)
    varied = len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0
    return {"spearman": float(stats.spearmanr(a, b).statistic) if varied else float("nan"),
            "kendall": float(stats.kendalltau(a, b).statistic) if varied else float("nan"),
            "mean_absolute_difference": float(apart.mean()) if len(a) else float("nan"),
            "mean_difference": float((a - b).mean()) if len(a) else float("nan"),
            "same": float((apart == 0).mean()) if len(a) else float("nan"),
            "within_1": float((apart <= 1).mean()) if len(a) else float("nan"), "n": len(a), "left_out": len(subset) - len(a)}


def _of(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    found = frame[frame["model"] == model]
    if not len(found):
        raise Refused(f"cannot compare {model}; because nothing of it was judged; use one of "
                      f"{', '.join(sorted(set(frame['model'])))}")
    return found


def _by(frame: pd.DataFrame, judge: str) -> pd.DataFrame:
    found = frame[frame["judge"] == judge]
    if not len(found):
        raise Refused(f"cannot compare the judge {judge}; because it judged nothing here; use one of "
                      f"{', '.join(sorted(set(frame['judge'])))}")
    return found


def _one_judge(own: pd.DataFrame, model: str) -> pd.DataFrame:
    judges = sorted(set(own["judge"]))
    if len(judges) > 1:
        raise Refused(f"cannot tell which scores of {model} to compare; because {' and '.join(judges)} judged it; name one judge")
    return own


def _common(ours: pd.DataFrame, theirs: pd.DataFrame, first: str, second: str, judge: str | None) -> str:
    shared = sorted(set(ours["judge"]) & set(theirs["judge"]))
    if (judge is not None and judge not in shared) or not shared:
        by = [", ".join(sorted(set(own["judge"]))) for own in (ours, theirs)]
        raise Refused(f"cannot compare {first} with {second}; because {first} was judged by {by[0]} and {second} by "
                      f"{by[1]}, and one judge's 7 is not another's; {WAY_OUT}")
    if judge is None and len(shared) > 1:
        raise Refused(f"cannot tell by which judge to compare {first} with {second}; because {' and '.join(shared)} judged both; "
                      "name one")
    return judge or shared[0]


def _same_prompt(both: pd.DataFrame, first: str, second: str, across_judges: bool) -> None:
    apart = both[both["prompt"].notna() & both["prompt_2"].notna() & (both["prompt"] != both["prompt_2"])]
    if len(apart) and not across_judges:
        row = apart.iloc[0]
        raise Refused(f"cannot compare {first} with {second}; because question {row['question_id']} was judged with "
                      f"{row['prompt']} for one and {row['prompt_2']} for the other; {WAY_OUT}")
