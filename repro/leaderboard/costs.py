"""What a method cost, as its records hold it: parameters and bytes are counted, seconds are a mean with its error and n."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repro.study import Record


@dataclass(frozen=True)
class Spread:
    """A mean over seeds; without an error (None) where there is one alone. n = 0: nothing was measured, as nothing was done."""

    mean: float
    stderr: float | None
    least: float
    greatest: float
    n: int

    def __str__(self) -> str:
        if not self.n:
            return "0"
        error = f"± {self.stderr:.1f}" if self.stderr is not None else "(no error)"
        return f"{self.mean:.1f} {error} (n = {self.n})"


@dataclass(frozen=True)
class Costs:
    """None where the records do not say. Counted numbers are the largest of the seeds."""

    trainable: int | None
    """Weights that are trained and kept, over all members."""
    state_bytes: int | None
    """The update's state at its peak: neither weights, gradients nor activations."""
    peak_gpu_bytes: int | None
    peak_rss_bytes: int | None
    """Of the whole process, which may have run others before: a rough number."""
    train_s: Spread | None
    """On the machine that ran it, which others may have shared."""
    steps: int | None
    tokens: int | None
    passes: int = 1
    """Forward passes through the base model that an answer takes: one for every member."""


UNTRAINED = Costs(0, 0, None, None, Spread(0.0, None, 0.0, 0.0, 0), 0, 0)
"""Of the base model, which is not trained."""


def of(records: Sequence[Record], kept: int = 1, share: float = 1.0) -> Costs:
    """Of an arm's finished runs. `kept` members are kept and asked, and `share` of the training is charged: a member of an
    ensemble, whose members train one after the other, is charged its part."""
    trainable, steps, tokens = (_most(records, name) for name in ("trainable", "steps", "tokens"))
    return Costs(trainable if trainable is None else kept * trainable, _most(records, "state_bytes_peak"),
                 _most(records, "peak_gpu_bytes"), _most(records, "peak_rss_bytes"), _seconds(records, share),
                 steps if steps is None else round(share * steps), tokens if tokens is None else round(share * tokens), kept)


def _values(records: Sequence[Record], name: str) -> list[float]:
    return [v for r in records if math.isfinite(v := r.cost.get(name, math.nan))]


def _most(records: Sequence[Record], name: str) -> int | None:
    return round(max(found)) if (found := _values(records, name)) else None


def _seconds(records: Sequence[Record], share: float) -> Spread | None:
    found = share * np.array(_values(records, "train_s"))
    if not len(found):
        return None
    error = float(found.std(ddof=1) / math.sqrt(len(found))) if len(found) > 1 else None
    return Spread(float(found.mean()), error, float(found.min()), float(found.max()), len(found))
