"""Held-out loss: mean negative log-likelihood per answer token, in nats, over examples that were not trained on."""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from torch import nn

from methods.examples import Example
from methods.fit import mean_loss
from methods.parts import Refused
from suites.suite import Evaluation, Score

NAME = "heldout"


def evaluate(model: nn.Module, examples: Sequence[Example], *, pad_id: int, batch_size: int,
             name: str = NAME) -> Evaluation:
    """The loss of every example and its mean over all answer tokens; n counts examples, the error is clustered by fact."""
    losses, tokens = mean_loss(model, examples, pad_id=pad_id, batch_size=batch_size)
    table = pd.DataFrame({
        "suite": name, "task": name, "item": range(len(examples)),
        "fact": [e.fact or f"{name}/{i}" for i, e in enumerate(examples)], "source": [e.source for e in examples],
        "nll": losses.numpy(), "tokens": tokens.numpy()})
    score = clustered_mean(table["nll"], table["tokens"], table["fact"])
    return Evaluation({name: {"nll": score}}, table, truncated=0, versions={"batch_size": str(batch_size)})


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
