"""What a run reads, as digests: code, libraries, base weights, data, device. They are part of the run's name.

Code counts by its syntax tree without docstrings and comments, so that explaining a method better repeats no run. The
generator of the tiny world and the pretraining are left out: what they made is pinned as data and as weights.
"""
from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from methods.digests import of_files
from repro import devices
from repro.scale import Scale, SetRef
from repro.settings.colm import COMPARED
from repro.study import PROBES, Arm

HOUSE = Path(__file__).resolve().parent.parent
READS = ("methods/**/*.py", "suites/**/*.py", "repro/curve.py", "repro/measure.py", "repro/probes.py", "repro/training.py",
         "repro/papers/*/contenders.py")
MADE_ELSEWHERE = "suites/world/"
LIBRARIES = ("torch", "transformers", "peft", "lm_eval", "datasets", "tokenizers", "numpy", "scipy", "scikit-learn")


def pins(scale: Scale, arm: Arm) -> Mapping[str, str]:
    """Digests of what the arm's runs read at this scale, and the settings that they look up while they run."""
    named = {key for call in arm.suites if (key := call.suite.partition(":")[2].partition("/")[0]) in scale.sets}
    data = {f"data {key}": read(scale.data(key)) for key in sorted({s.data for s in arm.stages} | named)}
    looked = {key: repr(scale.setting(key)) for key in COMPARED if any(c.suite.startswith("coresets:") for c in arm.suites)}
    source = scale.source()
    return {"code": code(), "weights": scale.model(arm.base).digest(), "device": devices.name(scale.device),
            "suites": source.name if source else "Hub", "probes": repr(sorted(PROBES.items())), **data, **looked, **versions()}


def read(ref: SetRef) -> str:
    """A training set's files and how they are read."""
    how = {k: v for k, v in vars(ref).items() if k not in ("root", "origin", "note")}
    return f"{ref.digest()} {hashlib.blake2b(repr(sorted(how.items())).encode(), digest_size=6).hexdigest()}"


@functools.cache
def code(house: Path = HOUSE) -> str:
    files = sorted({p for pattern in READS for p in house.glob(pattern)})
    return of_files([p for p in files if not p.relative_to(house).as_posix().startswith(MADE_ELSEWHERE)], house)


@functools.cache
def versions() -> Mapping[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}
