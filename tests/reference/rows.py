"""A suite's samples as one would write it: choose, name, sort."""
from __future__ import annotations

import pandas as pd


def of_suite(samples: pd.DataFrame, suite: str) -> pd.DataFrame:
    found = samples[[s == suite for s in samples["suite"]]]
    names = [f"{task}/{item}" for task, item in zip(found["task"], found["item"], strict=True)]
    return found.set_index(pd.Index(names, dtype=object)).sort_index(kind="stable")
