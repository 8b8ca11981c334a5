"""The whole comparison: two stores in, checks out."""
from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Literal

from methods.parts import Refused
from repro.claims import Measure, OfItems, OfMean, Paper
from repro.gate import costs, curves, flips, noise, quality, words
from repro.gate.lineup import Key, Lineup, Pair, Side
from repro.gate.quality import Directions, Test
from repro.gate.words import Check, Judged
from repro.store import Store

MANY = 500
"""Arms that are worth a process."""


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
    runs: int = 0

    def read(self, keys: Sequence[Key]) -> tuple[list[Pair], quality.Arm | None]:
        """The pairs of one arm, and those of them that can be compared with their samples."""
        pairs = [self.lineup.pair(key) for key in keys]
        both = [p for p in pairs if p.both]
        return pairs, quality.Arm(both, self.lineup, self.floor, self.directions) if both else None

    def walk(self) -> None:
        """Goes through the arms; where there are thousands, in as many processes as there are cores."""
        arms = list(self.lineup.arms())
        size = -(-len(arms) // min(os.cpu_count() or 1, max(1, len(arms) // MANY)))
        parts = [arms[i:i + size] for i in range(0, len(arms), size)]
        if len(parts) < 2 or "fork" not in multiprocessing.get_all_start_methods():
            self.share(arms)
            return
        for pipe in [self._hand_out(part) for part in parts]:
            self.merge(_received(pipe))

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
            pipe.send((found.checks, found.tests, found.clock, found.moved, found.runs))
        except Refused as refusal:
            pipe.send(str(refusal))

    def merge(self, found: tuple[list[Check], list[Test], costs.Clock, dict[str, set[str]], int]) -> None:
        self.checks += found[0]
        self.tests += found[1]
        self.clock.merge(found[2])
        for paper, arms in found[3].items():
            self.moved.setdefault(paper, set()).update(arms)
        self.runs += found[4]

    def take(self, pairs: Sequence[Pair], arm: quality.Arm | None) -> None:
        """All checks of one arm."""
        self.checks += [check for pair in pairs for check in presence(pair)]
        if arm is None:
            return
        both = arm.pairs
        self.runs += len(both)
        if arm.moved or (arm.paper in self.judged and any(self._curves_differ(p) for p in both)):
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
    """Every check of a scale. Raises Refused where nothing can be compared."""
    now = Side.fresh(fresh, scale, tuple(only), arms)
    named = tuple(dict.fromkeys(key[0] for key in now.runs))
    before = Side.reference(reference, scale, named)
    if not any(before.path(k).exists() and now.path(k).exists() for k in before.runs if k in now.runs):
        raise Refused(f"cannot check scale {scale}; because {fresh.root} and {reference.root} share no finished run; "
                      f"use `bash run_all.sh --scale {scale}` first, or another --reference")
    known = [papers[name] for name in named if name in papers]
    comparison = Comparison(Lineup(before, now), noise.read(reference.root, scale), directions(known, scale),
                            frozenset(p.name for p in known))
    comparison.walk()
    verdicts = [c for paper in known for c in flips.checks(paper, before, now, comparison.moved.get(paper.name, set()))]
    checks = (*comparison.checks, *quality.settle(comparison.tests), *comparison.clock.checks(), *verdicts)
    return Judged(scale, checks, comparison.runs, tuple(notes(comparison)))


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


def presence(pair: Pair) -> Iterator[Check]:
    """Runs that are missing, failed, new, or no longer planned."""
    paper, arm, seed = pair.key
    check = Check(paper, arm, "run", f"seed {seed}", "worse")
    was, is_ = pair.before, pair.now
    if is_ is not None and is_.status == "failed":
        yield _said(check, f"failed: {(is_.error or 'no reason was recorded').splitlines()[0]}")
    elif is_ is None and was is not None and pair.asked:
        yield _said(check, "missing: the reference has this run")
    elif is_ is None and was is not None:
        yield _said(check, "not run: an ablation" if pair.planned else "no longer planned", "skipped")
    elif is_ is not None and was is None:
        yield _said(check, "new: the reference has no such run", "skipped")
    elif is_ is not None:
        yield _said(check, "", "same")


def _said(check: Check, why: str, outcome: words.Outcome = "worse") -> Check:
    return Check(check.paper, check.arm, check.kind, check.name, outcome, why)


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


def notes(comparison: Comparison) -> Iterator[str]:
    floor = comparison.floor
    if floor is None:
        yield (f"No noise floor has been measured for this scale: {words.FALLBACK:g} of the metric's unit stands in, and "
               "training paths are not judged (`python -m repro accept --noise FOLDER --noise FOLDER` measures it).")
    else:
        yield (f"Noise floor: {words.SAFETY:g} times the largest difference between {floor.repeats} repeats; "
               f"{words.FALLBACK:g} of the metric's unit, and no look at the training path, where an arm was not repeated.")
    pace = comparison.clock.pace()
    if pace is None:
        yield (f"Time was not compared: it takes {words.TIMED_RUNS} runs that trained for {words.TIMED_S:g} s or more, "
               f"of arms with {words.TIMED_SEEDS} seeds or more.")
    else:
        yield f"Time: steps took {pace:.2f} times the reference's on the whole; arms are compared beyond that."
