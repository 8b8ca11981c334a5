"""The words of a study, as frozen values: stages, arms, runs, records. No logic beyond naming a run by its content.

A *run* is one model taken through its stages with one seed and then measured; its id is a hash of everything that
determines its numbers. An *arm* is what a paper compares: one run per seed. A *record* is what a run left behind.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # torch, transformers and peft take seconds to import, and a plan needs none of them
    from methods.fit import Training
    from methods.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """One stretch of training: a recipe over one training set."""

    recipe: Recipe
    data: str
    """Key of a training set in the scale (`repro.scales`)."""
    training: Training


@dataclass(frozen=True)
class SuiteCall:
    """One suite as measured: shots and the number of items (None: all) are part of what determines a number."""

    suite: str
    shots: int | None = None
    limit: int | None = None


PROBES: Mapping[str, int | None] = {"dev": 5, "norms": 51, "choice": 16, "sources": None, "answers": 5, "sampled": 10,
                                        "laplace": None, "averaged": None}
"""At how many steps of a stage a probe looks where an arm does not say, both ends included; None: at every step."""


@dataclass(frozen=True)
class Arm:
    """One line of a paper's comparison at one scale."""

    name: str
    label: str
    base: str
    """Key of a base model in the scale."""
    stages: tuple[Stage, ...]
    suites: tuple[SuiteCall, ...]
    seeds: tuple[int, ...]
    core: bool = True
    own_seeds: Mapping[str, int] = field(default_factory=dict)
    """Seeds of single random streams, e.g. {"blocks": 2}: only the draw of layers differs."""
    probes: tuple[str, ...] = ()
    """Further measurements while training: "norms" (per layer, of weights and of the change), "dev" (dev loss), "choice"
    (accuracy and loss among label words on dev), "sources" (share of small sources in the batches), "answers" (what every
    member says to the arm's lettered questions); "dev:9" looks at nine steps of a stage. After training: "sampled:10" (ten
    passes with dropout), "laplace", "averaged" (one adapter from all members')."""
    note: str = ""

    @property
    def points(self) -> dict[str, int | None]:
        """Probe -> at how many steps of a stage it looks."""
        named = [probe.partition(":") for probe in self.probes]
        return {name: int(points) if points else PROBES.get(name, 0) for name, _, points in named}


@dataclass(frozen=True)
class Run:
    """One arm with one seed at one scale. `pins` are digests of what the run reads: weights, data, code, versions."""

    paper: str
    arm: Arm
    seed: int
    scale: str
    threads: int
    pins: Mapping[str, str]

    @property
    def content(self) -> dict[str, Any]:
        """What determines the numbers, as JSON values; labels and the arm's other seeds are left out."""
        return {
            "base": self.arm.base, "stages": [stage_json(s) for s in self.arm.stages],
            "suites": [vars(s) for s in self.arm.suites], "own_seeds": dict(self.arm.own_seeds),
            "probes": list(self.arm.probes), "seed": self.seed, "scale": self.scale, "threads": self.threads,
            "pins": dict(self.pins),
        }

    @property
    def id(self) -> str:
        text = json.dumps(self.content, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def stage_json(stage: Stage) -> dict[str, Any]:
    return {"recipe": stage.recipe.to_json(), "data": stage.data, "training": stage.training.to_json()}


@dataclass(frozen=True)
class Metric:
    """A mean with its size and standard error; `n` counts items."""

    value: float
    stderr: float
    n: int


@dataclass(frozen=True)
class Record:
    """What a run left behind; `samples` and `curve` lie beside it as Parquet."""

    run_id: str
    paper: str
    arm: str
    seed: int
    scale: str
    status: Literal["done", "failed"]
    error: str | None
    metrics: Mapping[str, Mapping[str, Metric]]
    """suite (or suite/task) -> metric -> value."""
    cost: Mapping[str, float]
    """wall_s, tokens, tokens_per_s, trainable, active (mean), state_bytes_peak, peak_rss_bytes ..."""
    content: Mapping[str, Any]
    versions: Mapping[str, str]
    code: Mapping[str, Any] | None = None
    """commit, and whether the tree was dirty; None: not known."""
    machine: Mapping[str, Any] | None = None
    """processor, cores, memory_bytes, system, python, gpu; None: not known."""
