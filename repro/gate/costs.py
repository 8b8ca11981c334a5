"""What runs cost against their reference: work as exactly as it repeats, memory by ratio, time against the common pace of arms.

Machines differ and are shared, so seconds are never compared by themselves: every arm is set against the common pace of the
call, the median ratio over all its runs, and must stand out from their spread as well.
"""
from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from repro.gate import noise, words
from repro.gate.lineup import Pair
from repro.gate.words import Check
from repro.study import Record


def work(pairs: Sequence[Pair], floor: noise.Noise | None) -> Iterator[Check]:
    """What is counted follows from the recipe; only a selection that looks at numbers may take other texts."""
    paper, arm, _ = pairs[0].key
    for name in words.WORK:
        of = _both(pairs, name)
        strays = floor.floor(f"{paper}/{arm}", noise.WORK, name) if floor else None
        if strays is None and name == "tokens" and any(_chooses(p.before) for p in pairs):
            strays = words.FALLBACK / words.SAFETY * max((a for a, _ in of), default=0.0)
        allowed = words.SAFETY * strays if strays else 0.0
        moved = [(a, b) for a, b in of if not math.isclose(a, b, rel_tol=1e-9, abs_tol=allowed)]
        why = f"{allowed:,.0f} allowed, as texts are chosen by numbers" if allowed else "it follows from the recipe alone"
        if of:
            yield _check(pairs, "work", name, moved or of, "changed" if moved else "same", why)


def _chooses(record: Record | None) -> bool:
    """Whether a stage looks at its examples before it takes them."""
    stages = record.content["stages"] if record is not None else []
    return any(not s["recipe"]["selection"]["part"].startswith("Uniform") for s in stages)


def memory(pairs: Sequence[Pair]) -> Iterator[Check]:
    """The largest ratio over the arm's seeds, on the same kind of device."""
    for name, limit in words.MEMORY.items():
        of = [(a, b) for a, b in _both([p for p in pairs if same_machine(p)], name) if a > 0 or b > 0]
        if not of:
            continue
        ratios = [b / a if a else math.inf for a, b in of]
        outcome: words.Outcome = "worse" if max(ratios) > limit else "better" if max(ratios) < 1 / limit else "same"
        yield _check(pairs, "memory", name, of, outcome, f"{max(ratios):.3g} times the reference's, {limit:g} allowed")


def _check(pairs: Sequence[Pair], kind: words.Kind, name: str, of: Sequence[tuple[float, float]], outcome: words.Outcome,
           why: str) -> Check:
    paper, arm, _ = pairs[0].key
    before, now = max(a for a, _ in of), max(b for _, b in of)
    return Check(paper, arm, kind, name, outcome, why if outcome != "same" else "", before, now, now - before, seeds=len(of))


def _both(pairs: Sequence[Pair], name: str) -> list[tuple[float, float]]:
    found = [(_cost(p.before, name), _cost(p.now, name)) for p in pairs]
    return [(a, b) for a, b in found if math.isfinite(a) and math.isfinite(b)]


def _cost(record: Record | None, name: str) -> float:
    return record.cost.get(name, math.nan) if record else math.nan


def same_machine(pair: Pair) -> bool:
    """Whether device and threads are the same, as far as the records say."""
    return pair.before is not None and pair.now is not None and _machine(pair.before) == _machine(pair.now)


def _machine(record: Record) -> tuple[object, object]:
    return record.content.get("pins", {}).get("device"), record.content.get("threads")


@dataclass
class Clock:
    """Collects log ratios of seconds a step, run by run, and judges them when all are there."""

    ratios: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    seconds: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def add(self, pairs: Sequence[Pair]) -> None:
        for pair in filter(same_machine, pairs):
            before, now = _step_s(pair.before), _step_s(pair.now)
            if before and now:
                self.ratios.setdefault(pair.key[:2], []).append(math.log(now / before))
                self.seconds[pair.key[:2]] = (before, now)

    def merge(self, other: Clock) -> None:
        """Takes over the arms of another clock, which are other arms than these."""
        self.ratios.update(other.ratios)
        self.seconds.update(other.seconds)

    def _every(self) -> list[float]:
        return [r for of in self.ratios.values() if len(of) >= words.TIMED_SEEDS for r in of]

    def pace(self) -> float | None:
        """The median ratio of all runs; None where too few were timed."""
        every = self._every()
        return math.exp(statistics.median(every)) if len(every) >= words.TIMED_RUNS else None

    def checks(self) -> Iterator[Check]:
        """An arm is slower where every one of its seeds is."""
        common = self.pace()
        if common is None:
            return
        every, pace = np.array(self._every()), math.log(common)
        spread = 1.4826 * float(np.median(abs(every - pace)))
        limit = max(math.log(words.SLOWER), words.SPREADS * spread)
        for (paper, arm), of in ((k, v) for k, v in self.ratios.items() if len(v) >= words.TIMED_SEEDS):
            slow, fast = min(of) - pace, max(of) - pace
            outcome: words.Outcome = "worse" if slow > limit else "better" if fast < -limit else "same"
            beyond = statistics.median(of) - pace
            why = f"{math.exp(beyond):.2f} times the common pace, {math.exp(limit):.2f} allowed" if outcome != "same" else ""
            yield Check(paper, arm, "time", "seconds a step", outcome, why, *self.seconds[paper, arm], change=beyond,
                        margin=limit, seeds=len(of))


def _step_s(record: Record | None) -> float | None:
    """None for a run that was too short to be timed."""
    cost: Mapping[str, float] = record.cost if record else {}
    train_s, steps = cost.get("train_s", 0.0), cost.get("steps", 0.0)
    return train_s / steps if steps and train_s >= words.TIMED_S else None
