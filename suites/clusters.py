"""Means over items that hang together in clusters."""
from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from methods.parts import Refused
from suites.suite import Score


def clustered_mean(values: ArrayLike, weights: ArrayLike, clusters: ArrayLike) -> Score:
    """Weighted mean; items of one cluster are not independent. All [N]; the error is NaN where there is one cluster.

    The error is the linearised one of a ratio: with u_c the sum over cluster c of weight * (value - mean), its variance is
    G / (G - 1) * sum_c u_c^2 / (sum of weights)^2, G clusters. Raises Refused where no weight is left.
    """
    value, weight = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if not weight.sum() > 0:
        raise Refused("cannot take a mean of these examples; because none has an answer token; use longer ones")
    mean = float((weight * value).sum() / weight.sum())
    sums = pd.Series(weight * (value - mean)).groupby(np.asarray(clusters)).sum().to_numpy()
    groups = len(sums)
    variance = groups / (groups - 1) * float((sums**2).sum()) / float(weight.sum()) ** 2 if groups > 1 else math.nan
    return Score(mean, math.sqrt(variance), len(value))
