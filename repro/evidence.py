"""From records to numbers: finds the runs of an arm and lines up what they measured, by seed and by item.

Runs are found by content (recipe, data, suites, seed), never by an arm's name: two arms that are the same run share one.
"""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from methods.parts import Refused
from repro import answered
from repro.claims import Contrast, Measure, Missing, OfAnswers, OfItems, OfMean
from repro.rows import Rows
from repro.series import Series, difference, range_of, same_items, together
from repro.sparse import Within, minus
from repro.study import Arm, Record, Run
from suites.calibration.answers import Answers

SHARES = frozenset({"accuracy", "disagreement", "gap"})
"""Scores of questions that lie between 0 and 1."""


class Source(Protocol):
    """What evidence needs of a store."""

    def records(self, scale: str, paper: str) -> list[Record]: ...
    def samples(self, run_id: str) -> pd.DataFrame: ...
    def table(self, run_id: str) -> pa.Table:
        """The samples as they lie in the file."""
    def curve(self, run_id: str) -> pd.DataFrame: ...


@dataclass(frozen=True)
class Evidence:
    """The records of one paper at one scale, by arm. `only`: the run ids that count (None: all in the store)."""

    source: Source
    paper: str
    scale: str
    arms: tuple[Arm, ...]
    only: frozenset[str] | None = None
    _found: dict[str, Record] = field(default_factory=dict, compare=False)
    _asked: dict[tuple[str, int], tuple[Arm, Record | None]] = field(default_factory=dict, compare=False)
    _contents: dict[str, tuple[Arm, dict[str, Any]]] = field(default_factory=dict, compare=False)
    _series: dict[tuple[str, Measure], Series] = field(default_factory=dict, compare=False)
    _tables: dict[str, pa.Table] = field(default_factory=dict, compare=False)
    _by_suite: dict[tuple[str, str], Rows | None] = field(default_factory=dict, compare=False)

    def untrained(self, arm: str) -> bool:
        """Whether nothing is trained in the arm of this name."""
        return any(a.name == answered.named(arm)[0] and not a.stages for a in self.arms)

    def __post_init__(self) -> None:
        for record in self.source.records(self.scale, self.paper):
            if self.only is None or record.run_id in self.only:
                self._add(_content_key(record.content), record)

    def _add(self, key: str, record: Record) -> None:
        other = self._found.get(key)
        if other is not None and other.run_id != record.run_id:
            raise Refused(f"cannot report on {self.paper} at scale {self.scale}; because the runs {other.run_id} and "
                          f"{record.run_id} differ only in what they were pinned to; keep one state of code and data")
        self._found[key] = record

    def arm(self, name: str) -> Arm:
        """The arm of this name; a way of predicting behind it ("lora|ensemble") is not looked at."""
        for arm in self.arms:
            if arm.name == answered.named(name)[0]:
                return arm
        raise Missing(f"arm {name} is not part of this scale")

    def record(self, arm: Arm, seed: int) -> Record | None:
        of, found = self._asked.get((arm.name, seed), (None, None))
        if of is not arm:
            found = self._found.get(_content_key({**self._content(arm), "seed": seed}))
            self._asked[arm.name, seed] = arm, found
        return found

    def _content(self, arm: Arm) -> dict[str, Any]:
        """What an arm's runs are, all but the seed."""
        of, found = self._contents.get(arm.name, (None, {}))
        if of is not arm:
            found = Run(self.paper, arm, 0, self.scale, 0, {}).content
            self._contents[arm.name] = arm, found
        return found

    def done(self, name: str) -> list[Record]:
        """The finished runs of an arm in the order of its seeds. Raises Missing when there is none."""
        arm = self.arm(name)
        found = [self.record(arm, seed) for seed in arm.seeds]
        records = [r for r in found if r is not None and r.status == "done"]
        if not records:
            failed = any(r is not None for r in found)
            raise Missing(f"arm {name} {'failed' if failed else 'has not been run'}")
        return records

    def status(self) -> list[tuple[Arm, int, Record | None]]:
        """Every (arm, seed) with its record, if any."""
        return [(arm, seed, self.record(arm, seed)) for arm in self.arms for seed in arm.seeds]

    def series(self, name: str, measure: Measure) -> Series:
        """The measure for every finished seed of an arm. Raises Missing where a run did not take it."""
        if (name, measure) not in self._series:
            self._series[name, measure] = _finite(self._measured(name, measure), name, measure)
        return self._series[name, measure]

    def _measured(self, name: str, measure: Measure) -> Series:
        if isinstance(measure, OfMean):
            return together([self.series(name, part) for part in measure.of])
        records = self.done(name)
        arm = self.arm(name)
        trained = bool(arm.stages) or len(arm.seeds) > 1  # a probe is fitted to each seed's own rows
        seeds = tuple(r.seed for r in records)
        if isinstance(measure, OfAnswers):
            return self._of_answers(name, measure, records, trained)
        if isinstance(measure, OfItems):
            return _of_items([self._suite(r.run_id, measure.suite) for r in records], seeds, trained, measure, name)
        return Series.one_each(seeds, [measure.times * self._read(r, measure) for r in records], measure.key, trained)

    def _of_answers(self, name: str, measure: OfAnswers, records: Sequence[Record], trained: bool) -> Series:
        arm, way = answered.named(name)
        stages = self.arm(arm).stages
        dev = f"{stages[0].data}/dev" if stages else None
        found = [answered.score(measure, way, partial(self._options, record.run_id), dev) for record in records]
        for one in found[1:]:
            same_items(found[0].items, one.items, f"the seeds of {arm}")
        cluster = pd.factorize(np.array(found[0].facts))[0].astype(np.int64)
        values = measure.times * np.stack([one.values for one in found])
        return Series(tuple(r.seed for r in records), values, cluster, found[0].items, np.ones(values.shape[1]), trained,
                      _within(measure))

    def answers(self, name: str, key: str) -> list[list[Answers]]:
        """Seed by seed, the distributions of a prediction ("lora|ensemble") on a set of lettered questions."""
        arm, way = answered.named(name)
        stages = self.arm(arm).stages
        dev = f"{stages[0].data}/dev" if stages else None
        return [answered.answers(way, partial(self._options, r.run_id), key, dev) for r in self.done(arm)]

    def _options(self, run_id: str, key: str) -> pd.DataFrame | None:
        rows = self._suite(run_id, f"options:{key}")
        return None if rows is None else rows.frame

    def _suite(self, run_id: str, suite: str) -> Rows | None:
        """The samples of one suite, by item; every run's file is read once."""
        if run_id not in self._tables:
            self._tables[run_id] = self.source.table(run_id)
        if (run_id, suite) not in self._by_suite:
            self._by_suite[run_id, suite] = Rows.of(self._tables[run_id], suite)
        return self._by_suite[run_id, suite]

    def _read(self, record: Record, measure: Any) -> float:
        try:
            return float(measure.read(self.source.curve(record.run_id)))
        except LookupError as error:
            raise Missing(f"arm {record.arm} left no {measure.label}") from error

    def effect(self, contrast: Contrast) -> Series:
        """The contrast's effect, paired by seed and item; larger is better for the left side."""
        if contrast.over:
            return together([self.effect(c) for c in contrast.over])
        sign = 1.0 if contrast.measure.higher else -1.0
        if not isinstance(contrast.left, str):
            return range_of([self.series(arm, contrast.measure) for arm in contrast.left])
        left = self.series(contrast.left, contrast.measure)
        if contrast.right is None:
            return left if sign > 0 else replace(left, values=-left.values, within=minus((0.0, 0.0), left.within))
        return difference(left, self.series(contrast.right, contrast.measure), sign, f"{contrast.left} and {contrast.right}")


def _content_key(content: Mapping[str, Any]) -> str:
    """What a run is, apart from the state of code and data that it was pinned to."""
    return json.dumps({k: v for k, v in content.items() if k not in ("pins", "threads")}, sort_keys=True)


def _of_items(runs: Sequence[Rows | None], seeds: tuple[int, ...], trained: bool, measure: OfItems, arm: str) -> Series:
    found = [rows for rows in runs if rows is not None and measure.column in rows]
    if len(found) < len(runs):
        raise Missing(f"arm {arm} was not measured on {measure.label}")
    first = found[0]
    for rows in found[1:]:
        same_items(first.names, rows.names, f"the seeds of {arm}")
    cluster = pd.factorize(np.array(first.texts("fact"), dtype=object))[0].astype(np.int64)
    values = measure.times * np.stack([rows.numbers(measure.column) for rows in found])
    weight = np.ones(len(first.names)) if measure.weight is None else first.numbers(measure.weight)
    return Series(seeds, values, cluster, first.names, weight, trained, _within(measure))


def _within(measure: OfItems | OfAnswers) -> Within | None:
    """Shares of right answers, and of what members may differ in, lie between 0 and 1."""
    a_share = measure.score in SHARES if isinstance(measure, OfAnswers) else measure.column == "correct"
    return (0.0, measure.times) if a_share and measure.unit == "%" else None


def _finite(series: Series, name: str, measure: Measure) -> Series:
    """A run that diverged has no mean: it counts as failed."""
    lost = series.values.size - int(np.isfinite(series.values).sum())
    if lost:
        raise Missing(f"{lost} of {series.values.size} values of {measure.label} are no finite numbers: arm {name} failed")
    return series
