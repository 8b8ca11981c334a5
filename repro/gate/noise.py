"""The noise floor: how far a number moves when the very same run is repeated, measured from repeats and kept as data.

Repeats that ran on one machine are often equal to the last bit; those that ran on other machines, or with other instruction
sets, differ as reordered sums do, and where training amplifies that, by much more: by arm, so the floor is kept by arm.
"""
from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from methods import atomic
from methods.parts import Refused
from repro.gate import curves, words
from repro.gate.lineup import Side
from repro.store import Store, spoken
from repro.study import Record

FOLDER, FILE = "gate", "noise.json"
"""Beside the records, in a folder of its own."""
WORK = "cost"
"""The suite under which the noise of what is counted is kept: which texts CoLM takes, so how many tokens, hangs on last bits."""
Spread = dict[str, dict[str, dict[str, float]]]
"""Suite -> metric -> arm -> largest difference."""


@dataclass(frozen=True)
class Noise:
    """Largest difference between repeats, for every arm ("paper/arm"), suite and metric."""

    repeats: int
    spread: Mapping[tuple[str, str, str], float]
    code: tuple[str, ...] = ()
    """The states of code that were repeated."""

    def floor(self, arm: str, suite: str, metric: str) -> float | None:
        """None where the arm was not repeated on this metric."""
        return self.spread.get((arm, suite, metric))


def place(root: Path, scale: str) -> Path:
    return root / scale / FOLDER / FILE


def read(root: Path, scale: str) -> Noise | None:
    """The measured floor of a scale; None where none has been measured."""
    path = place(root, scale)
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text())
        spread = {(arm, suite, metric): float(value) for suite, metrics in found["spread"].items()
                  for metric, arms in metrics.items() for arm, value in arms.items()}
        return Noise(int(found["repeats"]), spread, tuple(map(str, found.get("code", ()))))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(f"cannot read the noise floor {path}; because it is not one ({error}); "
                      "measure it again with `python -m repro accept --noise FOLDER --noise FOLDER`") from error


def measure(folders: Sequence[Path], scale: str) -> dict[str, Any]:
    """The spread between the folders' records, as JSON values. Raises Refused where they are no repeats of each other."""
    sides = [Side.fresh(Store(folder / "runs"), scale, (), "all") for folder in folders]
    if len(sides) < 2 or len({s.store.root.resolve() for s in sides}) < len(sides):
        raise Refused("cannot measure noise; because it takes two repeats or more, in folders of their own; "
                      "run the same command twice with other --out folders and name both with --noise")
    spread: Spread = {}
    runs, codes = 0, set[str]()
    for key in sides[0].runs:
        if len(records := _repeats(sides, key)) == len(sides):
            runs += 1
            codes.add(str(records[0].content.get("pins", {}).get("code")))
            _add(spread, f"{key[0]}/{key[1]}", records)
            _add_work(spread, f"{key[0]}/{key[1]}", records)
            _add_path(spread, f"{key[0]}/{key[1]}", [curves.path_of(side.content(key, "curve")) for side in sides])
    if not runs:
        raise Refused(f"cannot measure noise at scale {scale}; because the folders share no finished run of the same recipe, "
                      "data and code; run the same command in each of them")
    ordered = {suite: {m: of[m] for m in sorted(of)} for suite, of in sorted(spread.items())}
    return {"scale": scale, "repeats": len(sides), "runs": runs, "code": sorted(codes), "spread": ordered}


def _repeats(sides: Sequence[Side], key: tuple[str, str, int]) -> list[Record]:
    """The finished records of a run in every folder that has the same run."""
    found = [side.record(key) for side in sides if side.runs.get(key) == sides[0].runs[key]]
    return [r for r in found if r is not None and r.status == "done"]


def _add(spread: Spread, arm: str, records: Sequence[Record]) -> None:
    for suite, metrics in records[0].metrics.items():
        for name in metrics:
            values = [r.metrics[suite][name].value for r in records]
            arms = spread.setdefault(suite, {}).setdefault(name, {})
            if all(map(math.isfinite, values)):
                arms[arm] = max(max(values) - min(values), arms.get(arm, 0.0))


def _add_work(spread: Spread, arm: str, records: Sequence[Record]) -> None:
    for name in words.WORK:
        values = [r.cost.get(name, math.nan) for r in records]
        if all(map(math.isfinite, values)):
            arms = spread.setdefault(WORK, {}).setdefault(name, {})
            arms[arm] = max(max(values) - min(values), arms.get(arm, 0.0))


def _add_path(spread: Spread, arm: str, paths: Sequence[npt.NDArray[np.float64]]) -> None:
    far = max(curves.apart(paths[0], path) for path in paths[1:])
    suite, metric = curves.PLACE
    if len(paths[0]) and math.isfinite(far):
        arms = spread.setdefault(suite, {}).setdefault(metric, {})
        arms[arm] = max(far, arms.get(arm, 0.0))


def write(folders: Sequence[Path], scale: str, root: Path, note: str) -> Path:
    """Measures and keeps the floor; `note` says how the repeats were made."""
    path = place(root, scale)
    with spoken(path.parent):
        atomic.write_text(path, json.dumps({"note": note, **measure(folders, scale)}, indent=1, allow_nan=False) + "\n")
    return path
