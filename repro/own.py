"""Training a user's own model on the user's own data: checked before anything is written, resumable, measured on dev.

The folder holds what plain transformers (or peft) loads, and `training.json`, which says how it came about.
"""
from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from methods import atomic
from methods.examples import Example
from methods.fit import Snapshot, fit
from methods.losses import mean_loss
from methods.parts import Refused
from methods.recipe import Recipe
from methods.streams import Streams
from methods.training import Training
from repro.store import number, plain, spoken
from suites.clusters import clustered_mean
from suites.suite import Score

EVERY_S = 60.0
"""Between two checkpoints."""
Watch = Callable[[int, int, float], None]
"""Is told steps done, steps in all, and the loss."""


@dataclass(frozen=True)
class Order:
    """What the user asked for: all that determines the result."""

    model: str
    revision: str | None
    data: Mapping[str, Any]
    """The training set's id, fields and splits."""
    recipe: Recipe
    training: Training
    seed: int
    max_length: int
    held_out: float
    dev_examples: int

    def to_json(self) -> dict[str, Any]:
        values = {"model": self.model, "revision": self.revision, "data": dict(self.data), "recipe": self.recipe.to_json(),
                  "training": self.training.to_json(), "seed": self.seed, "max_length": self.max_length,
                  "held_out": self.held_out, "dev_examples": self.dev_examples}
        through_json: dict[str, Any] = json.loads(json.dumps(values))
        return through_json


@dataclass(frozen=True)
class Outcome:
    """Held-out loss in nats per answer token before and after, and the change, paired by example; n counts examples."""

    before: Score
    after: Score
    change: Score
    steps: int
    tokens: int
    train_s: float


@dataclass
class Task:
    """An order with everything loaded and checked."""

    order: Order
    out: Path
    model: nn.Module
    tokenizer: Any
    train: Sequence[Example]
    dev: Sequence[Example]
    pad_id: int
    member: int = 0
    """Of an ensemble: which one is trained here."""
    _last: float = field(default_factory=time.monotonic)

    def go(self, save: Callable[[nn.Module, Any, Path], object], watch: Watch) -> Outcome:
        """Trains, measures, saves. A second call after a kill goes on where the last checkpoint was taken."""
        before = self.start()
        streams = self.order.recipe.ensemble.streams(Streams(self.order.seed), self.member)
        checkpoint = self.out / "checkpoint"
        resume = checkpoint if (checkpoint / "run.json").exists() else None
        for now in fit(self.model, self.order.recipe, self.train, self.order.training, streams, pad_id=self.pad_id,
                       resume=resume):
            watch(now.step, now.steps, now.loss)
            if time.monotonic() - self._last >= EVERY_S and 0 < now.step < now.steps:
                with spoken(self.out):
                    now.save(checkpoint)
                self._last = time.monotonic()
        after = self.losses(now.model)
        outcome = outcome_of(before[0], after[0], after[1], now)
        with spoken(self.out):
            save(now.model, self.tokenizer, self.out)
            self.note("done", before, outcome)
            shutil.rmtree(checkpoint, ignore_errors=True)
        return outcome

    def start(self) -> tuple[Tensor, Tensor]:
        """The losses before training: measured at the first call, read back afterwards."""
        noted = read_note(self.out)
        if noted is not None:
            losses, counts = noted["before"]
            return torch.tensor(losses, dtype=torch.float64), torch.tensor(counts)
        before = self.losses(self.model)
        with spoken(self.out):
            self.note("training", before, None)
        return before

    def losses(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        return mean_loss(model, self.dev, pad_id=self.pad_id, batch_size=self.order.training.batch_size)

    def note(self, status: str, before: tuple[Tensor, Tensor], outcome: Outcome | None) -> None:
        values = {"status": status, "order": self.order.to_json(), "outcome": outcome and outcome_json(outcome),
                  "before": [before[0].tolist(), before[1].tolist()]}
        atomic.write_text(self.out / "training.json", json.dumps(values, indent=1) + "\n")


def finished(order: Order, out: Path) -> Outcome | None:
    """The outcome when this very order is done in `out`; None when it is to be done. Refused when `out` holds other things."""
    noted = read_note(out)
    if noted is None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise Refused(f"cannot write to {out}; because it is not empty and holds no training to go on with; "
                          "use a new folder with --out")
        return None
    for key, ours in order.to_json().items():
        theirs = noted["order"].get(key)
        if theirs != ours:
            raise Refused(f"cannot go on in {out}; because the training there has {key} {theirs} and this one has {ours}; "
                          "use a new folder with --out, or the same options")
    return outcome_from(noted["outcome"]) if noted["status"] == "done" else None


def read_note(out: Path) -> dict[str, Any] | None:
    path = out / "training.json"
    if not path.exists():
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise Refused(f"cannot read {path}; because it is not JSON ({error}); use a new folder with --out") from error
    return values


def outcome_of(before: Tensor, after: Tensor, tokens: Tensor, last: Snapshot) -> Outcome:
    """[N] losses before and after, [N] answer tokens."""
    each = range(len(tokens))
    first, second, change = (clustered_mean(v.numpy(), tokens.numpy(), each) for v in (before, after, after - before))
    return Outcome(first, second, change, last.step, last.tokens, last.seconds)


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    values: dict[str, Any] = plain(asdict(outcome))
    return values


def outcome_from(values: dict[str, Any]) -> Outcome:
    """What `outcome_json` wrote."""
    read: dict[str, Any] = {
        k: Score(v["value"], number(v["stderr"]), v["n"]) if isinstance(v, dict) else v for k, v in values.items()}
    return Outcome(**read)
