"""The whole comparison: two stores in, checks out."""
from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Literal

from methods.parts import Refused
from repro.claims import Measure, OfItems, OfMean, Paper
from repro.gate import costs, curves, flips, noise, notes, quality
from repro.gate.lineup import Key, Lineup, Pair, Side, planned
from repro.gate.presence import absence, presence
from repro.gate.quality import Directions, Test
from repro.gate.words import Check, Judged
from repro.store import Store

MANY = 1500
"""Runs that are worth a process."""


@dataclass
class Comparison:
    """What has been found so far."""

    lineup: Lineup
    floor: noise.Noise | None
    directions: Directions
    judged: frozenset[str]
    """Papers whose claims are judged."""
    checks: list[Check] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    clock: costs.Clock = field(default_factory=costs.Clock)
    moved: dict[str, set[str]] = field(default_factory=dict)
    """Paper -> arms whose files differ at all."""
    codes: set[str] = field(default_factory=set)
    """The states of code that the fresh runs were made with."""
    runs: int = 0

    def read(self, keys: Sequence[Key]) -> tuple[list[Pair], quality.Arm | None]:
        """The pairs of one arm, and those of them that can be compared with their samples."""
        pairs = [self.lineup.pair(key) for key in keys]
        both = [p for p in pairs if p.both]
        return pairs, quality.Arm(both, self.lineup, self.floor, self.directions) if both else None

    def walk(self) -> None:
        """Goes through the arms; where there are thousands, in as many processes as there are cores."""
        arms = list(self.lineup.arms())
        processes = min(os.cpu_count() or 1, max(1, sum(map(len, arms)) // MANY))
        size = max(1, -(-len(arms) // processes))
        parts = [arms[i:i + size] for i in range(0, len(arms), size)]
        if len(parts) < 2 or "fork" not in multiprocessing.get_all_start_methods():
            self.share(arms)
        else:
            for pipe in [self._hand_out(part) for part in parts]:
                self.merge(_received(pipe))
        for (paper, arm), others in self.lineup.aliases.items():
            if arm in self.moved.get(paper, ()):
                for paper_, arm_ in others:
                    self.moved.setdefault(paper_, set()).add(arm_)

    def share(self, arms: Sequence[Sequence[Key]]) -> Comparison:
        for keys in arms:
            self.take(*self.read(keys))
        return self

    def _hand_out(self, arms: Sequence[Sequence[Key]]) -> Connection:
        """A forked process does a share: it has all that this one has, and sends only what it found."""
        fork = multiprocessing.get_context("fork")
        ours, theirs = fork.Pipe(duplex=False)
        fork.Process(target=self._send, args=(arms, theirs), daemon=True).start()
        theirs.close()
        return ours

    def _send(self, arms: Sequence[Sequence[Key]], pipe: Connection) -> None:
        try:
            found = self.share(arms)
            pipe.send((found.checks, found.tests, found.clock, found.moved, found.codes, found.runs))
        except Refused as refusal:
            pipe.send(str(refusal))

    def merge(self, found: tuple[list[Check], list[Test], costs.Clock, dict[str, set[str]], set[str], int]) -> None:
        self.checks += found[0]
        self.tests += found[1]
        self.clock.merge(found[2])
        for paper, arms in found[3].items():
            self.moved.setdefault(paper, set()).update(arms)
        self.codes |= found[4]
        self.runs += found[5]

    def take(self, pairs: Sequence[Pair], arm: quality.Arm | None) -> None:
        """All checks of one arm."""
        self.checks += [check for pair in pairs for check in presence(pair)]
        if arm is None:
            return
        both = arm.pairs
        self.runs += len(both)
        self.codes |= {str(p.now.content["pins"]["code"]) for p in both if p.now and "code" in p.now.content.get("pins", {})}
        papers = {arm.paper, *(paper for paper, _ in self.lineup.aliases.get((arm.paper, arm.name), ()))}
        if arm.moved or (papers & self.judged and any(self._curves_differ(p) for p in both)):
            self.moved.setdefault(arm.paper, set()).add(arm.name)
        for found in arm.checks():
            if isinstance(found, Test):
                self.tests.append(found)
            else:
                self.checks.append(found)
        self.checks += [*costs.work(both, self.floor), *costs.memory(both), *curves.checks(both, self.lineup, self.floor)]
        self.clock.add(both)

    def _curves_differ(self, pair: Pair) -> bool:
        before, now = (side.content(pair.key, "curve") for side in (self.lineup.before, self.lineup.now))
        return before != now


def compare(fresh: Store, reference: Store, scale: str, papers: Mapping[str, Paper], only: Sequence[str] = (),
            arms: Literal["core", "all"] = "core") -> Judged:
    """Every check of a scale, or of the papers in `only`. Raises Refused where there is no plan of one of these, and where
    nothing can be compared."""
    plans = planned(fresh, scale)
    if absent := [name for name in dict.fromkeys(only) if name not in plans]:
        raise Refused(f"cannot check scale {scale}; because {fresh.root} holds no plan of {', '.join(absent)}; "
                      f"use `bash run_all.sh --scale {scale}` first")
    now = Side.fresh(fresh, scale, tuple(only), arms)
    named = tuple(name for name in plans if not only or name in only)
    before = Side.reference(reference, scale, named)
    if not any(before.path(k).exists() and now.path(k).exists() for k in before.runs if k in now.runs):
        raise Refused(f"cannot check scale {scale}; because {fresh.root} and {reference.root} share no finished run; "
                      f"use `bash run_all.sh --scale {scale}` first, or another --reference")
    known = [papers[name] for name in named if name in papers]
    comparison = Comparison(Lineup(before, now), noise.read(reference.root, scale), directions(known, scale),
                            frozenset(p.name for p in known))
    comparison.walk()
    verdicts = [c for paper in known for c in flips.checks(paper, before, now, comparison.moved.get(paper.name, set()))]
    gone = [] if only else [absence(name) for name in planned(reference, scale) if name not in plans]
    checks = (*gone, *comparison.checks, *quality.settle(comparison.tests), *comparison.clock.checks(), *verdicts)
    return Judged(scale, checks, comparison.runs,
                  tuple(notes.of(comparison.floor, comparison.codes, comparison.clock.pace())))


def _received(pipe: Connection) -> Any:
    """What a process found. Raises Refused with its sentence, and where it ended without one."""
    try:
        found = pipe.recv()
    except EOFError as error:
        raise Refused("cannot finish the comparison; because one of its processes was ended, as the system does when memory "
                      "runs out; use --paper to compare one paper at a time") from error
    if isinstance(found, str):
        raise Refused(found)
    return found


def directions(papers: Sequence[Paper], scale: str) -> Directions:
    """(suite, column) -> whether more is better, as the papers' claims and tables have it."""
    found: dict[tuple[str, str], bool] = {}
    for paper in papers:
        contrasts = [x for c in paper.claims(scale) for x in (*c.contrasts, *(y for k in c.controls for y in k.contrasts))]
        shown = [column.measure for t in paper.tables(scale) for column in t.columns if column.measure is not None]
        for measure in (*(part.measure for x in contrasts for part in (x.over or (x,))), *shown):
            found |= {(m.suite, m.column): m.higher for m in _items(measure)}
    return found


def _items(measure: Measure) -> Sequence[OfItems]:
    if isinstance(measure, OfMean):
        return measure.of
    return (measure,) if isinstance(measure, OfItems) else ()
