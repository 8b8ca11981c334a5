"""The words of a measurement: what a suite is, one call of it, a score, an evaluation."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Suite:
    """A benchmark as lm-eval defines it: prompts, few-shot examples, filters and metrics are inherited.

    `root` is the stock task or group, `folder` where its definitions lie under lm-eval's tasks.
    """

    name: str
    about: str
    folder: str
    root: str
    primary: str
    """The metric that the column `correct` of the samples holds."""
    without: tuple[str, ...] = ()
    """Members of the group that are left out."""
    most_tokens: int | None = None
    """The longest answer generated on data from a folder (None: lm-eval's own limit); recorded with the versions."""

    def __str__(self) -> str:
        return self.about


class Call(NamedTuple):
    """A suite as measured: shots (None: the suite's own number) and the items of each of its tasks (None: all)."""

    suite: str
    shots: int | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Score:
    """A mean over `n` items with its standard error, which is NaN where n = 1."""

    value: float
    stderr: float
    n: int


@dataclass(frozen=True)
class Evaluation:
    """What a measurement gave.

    `metrics`: suite or suite/task -> metric -> score. `samples`: a row per item with suite, task, item, fact, correct,
    target, gold (index of the right option), loglik (one per option), answer (as generated), truncated, tied, and a
    column for each further metric. `truncated`: items whose prompt was cut on the left. `versions`: what was measured with.
    """

    metrics: Mapping[str, Mapping[str, Score]]
    samples: pd.DataFrame
    truncated: int
    versions: Mapping[str, str] = field(default_factory=dict)
