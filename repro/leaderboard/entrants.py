"""Who stands on which board.

Methods are compared where everything but the method is the same: the base model, the training sets in their order, the digests
of both as the records were pinned to them, the suite with its shots and limit, and the measure. Steps and batch sizes belong to
a method, whose cost stands beside it. Arms of several papers meet here; two that are the same runs are one method of two names.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from methods.parts import Refused
from repro.claims import Measure, Missing, OfAnswers
from repro.evidence import Evidence
from repro.leaderboard import costs
from repro.leaderboard.measures import ranking
from repro.series import Series
from repro.study import Arm, Record, SuiteCall


@dataclass(frozen=True)
class Contest:
    """What is the same for all methods of a board."""

    scale: str
    base: str
    data: tuple[str, ...]
    call: SuiteCall
    measure: Measure


@dataclass(frozen=True)
class Trouble:
    """Why a method, or one of its seeds, is not on a board."""

    label: str
    kind: str
    """failed | not run | not measured | not comparable"""
    why: str


@dataclass(frozen=True)
class Entrant:
    """A method on a board, with what was measured; `names` says as which arms of which papers it was declared."""

    label: str
    names: tuple[str, ...]
    series: Series
    cost: costs.Costs
    run_ids: tuple[str, ...]
    pins: tuple[str, ...]
    """Digests of the base's weights and of the training data."""
    made: frozenset[tuple[str, str]] = frozenset()
    """What its seconds depend on beside the method: (of what kind, which) for every run."""

    def __add__(self, other: Entrant) -> Entrant:
        """The same runs under another name."""
        label = self.label if other.label in self.label.split(" = ") else f"{self.label} = {other.label}"
        return replace(self, label=label, names=(*self.names, *other.names))


Found = tuple[Contest, Entrant | Trouble]


def of(evidence: Evidence) -> Iterator[Found]:
    """Every board that an arm of a paper stands on, with what it shows there."""
    for arm in evidence.arms:
        if not (arm.core and arm.stages):
            continue
        records = [evidence.record(arm, seed) for seed in arm.seeds]
        done = [r for r in records if r is not None and r.status == "done"]
        for contest in contests(arm, evidence.scale):
            yield from ((contest, t) for t in _troubles(arm, records))
            for way, label in _ways(arm, contest.measure) if done else ():
                yield contest, _entrant(evidence, arm, way, label, contest.measure, done)


def contests(arm: Arm, scale: str) -> Iterator[Contest]:
    """The boards of an arm."""
    data = tuple(stage.data for stage in arm.stages)
    for call in arm.suites:
        for measure in ranking(call):
            yield Contest(scale, arm.base, data, call, measure)


def _troubles(arm: Arm, records: Sequence[Record | None]) -> Iterator[Trouble]:
    for seed, record in zip(arm.seeds, records, strict=True):
        if record is None:
            yield Trouble(arm.label, "not run", f"seed {seed}")
        elif record.status == "failed":
            yield Trouble(arm.label, "failed", f"seed {seed}: {(record.error or 'no reason was recorded').splitlines()[0]}")


def _ways(arm: Arm, measure: Measure) -> tuple[tuple[str, str], ...]:
    """(what is read from the arm, its label): of an ensemble on lettered questions, the mean member and the ensemble."""
    members = members_of(arm)
    if members == 1 or not isinstance(measure, OfAnswers):
        return ((arm.name, arm.label),)
    return ((f"{arm.name}|member", f"{arm.label}, one of {members}"),
            (f"{arm.name}|ensemble", f"{arm.label}, ensemble of {members}"))


def members_of(arm: Arm) -> int:
    return max((stage.recipe.ensemble.members for stage in arm.stages), default=1)


def _entrant(evidence: Evidence, arm: Arm, way: str, label: str, measure: Measure, done: Sequence[Record]) -> Entrant | Trouble:
    single = way.endswith("|member")
    cost = costs.of(done, kept=1 if single else members_of(arm), share=1 / members_of(arm) if single else 1.0)
    try:
        series = evidence.series(way, measure)
    except Missing as reason:
        return Trouble(label, "not measured", str(reason))
    except Refused as reason:
        return Trouble(label, "not comparable", str(reason))
    return Entrant(label, (f"{evidence.paper}/{way}",), series, cost, tuple(r.run_id for r in done), _pins(done[0]),
                   frozenset(pair for r in done for pair in made(r)))


def made(record: Record) -> Iterator[tuple[str, str]]:
    """How and where a run was made; of records that do not say on which machine, all share the unknown one."""
    pins, machine = record.content.get("pins", {}), record.machine or {}
    yield "states of the code", str(pins.get("code", ""))
    yield "numbers of threads", str(record.content.get("threads", ""))
    yield "machines", " ".join(str(v) for v in (pins.get("device"), *(machine.get(k) for k in ("processor", "cores", "gpu"))))


def _pins(record: Record) -> tuple[str, ...]:
    """Digests of the base's weights and of the training sets' files (the first word of a pin; what follows is how they are read,
    which older records do not hold)."""
    pins = record.content.get("pins", {})
    keys = ["weights", *(f"data {stage['data']}" for stage in record.content.get("stages", []))]
    return tuple(str(pins.get(key, "")).partition(" ")[0] for key in keys)


def untrained(evidence: Evidence, contest: Contest) -> Entrant | None:
    """The base model before training, under the same suite call; None where it was not measured."""
    for arm in evidence.arms:
        if arm.core and not arm.stages and arm.base == contest.base and contest.call in arm.suites:
            try:
                done = evidence.done(arm.name)
                series = evidence.series(arm.name, contest.measure)
            except (Missing, Refused):
                continue
            names = (f"{evidence.paper}/{arm.name}",)
            return Entrant(arm.label, names, series, costs.UNTRAINED, tuple(r.run_id for r in done), _pins(done[0]))
    return None
