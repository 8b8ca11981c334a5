"""Bins of a reliability diagram: how often answers of a confidence are right, with counts and Wilson intervals."""
from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from suites.calibration.answers import Answers
from suites.calibration.metrics import binned

LEVEL = 0.90


def reliability(answers: Answers, bins: int = 15) -> pd.DataFrame:
    """One row a filled bin of equal width: its edges, n, mean confidence, accuracy, low and high (90 %, questions taken as
    independent)."""
    at, right = binned(answers.confidence, bins), (answers.chosen == answers.labels).astype(int)
    rows = []
    for b in np.unique(at):
        inside = at == b
        n, hits = int(inside.sum()), int(right[inside].sum())
        low, high = proportion_confint(hits, n, alpha=1 - LEVEL, method="wilson")
        rows.append({"from": b / bins, "to": (b + 1) / bins, "n": n, "confidence": float(answers.confidence[inside].mean()),
                     "accuracy": hits / n, "low": float(low), "high": float(high)})
    return pd.DataFrame(rows)
