"""The gate's words and its limits, each stated once.

A rerun with the same code and seeds answers the same items, so everything is paired: an arm's numbers are compared item by
item, its seeds pooled, and the question is how much worse the mean became beyond its *margin*. The margin is the larger of
the smallest effect worth a failure and the noise floor, which is measured from repeated runs where there are such. The test
is one-sided (two-sided where nobody knows which side is better), corrected over all tests of a call by Holm's method.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["run", "items", "labels", "quality", "work", "path", "layers", "memory", "time", "verdict"]
Outcome = Literal["same", "better", "worse", "changed", "skipped"]
"""`changed`: it moved, and nobody knows which way is better, or it must not move at all."""
FAILING: tuple[Outcome, ...] = ("worse", "changed")

LEVEL = 0.001
"""Of all tests of a call together: at most one call in a thousand fails by the chance of its items alone."""
SMALLEST = 0.002
"""Smallest effect: what is less never fails. In the metric's unit, or as a share of the reference's value where that is more."""
FALLBACK = 0.005
"""In place of a measured noise floor; as `SMALLEST`."""
SAFETY = 2.0
"""The noise floor is this often the largest difference seen between repeats: few repeats do not show the largest there is."""
PATH = 0.01
"""Mean distance of the training losses, step by step, as a share of them; or what repeats stray by, where that is more."""
MIN_CLUSTERS = 10
"""With fewer independent items, or none that were kept, no paired test is made: see `BLUNT`."""
BLUNT = 3.0
"""Combined standard errors that such a number may move by, beside its margin."""
MEMORY = {"state_bytes_peak": 1.001, "peak_gpu_bytes": 1.05, "peak_rss_bytes": 1.5}
"""Ratios allowed: optimizer state is counted, GPU memory repeats nearly, a warm worker's process also holds earlier runs."""
WORK = ("steps", "tokens", "trainable", "active")
"""Costs that are counted and follow from the recipe: they may change as far as repeats of the arm did, mostly not at all."""
SLOWER = 1.5
"""Ratio of seconds a step, beyond the common pace of all arms of the call."""
SPREADS = 4.0
"""The same ratio must also stand out by this many spreads (robust standard deviations) of all runs' ratios."""
TIMED_S = 2.0
"""Runs that train for less are not timed."""
TIMED_SEEDS = 2
"""One run alone may have met a busy machine: an arm is timed when it has this many."""
TIMED_RUNS = 5
"""With fewer runs there is no common pace to speak of."""
EDGE = 0.25
"""A verdict counts as flipped where an effect behind it moved by more than this share of its standard error."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, with what was found."""

    paper: str
    arm: str
    """An arm's name, or a claim's id."""
    kind: Kind
    name: str
    """What was looked at: "heldout nll", "seed 0" ..."""
    outcome: Outcome
    why: str = ""
    before: float | None = None
    now: float | None = None
    change: float | None = None
    """Paired where it could be: now - before."""
    stderr: float | None = None
    """Of the change; only where it left its margin."""
    margin: float | None = None
    """What it may move by."""
    p: float | None = None
    """Corrected."""
    n: int | None = None
    seeds: int | None = None
    detectable: float | None = None
    """The worsening that would be caught in nine calls of ten, at the spread seen; where the items had to be looked at."""

    @property
    def fails(self) -> bool:
        return self.outcome in FAILING


@dataclass(frozen=True)
class Judged:
    """All checks of one call. `notes` say what was assumed, e.g. where no noise floor has been measured."""

    scale: str
    checks: tuple[Check, ...]
    runs: int
    """Pairs of runs that were compared."""
    notes: tuple[str, ...] = ()

    def of(self, *outcomes: Outcome) -> list[Check]:
        return [c for c in self.checks if c.outcome in outcomes]

    @property
    def failing(self) -> list[Check]:
        return self.of(*FAILING)

    @property
    def status(self) -> int:
        return 1 if self.failing else 0

    def totals(self) -> str:
        """One line."""
        moved = sum(c.kind == "quality" and c.outcome == "same" and bool(c.change) for c in self.checks)
        parts = [f"{self.runs} runs compared", f"{len(self.checks)} checks", f"{len(self.failing)} failed",
                 f"{len(self.of('better'))} better", f"{len(self.of('skipped'))} skipped", f"{moved} moved within their margin"]
        return f"Scale {self.scale}: {', '.join(parts)}."


def margin(before: float, floor: float | None) -> float:
    """What a number may get worse by: the noise floor (None: not measured) or the smallest effect, whichever is more."""
    size = max(1.0, abs(before))
    return max(SMALLEST * size, FALLBACK * size if floor is None else SAFETY * floor)


UP = {"acc", "acc_norm", "exact_match", "score", "corrected", "gain", "skill", "f1", "win_rate", "auroc"}
DOWN = {"nll", "loss", "variance", "perplexity", "brier", "ece", "error"}


def higher(metric: str) -> bool | None:
    """Whether more is better, by the metric's words ("exact_match,strict-match", "error gain colm"); None: not known."""
    words: Iterable[str] = metric.replace(",", " ").split()
    if UP & set(words):
        return True
    return False if DOWN & set(words) else None
