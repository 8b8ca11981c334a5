"""Quality: every metric of an arm against its reference, paired by item, seeds pooled; and what became of its items."""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from scipy import stats

from repro.gate import items, words
from repro.gate.lineup import Lineup, Pair
from repro.gate.noise import Noise
from repro.gate.words import Check
from repro.study import Metric, Record
from repro.verdict import holm

Directions = Mapping[tuple[str, str], bool]
"""(suite, metric) -> whether more is better, where the papers' claims say so."""
Both = tuple[Metric, Metric]


@dataclass(frozen=True)
class Test:
    """A metric before it is judged: `check` holds its numbers, `better` says which way is up (None: not known)."""

    check: Check
    better: bool | None
    clusters: int
    """Independent items behind its standard error; 0 where no items were kept."""

    @property
    def worsening(self) -> float:
        """Above 0 it got worse; without a known direction any move counts."""
        change = self.check.change or 0.0
        return abs(change) if self.better is None else -change if self.better else change

    def p(self, gain: bool = False) -> float:
        """That it got worse (`gain`: better) by more than its margin through the chance of its items alone."""
        gap = (-self.worsening if gain else self.worsening) - (self.check.margin or 0.0)
        if math.isnan(gap):
            return float(gain)
        if gap <= 0:
            return 1.0
        if not self.check.stderr:
            return 0.0
        if self.clusters < words.MIN_CLUSTERS:
            return float(gap <= words.BLUNT * self.check.stderr)
        sides = 2 if self.better is None else 1
        return min(1.0, sides * float(stats.t.sf(gap / self.check.stderr, self.clusters - 1)))


def settle(tests: Sequence[Test]) -> Iterator[Check]:
    """The tests of a call, judged together."""
    worse = holm({str(i): t.p() for i, t in enumerate(tests)})
    gained = holm({str(i): t.p(gain=True) for i, t in enumerate(tests)})
    beyond = stats.t.ppf(1 - words.LEVEL / max(1, len(tests)), 1000) + stats.norm.ppf(0.9)
    for i, test in enumerate(tests):
        check, p, p_gain = test.check, worse[str(i)], gained[str(i)]
        if check.stderr is not None and check.margin is not None and test.clusters >= words.MIN_CLUSTERS:
            check = replace(check, detectable=check.margin + float(beyond) * check.stderr)
        if p <= words.LEVEL:
            yield replace(check, outcome="changed" if test.better is None else "worse", p=p, why=_why(test))
        elif p_gain <= words.LEVEL:
            yield replace(check, outcome="better", p=p_gain, why=_why(test))
        else:
            yield replace(check, p=p)


def _why(test: Test) -> str:
    if math.isnan(test.check.change or 0.0):
        return "not a number now"
    way = {True: "more is better", False: "less is better", None: "it moved, and which way is better is not known"}[test.better]
    return f"{way}; {test.check.why}" if test.check.why else way


@dataclass
class Arm:
    """One arm's pairs of finished runs. Samples are decoded only where items changed or a metric left its margin."""

    pairs: Sequence[Pair]
    lineup: Lineup
    noise: Noise | None = None
    directions: Directions = field(default_factory=dict)
    paper: str = field(init=False)
    name: str = field(init=False)
    files: Sequence[tuple[bytes, bytes]] = field(init=False)
    """Each run's file of samples, then and now."""

    def __post_init__(self) -> None:
        self.paper, self.name, _ = self.pairs[0].key
        before, now = ([side.content(p.key, "samples") for p in self.pairs]
                       for side in (self.lineup.before, self.lineup.now))
        self.files = list(zip(before, now, strict=True))

    @property
    def moved(self) -> bool:
        """Whether any file differs."""
        return any(a != b for a, b in self.files)

    @cached_property
    def lined(self) -> tuple[items.Lined | None, ...]:
        """Run by run; None where no samples were kept."""
        return tuple(_lined(items.read(a), items.read(b)) for a, b in self.files)

    def checks(self) -> Iterator[Check | Test]:
        """One check a suite whose items changed, and a test for every metric that stands for itself."""
        if not all(items.same_stored(a, b) for a, b in self.files):
            yield from self._items("items", "lost", [x.lost for x in self.lined if x])
            yield from self._items("items", "added", [x.added for x in self.lined if x])
            yield from self._items("labels", "relabelled", [x.relabelled for x in self.lined if x])
        names = {(s, m): None for p in self.pairs if p.before for s, of in p.before.metrics.items() for m in of}
        for suite, metric in names:
            found = self._metric(suite, metric)
            if found is not None:
                yield found

    def _items(self, kind: words.Kind, what: str, counts: Sequence[Mapping[str, int]]) -> Iterator[Check]:
        for suite in sorted({s for of in counts for s in of}):
            n = sum(of.get(suite, 0) for of in counts)
            yield Check(self.paper, self.name, kind, f"{suite} {what}", "changed", f"{n} item{'s' * (n > 1)} {what}", n=n,
                        seeds=len(self.pairs))

    def _metric(self, suite: str, metric: str) -> Check | Test | None:
        """None for a part of a suite (its items are in the whole) and where `_items` has said that items changed."""
        there = [(_of(p.before, suite, metric), _of(p.now, suite, metric)) for p in self.pairs]
        of = {i: (a, b) for i, (a, b) in enumerate(there) if a is not None and b is not None}
        check = Check(self.paper, self.name, "quality", f"{suite} {metric}", "worse", seeds=len(self.pairs))
        gone = sum(a is not None and b is None for a, b in there)
        if gone:
            return replace(check, why=f"gone in {gone} of {len(there)} runs", before=_mean([a for a, _ in there if a]))
        changed = next(((a.n, b.n) for a, b in of.values() if a.n != b.n), None)
        if changed is not None:
            said = any(_within(suite, s) for x in self.lined if x for s in (*x.lost, *x.added))
            return None if said else replace(check, kind="items", outcome="changed", before=float(changed[0]),
                                             now=float(changed[1]), why=f"n was {changed[0]} and is {changed[1]}")
        return None if self._is_part(suite) or not of else self._test(suite, metric, of)

    def _is_part(self, suite: str) -> bool:
        """A suite with rows of its own ends in /dev; any other behind a slash shows rows of the suite before it."""
        metrics = self.pairs[0].before.metrics if self.pairs[0].before else {}
        return not suite.endswith("/dev") and any(suite.startswith(f"{whole}/") for whole in metrics)

    def _test(self, suite: str, metric: str, every: Mapping[int, Both]) -> Test:
        """Over the seeds that had a number before: only these can have got worse."""
        runs = {i: both for i, both in every.items() if math.isfinite(both[0].value)}
        if not runs:
            return Test(Check(self.paper, self.name, "quality", f"{suite} {metric}", "same", "it was not a number"), None, 0)
        of = list(runs.values())
        before, now = _mean([a for a, _ in of]), _mean([b for _, b in of])
        floor = self.noise.floor(f"{self.paper}/{self.name}", suite, metric) if self.noise else None
        check = Check(self.paper, self.name, "quality", f"{suite} {metric}", "same", before=before, now=now, change=now - before,
                      margin=words.margin(before, floor), n=sum(a.n for a, _ in of), seeds=len(of))
        better = self.directions.get((suite, metric), words.higher(metric))
        if all(a.value == b.value for a, b in of):
            return Test(replace(check, change=0.0), better, 0)
        if abs(now - before) <= (check.margin or 0.0):
            return Test(check, better, 0)
        blunt = math.sqrt(sum(m.stderr**2 for both in of for m in both if math.isfinite(m.stderr))) / len(of)
        kept = [items.differences(x, suite, metric, a.value) for i, (a, _) in runs.items() if (x := self.lined[i])]
        found = [d for d in kept if d is not None]
        if len(found) < len(of):
            return Test(replace(check, stderr=blunt, why="not paired: no items were kept"), better, 0)
        change, stderr, clusters = items.pooled(found)
        if clusters < words.MIN_CLUSTERS:
            few = f"not paired: {clusters} independent items"
            return Test(replace(check, change=change, stderr=blunt, why=few), better, clusters)
        return Test(replace(check, change=change, stderr=stderr), better, clusters)


def _lined(before: items.Table | None, now: items.Table | None) -> items.Lined | None:
    if before is None:
        return None
    return items.line_up(before, before.slice(0, 0) if now is None else now)


def _of(record: Record | None, suite: str, metric: str) -> Metric | None:
    return record.metrics.get(suite, {}).get(metric) if record else None


def _mean(metrics: Sequence[Metric]) -> float:
    return sum(m.value for m in metrics) / len(metrics)


def _within(suite: str, other: str) -> bool:
    """Whether a metric's suite and samples' suite are one, or one holds the other."""
    return suite == other or suite.startswith(f"{other}/") or other.startswith(f"{suite}/")
