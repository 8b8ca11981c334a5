"""Whether training bought anything: every method against the base model before training, on the same items."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from repro.bootstrap import estimate
from repro.leaderboard.entrants import Entrant
from repro.sparse import minus

TEST = "paired by item, where the 90 % interval of the difference leaves out 0"


@dataclass(frozen=True)
class AgainstBase:
    """Labels of the methods that are told to be better than the base model, of those told to be worse, and of all."""

    better: tuple[str, ...]
    worse: tuple[str, ...]
    all: tuple[str, ...]

    def __str__(self) -> str:
        """A sentence without its stop."""
        if not self.better:
            told = f"; {len(self.worse)} of {len(self.all)} {'is' if len(self.worse) == 1 else 'are'} worse" if self.worse else ""
            return f"no method is better than the base model before training{told} ({TEST})"
        who = "all" if len(self.better) == len(self.all) else f"{len(self.better)} of {len(self.all)}"
        worse = f", worse: {'; '.join(self.worse)}" if self.worse else ""
        names = "" if who == "all" else f" ({'; '.join(self.better)})"
        return f"better than the base model before training: {who}{names}{worse} ({TEST})"


def against(base: Entrant, methods: Sequence[Entrant], higher: bool) -> AgainstBase:
    """`base` was measured on the items of the methods, which were trained with two seeds or more."""
    better: list[str] = []
    worse: list[str] = []
    for m in methods:
        apart = m.series.values - base.series.values[:1]
        e = estimate(replace(m.series, values=apart, within=minus(m.series.within, base.series.within)))
        sides = (worse, better) if higher else (better, worse)
        if e.high < 0:
            sides[0].append(m.label)
        elif e.low > 0:
            sides[1].append(m.label)
    return AgainstBase(tuple(better), tuple(worse), tuple(m.label for m in methods))
