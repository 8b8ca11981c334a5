"""What a run reads, as digests: code, libraries, base weights, data, device. They are part of the run's name.

Code counts by its syntax tree without docstrings and comments, so that explaining a method better repeats no run. The
generator of the tiny world and the pretraining are left out: what they made is pinned as data and as weights.
"""
from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from methods.digests import of_files
from repro import devices
from repro.scale import Scale
from repro.study import Arm

HOUSE = Path(__file__).resolve().parent.parent
READS = ("methods/**/*.py", "suites/**/*.py", "repro/measure.py", "repro/probes.py", "repro/training.py")
MADE_ELSEWHERE = "suites/world/"
LIBRARIES = ("torch", "transformers", "peft", "lm_eval", "datasets", "tokenizers", "numpy")


def pins(scale: Scale, arm: Arm) -> Mapping[str, str]:
    """Digests of what the arm's runs read at this scale."""
    data = {f"data {key}": scale.data(key).digest() for key in sorted({s.data for s in arm.stages})}
    source = scale.source()
    return {"code": code(), "weights": scale.model(arm.base).digest(), "device": devices.name(scale.device),
            "suites": source.name if source else "Hub", **data, **versions()}


@functools.cache
def code(house: Path = HOUSE) -> str:
    files = sorted({p for pattern in READS for p in house.glob(pattern)})
    return of_files([p for p in files if not p.relative_to(house).as_posix().startswith(MADE_ELSEWHERE)], house)


@functools.cache
def versions() -> Mapping[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}
