"""Telling questions from elsewhere by how unsure the answers are: out-of-distribution detection by normalised entropy.

A question is accepted where the entropy of its options' probabilities, divided by the log of their number, is low. Accepted are
the own ones: AUROC is the chance that an own question's entropy is lower than one's from outside, FPR95 the share of outside
questions accepted where 95 % of the own are.
"""
from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from suites.calibration.answers import Answers
from suites.calibration.items import fpr95, ood_auroc
from suites.calibration.table import LEVEL
from suites.clusters import clustered_mean


def outside(own: Answers, other: Answers) -> pd.DataFrame:
    """Rows auroc and fpr95: value, stderr, low, high (90 %, by the questions' influence, clusters as one), n_own, n_outside.

    The interval of fpr95 is that of the outside questions at the threshold that the own ones give.
    """
    groups = np.concatenate([own.clusters, own.clusters.max() + 1 + other.clusters])
    z = float(norm.ppf(0.5 + LEVEL / 2))
    rows = []
    for name, values in (("auroc", ood_auroc(own, other)), ("fpr95", fpr95(own, other))):
        found = clustered_mean(values, np.ones(len(values)), groups[-len(values):].tolist())
        low, high = max(0.0, found.value - z * found.stderr), min(1.0, found.value + z * found.stderr)
        rows.append({"measure": name, "value": found.value, "stderr": found.stderr, "low": low, "high": high,
                     "n_own": len(own), "n_outside": len(other)})
    return pd.DataFrame(rows)
