"""Small studies of records that were never measured, for tests of the regression gate: a store per side, changed at will."""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from repro.files import PARTS, part_path
from repro.gate.compare import compare
from repro.gate.words import Check, Judged
from repro.seal import sealed
from repro.store import CURVE, Store
from repro.study import Arm, Metric, Record, Run
from tests.engine_fakes import arm

ARMS = ("full", "lisa", "lora", "colm")
Change = Callable[[pd.DataFrame, str, int], pd.DataFrame]
"""What becomes of a run's samples, by arm and seed."""


@dataclass(frozen=True)
class Study:
    """How to make one side's records. The items and the models' answers follow from `rng` alone."""

    arms: tuple[str, ...] = ARMS
    seeds: tuple[int, ...] = (0, 1, 2)
    items: int = 200
    rng: int = 0
    change: Change = lambda frame, arm, seed: frame
    cost: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Arm -> costs in place of the usual ones."""
    still: tuple[str, ...] = ()
    """Layers that training did not move, in every arm."""
    failed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    ablations: tuple[str, ...] = ()
    probes: tuple[str, ...] = ("norms",)

    def write(self, root: Path, scale: str = "tiny") -> Store:
        store = Store(root)
        runs = [run for name in self.arms for run in self.runs(name, scale)]
        store.write_index(scale, "fake", runs)
        for run in runs:
            if run.arm.name not in self.absent:
                self._put(store, run)
        return store

    def runs(self, name: str, scale: str) -> list[Run]:
        made: Arm = arm(name, self.seeds, core=name not in self.ablations, probes=self.probes)
        return [Run("fake", made, seed, scale, 1, {"device": "cpu"}) for seed in self.seeds]

    def _put(self, store: Store, run: Run) -> None:
        frame = self.change(samples(run.arm.name, run.seed, self.items, self.rng), run.arm.name, run.seed)
        cost = {"wall_s": 9.0, "train_s": 6.0, "eval_s": 2.0, "steps": 100.0, "tokens": 3e4, "trainable": 1e6, "active": 5e5,
                "state_bytes_peak": 4e6, "peak_rss_bytes": 7e8, **self.cost.get(run.arm.name, {})}
        record = Record(run.id, "fake", run.arm.name, run.seed, run.scale, "done", None, metrics(frame), cost, run.content, {})
        if run.arm.name in self.failed:
            record = dataclasses.replace(record, status="failed", error="Diverged: the loss became nan\n\nTraceback", metrics={})
        rows = [(step, "delta_norm", layer, 0.1 * step * (layer not in self.still)) for step in (0, 50) for layer in "0123"]
        store.put(record, frame, pd.DataFrame([*rows, (1, "train_loss", None, 2.0)], columns=list(CURVE)))


def samples(arm: str, seed: int, items: int, rng: int) -> pd.DataFrame:
    """Two suites: right or wrong answers, and losses; four items hang on a fact."""
    facts, random = np.random.default_rng(rng), np.random.default_rng([rng, seed, *arm.encode()])
    hard = facts.random(items)
    base = {"task": "t", "item": range(items), "fact": [f"f{i // 4}" for i in range(items)]}
    gold = pd.array(facts.integers(0, 4, items), dtype="Int64")
    right = pd.DataFrame({"suite": "mmlu", **base, "correct": (random.random(items) < 0.35 + 0.5 * hard).astype(float),
                          "target": "a", "gold": gold, "nll": np.nan, "tokens": 0})
    loss = facts.normal(1, 0.3, items).round(6) + random.normal(0, 0.02, items)
    nll = pd.DataFrame({"suite": "heldout", **base, "correct": loss, "target": "", "gold": pd.array([None] * items, "Int64"),
                        "nll": loss, "tokens": facts.integers(5, 20, items)})
    return pd.concat([right, nll], ignore_index=True)


def metrics(frame: pd.DataFrame) -> dict[str, dict[str, Metric]]:
    """What the suites would have recorded."""
    right, nll = (frame[frame["suite"] == s] for s in ("mmlu", "heldout"))
    accuracy = right["correct"].to_numpy(float)
    loss = float(np.average(nll["nll"], weights=nll["tokens"]))
    return {"mmlu": {"acc": Metric(float(accuracy.mean()), float(accuracy.std(ddof=1) / np.sqrt(len(right))), len(right))},
            "heldout": {"nll": Metric(loss, float(nll["nll"].std() / np.sqrt(len(nll))), len(nll))}}


def judged(tmp: Path, now: Study, before: Study | None = None, arms: str = "core") -> Judged:
    """The gate's answer to fresh records `now`; the reference is written once a folder."""
    reference = tmp / "reference"
    if not reference.exists():
        (before or Study()).write(reference)
    return compare(now.write(tmp / "fresh"), Store(reference), "tiny", {}, (), arms)  # type: ignore[arg-type]


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a record's values as if it had been written so."""
    values = json.loads(path.read_text())
    change(values)
    del values["digests"]
    path.write_bytes(sealed(values, *(part_path(path, part).read_bytes() for part in PARTS)))


def failing(found: Judged) -> list[tuple[str, str]]:
    """(arm, kind) of what failed, each once."""
    return sorted({(c.arm, c.kind) for c in found.failing})


def check_of(found: Judged, arm: str, name: str) -> Check:
    return next(c for c in found.checks if (c.arm, c.name) == (arm, name))


def only(arm: str, change: Callable[[pd.DataFrame], pd.DataFrame], *seeds: int) -> Change:
    """A change of one arm's samples."""
    return lambda frame, name, seed: change(frame) if name == arm and (not seeds or seed in seeds) else frame


def in_suite(suite: str, column: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A change of one column within a suite (`correct` follows the loss)."""
    def changing(frame: pd.DataFrame) -> pd.DataFrame:
        frame, rows = frame.copy(), (frame["suite"] == suite).to_numpy()
        frame.loc[rows, column] = change(frame.loc[rows, column].to_numpy(float))
        if column == "nll":
            frame.loc[rows, "correct"] = frame.loc[rows, "nll"]
        return frame

    return changing


def noisy(rng: int, sd: float = 0.003, flips: float = 0.01) -> Change:
    """What another machine does: losses move a little, few answers flip either way."""
    def changing(frame: pd.DataFrame, arm: str, seed: int) -> pd.DataFrame:
        random = np.random.default_rng([rng, seed, *arm.encode()])
        moved = in_suite("heldout", "nll", lambda v: v + random.normal(0, sd, len(v)))(frame)
        return in_suite("mmlu", "correct", lambda v: np.where(random.random(len(v)) < flips, 1 - v, v))(moved)

    return changing
