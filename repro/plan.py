"""From arms to the distinct runs they need: which are done, which are missing, and how long those will take."""
from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from repro.claims import Paper
from repro.pins import pins
from repro.scale import Scale
from repro.store import Store
from repro.study import Arm, Record, Run, Stage, stage_json

Which = Literal["core", "all"]


@dataclass(frozen=True)
class Plan:
    """The runs behind some papers' arms at one scale; runs with the same content appear once."""

    scale: str
    runs: tuple[Run, ...]
    missing: tuple[Run, ...]
    """Not done yet, longest first."""
    estimates: tuple[float | None, ...]
    """Seconds of each missing run; None where no earlier record of this scale tells."""

    @property
    def cached(self) -> int:
        return len(self.runs) - len(self.missing)

    def seconds(self, jobs: int) -> float | None:
        """Wall time with `jobs` runs at a time: an even share, or the longest run where that is more."""
        known = [e for e in self.estimates if e is not None]
        if len(known) < len(self.estimates):
            return None
        return max(sum(known) / jobs, max(known)) if known else 0.0


def make(papers: Sequence[Paper], scale: Scale, store: Store, which: Which = "core") -> Plan:
    """The plan; also notes in the store which run stands for which arm now."""
    wanted: list[Run] = []
    for paper in papers:
        runs = runs_of(paper.name, paper.arms(scale.name), scale)
        store.write_index(scale.name, paper.name, runs)
        wanted += [r for r in runs if r.arm.core or which == "all"]
    return of_runs(wanted, scale, store)


def of_runs(wanted: Iterable[Run], scale: Scale, store: Store) -> Plan:
    distinct = {r.id: r for r in wanted}
    missing = [r for r in distinct.values() if not store.done(r.id, scale.name)]
    past = [r for r in store.all(scale.name) if r.status == "done"] if missing else []
    timed = sorted(((estimate(r, past), r) for r in missing), key=lambda pair: (-(pair[0] or 0), -length(pair[1])))
    return Plan(scale.name, tuple(distinct.values()), tuple(r for _, r in timed), tuple(e for e, _ in timed))


def runs_of(paper: str, arms: Iterable[Arm], scale: Scale) -> list[Run]:
    """One run per arm and seed."""
    return [Run(paper, arm, seed, scale.name, scale.threads, pins(scale, arm)) for arm in arms for seed in arm.seeds]


def estimate(run: Run, past: Sequence[Record]) -> float | None:
    """Seconds: what the same stages and suites took before, else steps and evaluation at the scale's usual rates."""
    work = ([stage_json(s) for s in run.arm.stages], [vars(s) for s in run.arm.suites])
    same = [r.cost["wall_s"] for r in past if (r.content["stages"], r.content["suites"]) == work]
    if same:
        return statistics.median(same)
    rates = [r.cost["train_s"] / r.cost["steps"] for r in past if r.cost["steps"]]
    if not past or (run.arm.stages and not rates):
        return None
    evaluation = statistics.median(r.cost["eval_s"] for r in past)
    return evaluation + (length(run) * statistics.median(rates) if run.arm.stages else 0.0)


def length(run: Run) -> float:
    """Steps to go through; an epoch, whose steps are not known here, counts as a hundred."""
    return sum(_steps(s) for s in run.arm.stages)


def _steps(stage: Stage) -> float:
    training = stage.training
    return training.steps if training.steps is not None else 100 * (training.epochs or 0)
