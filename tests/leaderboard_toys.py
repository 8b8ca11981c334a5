"""Small studies of records that were never measured, for tests of the leaderboard."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from methods import papers as recipes
from methods.training import Training
from repro.claims import Paper
from repro.leaderboard import boards
from repro.leaderboard.boards import Board, Standing
from repro.store import CURVE
from repro.study import Arm, Metric, Record, Run, Stage, SuiteCall
from tests.fake_study import Memory, samples_of

SUITE = SuiteCall("mmlu", 0, 24)
TRAINING = Training(steps=10, batch_size=4)


def arm(name: str, lr: float = 1e-3, data: str = "alpaca-gpt4", **fields: Any) -> Arm:
    given: dict[str, Any] = {"label": name.title(), "base": "tinyllama", "suites": (SUITE,), "seeds": (0, 1, 2), **fields}
    return Arm(name, stages=(Stage(recipes.full(lr), data, TRAINING),), **given)


@dataclass
class Study:
    """Arms with their levels: the mean of `correct` over items. `cost` by arm; `change` is applied to samples."""

    levels: Mapping[str, float]
    arms: Sequence[Arm] = ()
    items: int = 80
    noise: float = 0.02
    failed: frozenset[tuple[str, int]] = frozenset()
    cost: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    change: Callable[[pd.DataFrame, str, int], pd.DataFrame] = lambda frame, arm, seed: frame
    pins: Mapping[str, str] = field(default_factory=lambda: {"weights": "w", "data alpaca-gpt4": "d", "code": "c"})
    name: str = "toy"

    def __post_init__(self) -> None:
        self.arms = self.arms or [arm(name, lr=1e-3 * (i + 1)) for i, name in enumerate(self.levels)]

    def paper(self) -> Paper:
        none: Any = lambda scale: ()  # noqa: E731
        return Paper(self.name, "A toy", "0000.00000", lambda scale: tuple(self.arms), none, none, none, none)

    def fill(self, store: Memory) -> Memory:
        for a in self.arms:
            for seed in a.seeds:
                self._put(store, a, seed)
        return store

    def _put(self, store: Memory, a: Arm, seed: int) -> None:
        run = Run(self.name, a, seed, "tiny", 1, self.pins)
        bad = (a.name, seed) in self.failed
        cost = {"wall_s": 9.0, "train_s": 6.0 + seed, "steps": 10.0, "tokens": 99.0, "trainable": 5.0, "state_bytes_peak": 8.0,
                **self.cost.get(a.name, {})}
        hard = np.random.default_rng(1).normal(0, 0.1, self.items)
        rng = np.random.default_rng([2, seed, *a.name.encode()])
        values = self.levels[a.name] + hard + rng.normal(0, self.noise, self.items) if self.noise else \
            np.full(self.items, self.levels[a.name])
        frame = self.change(samples_of("mmlu", values), a.name, seed)
        record = Record(run.id, self.name, a.name, seed, "tiny", "failed" if bad else "done",
                        "Diverged: the loss <b>became</b> nan\nTraceback" if bad else None,
                        {} if bad else {"mmlu": {"acc": Metric(0.5, 0.1, self.items)}}, cost, run.content, {"torch": "0"})
        curve = pd.DataFrame([(1, "train_loss", None, 2.0), (10, "train_loss", None, 1.5)], columns=list(CURVE))
        store.put(record, pd.DataFrame() if bad else frame, curve)


def board(*studies: Study) -> Board:
    found = all_boards(*studies)
    assert len(found) == 1
    return found[0]


def all_boards(*studies: Study) -> tuple[Board, ...]:
    store = Memory()
    for study in studies:
        study.fill(store)
    return boards.of([s.paper() for s in studies], "tiny", store)


def standing(of: Board, label: str) -> Standing:
    return next(s for s in of.standings if s.entrant.label == label)


def letters(of: Board) -> dict[str, str]:
    return {s.entrant.label: s.letters for s in of.standings}


def seeds(a: Arm, *numbers: int) -> Arm:
    return replace(a, seeds=numbers)
