"""Tuned learning rates: `tuned/<paper>_<scale>.json`, written by `python -m repro tune` and committed.

Each method was given the same number of trials (rates x seeds) and was judged by dev loss after its last step. The file
holds every trial, so that anyone can see how flat or steep the choice was, and whether it lies at the edge of its grid.
"""
from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from methods.parts import Refused

FOLDER = Path(__file__).resolve().parent / "tuned"


@dataclass(frozen=True)
class Trial:
    """One rate of one method with one seed. `dev_loss` in nats per answer token; None where the run failed or diverged."""

    lr: float
    seed: int
    dev_loss: float | None
    n: int
    """Examples behind the loss."""
    run_id: str


@dataclass(frozen=True)
class Tuned:
    """All trials of a paper at a scale, by method."""

    paper: str
    scale: str
    trials: Mapping[str, tuple[Trial, ...]]

    def has(self, arm: str) -> bool:
        """Whether the arm's rate was tuned for it; a method with a coefficient ("decay 3") is tuned as "decay"."""
        return any(arm in (method, method.partition(" ")[0]) for method in self.trials)

    def rate(self, method: str) -> float:
        """The rate with the least mean dev loss. Raises Refused where no rate finished with every seed."""
        means = self.means(method)
        if not means:
            raise Refused(f"cannot choose a learning rate for {method}; because no rate finished with every seed; "
                          "widen the grid in repro/settings")
        return min(means, key=lambda lr: means[lr])

    def means(self, method: str) -> dict[float, float]:
        """Rate -> mean dev loss, for the rates at which every seed finished."""
        if method not in self.trials:
            raise Refused(f"cannot find a tuned learning rate for {method} of {self.paper} at scale {self.scale}; because "
                          f"it was not tuned; run `python -m repro tune --paper {self.paper} --scale {self.scale}`")
        found: dict[float, list[float | None]] = {}
        for t in self.trials[method]:
            found.setdefault(t.lr, []).append(t.dev_loss)
        whole = {lr: [v for v in losses if v is not None and math.isfinite(v)] for lr, losses in found.items()}
        return {lr: sum(v) / len(v) for lr, v in whole.items() if len(v) == len(found[lr])}

    def on_edge(self, method: str) -> bool:
        """Whether the chosen rate is the smallest or largest that was tried: a better one may lie outside."""
        tried = sorted({t.lr for t in self.trials[method]})
        return len(tried) > 1 and self.rate(method) in (tried[0], tried[-1])

    def to_json(self) -> str:
        chosen = {m: {"lr": self.rate(m), "on_edge": self.on_edge(m)} for m in self.trials}
        trials = {m: [asdict(t) for t in ts] for m, ts in self.trials.items()}
        return json.dumps({"paper": self.paper, "scale": self.scale, "metric": "dev loss, nats per answer token",
                           "chosen": chosen, "trials": trials}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Tuned:
        """Reads trials alone: what was chosen follows from them."""
        values = json.loads(text)
        trials = {m: tuple(Trial(**t) for t in ts) for m, ts in values["trials"].items()}
        return cls(values["paper"], values["scale"], trials)


def check_even(trials: Mapping[str, Sequence[object]]) -> None:
    """Raises Refused unless every method has the same number of trials."""
    counts = {m: len(t) for m, t in trials.items()}
    if len(set(counts.values())) > 1:
        raise Refused(f"cannot tune these methods together; because their trials differ in number ({counts}); "
                      "give each the same grid and seeds")


def path(paper: str, scale: str) -> Path:
    """Where the tuned rates of a paper at a scale lie."""
    return FOLDER / f"{paper}_{scale}.json"


@functools.cache
def tuned(paper: str, scale: str) -> Tuned:
    """The committed trials. Raises Refused where the scale has not been tuned."""
    file = path(paper, scale)
    if not file.exists():
        raise Refused(f"cannot run {paper} at scale {scale}; because its learning rates have not been tuned there; "
                      f"run `python -m repro tune --paper {paper} --scale {scale}` first")
    return Tuned.from_json(file.read_text())
