"""A command line over one fake paper whose runs take a moment and always give the same numbers; a process of its own, to be
killed, starved of disk, or started twice: `python -m tests.fault_toys run --out FOLDER`."""
from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pandas as pd

from repro.store import CURVE, Store
from repro.study import Run
from repro.worker import Measure, Result, Say
from tests.engine_fakes import arm, record

STEPS, PAUSE_S = 5, 0.03
ARMS = int(os.environ.get("FAULT_ARMS", "6"))
MADE = "made.txt"
"""Beside the records: a line with the run's id whenever one begins."""


def opener(store: Store) -> Measure:
    def measure(of: Run, say: Say) -> Result:
        with (store.root.parent / MADE).open("a") as file:
            file.write(f"{of.id} {os.getpid()}\n")
        if os.environ.get("FAULT_MUTE"):
            time.sleep(60)
        for step in range(STEPS):
            say("training", step, STEPS)
            time.sleep(PAUSE_S)
        return steady(of)

    return measure


def steady(of: Run) -> Result:
    """Numbers that follow from the arm's name; some bulk, so that a small disk fills up."""
    value = float(of.arm.name.removeprefix("arm-"))
    rows = range(500)
    samples = pd.DataFrame({"suite": "mmlu", "item": rows, "correct": [((r * 7919 + value) % 997) / 997 for r in rows]})
    curve = pd.DataFrame([(i, "train_loss", None, value + 1 / (i + 1)) for i in range(STEPS)], columns=list(CURVE))
    return record(of, value), samples, curve


def study(root: Path) -> None:
    """Puts the fake paper in the place of the papers; its base model lies under `root`."""
    import repro.scales  # here: workers import this file, and need none of these
    import repro.worker
    from repro.claims import Paper
    from repro.scale import ModelRef, Scale

    names = [f"arm-{i}" for i in range(ARMS)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "weights").write_text("1")
    models = {f"base-{n}": ModelRef(n, folder=root) for n in names}
    scale = Scale("tiny", "a test", (0,), (), models, {}, {}, ("base-arm-0",))
    paper = Paper("fake", "Fake", "0", arms=lambda scale: tuple(arm(n) for n in names), trials=lambda scale: {},
                  tables=lambda scale: (), figures=lambda scale: (), claims=lambda scale: ())
    papers = ModuleType("repro.papers")
    papers.__dict__["PAPERS"] = {"fake": paper}
    sys.modules["repro.papers"] = papers  # the true ones take seconds to import
    repro.scales.get = lambda name: scale
    repro.worker.measuring = opener


if __name__ == "__main__":
    from repro.__main__ import main

    study(Path(os.environ["FAULT_BASE"]))
    main()
