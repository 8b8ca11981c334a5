"""From arms to the distinct runs they need: which are done, which are missing, and how long those will take.

A run whose files are damaged is missing, and the plan says which and why; so is a damaged ablation that was not asked for:
it had been run, and a report must not lose it. What a newer version wrote is not touched: it is refused.
"""
from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from repro.claims import Paper
from repro.pins import pins
from repro.scale import Scale
from repro.schema import Damaged
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
    damaged: Mapping[str, str] = field(default_factory=dict)
    """Run id -> the sentence that says which file is not as it was written; these runs are among the missing."""

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
    runs: list[Run] = []
    for paper in papers:
        of_paper = runs_of(paper.name, paper.arms(scale.name), scale)
        store.write_index(scale.name, paper.name, of_paper)
        runs += of_paper
    wanted = [r for r in runs if r.arm.core or which == "all"]
    return of_runs(wanted, scale, store, [r for r in runs if not (r.arm.core or which == "all")])


def of_runs(wanted: Iterable[Run], scale: Scale, store: Store, others: Iterable[Run] = ()) -> Plan:
    """`others` are wanted where they are damaged."""
    distinct, rest = ({r.id: r for r in runs} for runs in (wanted, others))
    found = {i: standing(r, store) for i, r in (rest | distinct).items()}
    distinct |= {i: r for i, r in rest.items() if found[i].damage is not None}
    missing = [r for i, r in distinct.items() if not found[i].done]
    damaged = {i: said for i, r in distinct.items() if (said := found[i].damage) is not None}
    past = [r for r in store.readable(scale.name) if r.status == "done"] if missing else []
    timed = sorted(((estimate(r, past), r) for r in missing), key=lambda pair: (-(pair[0] or 0), -length(pair[1])))
    return Plan(scale.name, tuple(distinct.values()), tuple(r for _, r in timed), tuple(e for e, _ in timed), damaged)


@dataclass(frozen=True)
class Standing:
    """Whether a run is done; `damage`: the sentence that says which of its files is not as it was written."""

    done: bool
    damage: str | None = None


def standing(run: Run, store: Store) -> Standing:
    try:
        return Standing(store.done(run.id, run.scale))
    except Damaged as damage:
        return Standing(False, str(damage))


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
