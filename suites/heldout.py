"""Held-out loss: mean negative log-likelihood per answer token, in nats, over examples that were not trained on."""
from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from torch import nn

from methods.examples import Example
from methods.losses import mean_loss
from suites.clusters import clustered_mean
from suites.suite import Evaluation

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
