"""Runs that cost nothing, and a measure whose behaviour an arm's name decides; importable by spawned workers."""
from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path

import pandas as pd

from methods.parts import Refused
from repro.store import CURVE, Store
from repro.study import Arm, Metric, Record, Run, SuiteCall
from repro.worker import Measure, Result, Say


def arm(name: str, seeds: tuple[int, ...] = (0,), **fields: object) -> Arm:
    """An arm whose content depends on its name through its base model."""
    return Arm(name, name.title(), f"base-{name}", (), (SuiteCall("mmlu"),), seeds, **fields)  # type: ignore[arg-type]


def run(name: str, seed: int = 0) -> Run:
    return Run("fake", arm(name), seed, "tiny", 1, {})


def record(of: Run, value: float = 0.5) -> Record:
    metrics = {"mmlu": {"acc": Metric(value, math.nan, 1)}}
    cost = {"wall_s": 2.0, "train_s": 0.0, "eval_s": 2.0, "steps": 0.0}
    return Record(of.id, of.paper, of.arm.name, of.seed, of.scale, "done", None, metrics, cost, of.content, {"torch": "0"})


def result(of: Run, value: float = 0.5) -> Result:
    samples = pd.DataFrame({"suite": ["mmlu"], "item": [0], "correct": [value]})
    return record(of, value), samples, pd.DataFrame([(1, "train_loss", None, 2.0)], columns=list(CURVE))


def opener(store: Store) -> Measure:
    def measure(of: Run, say: Say) -> Result:
        say("training", 1, 2)
        behave(of, store.root, say)
        return result(of, os.getpid())

    return measure


def behave(of: Run, root: Path, say: Say) -> None:
    name, mark = of.arm.name, root / f"mark-{of.arm.name}"
    if name == "refuse":
        raise Refused("cannot do this; because it is a test; use another")
    if name == "raise":
        raise ZeroDivisionError("by zero\nindeed")
    if name == "die" or (name == "die-once" and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("slow"):
        mark.write_text(str(os.getpid()))
        for done in range(1000):
            say("training", done, 1000)
            time.sleep(0.05)

