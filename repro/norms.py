"""Norms by layer, read off a run's curve; layers are named "embedding", "0", "1", ..., "head"."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd


def by_layer(curve: pd.DataFrame, kind: str, when: str) -> pd.Series:
    """Norm by layer, from embedding to head: at the "start" (step 0), at the "end", or its "mean" over later steps.

    Raises LookupError where the run took no norms.
    """
    rows = curve[curve["kind"] == kind]
    if rows.empty:
        raise LookupError(kind)
    wide = rows.pivot_table(index="step", columns="layer", values="value", aggfunc="last")
    blocks = sorted((c for c in wide.columns if str(c).isdigit()), key=int)
    wide = wide[[c for c in ("embedding", *blocks, "head") if c in wide.columns]]
    found = {"start": wide.iloc[0], "end": wide.iloc[-1], "mean": wide.iloc[1:].mean()}[when]
    return pd.Series(found)


def skew(kind: str, when: str) -> Callable[[pd.DataFrame], float]:
    """log10 of how many times the embedding's or head's norm, whichever is larger, is the median block's."""
    def read(curve: pd.DataFrame) -> float:
        norm = by_layer(curve, kind, when)
        ends = norm[["embedding", "head"]].max()
        return float(np.log10(ends / norm.drop(["embedding", "head"]).median()))
    return read
