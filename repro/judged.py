"""What a trial found, as frozen values: contrasts and counts that were tried, controls, verdicts. The rules: `repro.verdict`."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from repro.bootstrap import LEVEL, Estimate
from repro.claims import Claim, Contrast, Control, Counted

Word = Literal["supported", "direction only", "refuted", "inconclusive", "untestable", "not run"]
MIN_CLUSTERS = 10
SHOWN = ("supported", "direction only")
"""Words that say something for a claim, so that what speaks against it has to stand beside them."""


@dataclass(frozen=True)
class Tested:
    """A contrast with what was found: the estimate and one-sided p values, or why there is none."""

    contrast: Contrast
    estimate: Estimate | None
    p: float = 1.0
    """One-sided, of the test that shows the contrast to hold."""
    p_against: float = 1.0
    """Of the one that shows its opposite."""
    p_direction: float = 1.0
    missing: str = ""

    @property
    def too_few(self) -> str:
        """Why no test may be made of it, or nothing."""
        e = self.estimate
        if e is None:
            return self.missing
        if e.seeds == 1:
            return "one seed says nothing about the spread between seeds"
        if e.items > 1 and e.clusters < MIN_CLUSTERS:
            return f"{e.clusters} independent items are fewer than {MIN_CLUSTERS}"
        if e.no_spread:
            return f"all seeds{' and items' * (e.items > 1)} give the same number, which leaves no spread to judge by"
        return ""

    @property
    def holds(self) -> bool:
        return not self.too_few and self.p <= LEVEL

    @property
    def fails(self) -> bool:
        return not self.too_few and self.p_against <= LEVEL

    @property
    def outcome(self) -> str:
        """In a word, uncorrected."""
        if self.estimate is None:
            return "not run"
        return "holds" if self.holds else "fails" if self.fails else "undecided"


@dataclass(frozen=True)
class Reckoned:
    """A comparison of counts with its numbers; None where one was not counted. `own`: the rival's, where it is not the limit."""

    counted: Counted
    value: float | None
    limit: float | None
    own: float | None = None

    @classmethod
    def of(cls, counted: Counted) -> Reckoned:
        return cls(counted, counted.value(), counted.limit(), counted.own() if counted.own else None)

    @property
    def holds(self) -> bool:
        if self.value is None or self.limit is None:
            return False
        return self.value >= self.limit if self.counted.least else self.value <= self.limit

    @property
    def strain(self) -> float:
        """How much of what is allowed is taken: above 1 it does not hold."""
        if not self.value or not self.limit:
            return 0.0
        return self.limit / self.value if self.counted.least else self.value / self.limit

    @property
    def outcome(self) -> str:
        if self.value is None or self.limit is None:
            return "not run"
        return "holds" if self.holds else "fails"


@dataclass(frozen=True)
class ControlResult:
    """A control's contrasts and counts, tried. It explains the claim away when all hold."""

    control: Control
    tested: tuple[Tested, ...]
    counted: tuple[Reckoned, ...] = ()

    @property
    def ran(self) -> bool:
        return all(t.estimate is not None for t in self.tested) and all(r.outcome != "not run" for r in self.counted)

    @property
    def explains(self) -> bool:
        return all(t.holds for t in self.tested) and all(r.holds for r in self.counted)

    @property
    def outcome(self) -> str:
        if not self.ran:
            return "not run"
        if self.explains:
            return "explains it"
        fails = any(t.fails for t in self.tested) or any(r.outcome == "fails" for r in self.counted)
        return "does not explain it" if fails else "undecided"


@dataclass(frozen=True)
class Verdict:
    """A claim judged at a scale, with all that it rests on."""

    claim: Claim
    scale: str
    word: Word
    why: str
    tested: tuple[Tested, ...] = ()
    controls: tuple[ControlResult, ...] = ()
    p_for: float | None = None
    """Of all parts together, corrected over the paper's claims."""
    seeds_needed: int | None = None
    counted: tuple[Reckoned, ...] = ()
    p_against: float | None = None
    """Of the opposite of any part, corrected."""
    untuned: tuple[str, ...] = ()
    """Rivals whose learning rate was not tuned for them, by their labels."""

    @property
    def p(self) -> float | None:
        """The one that belongs to the word."""
        return self.p_against if self.word == "refuted" else self.p_for

    @property
    def more_seeds(self) -> int | None:
        """Beyond those that there are."""
        there = min((t.estimate.seeds for t in self.tested if t.estimate is not None and t.estimate.seeds > 0), default=0)
        return None if self.seeds_needed is None else self.seeds_needed - there

    @property
    def explained_by(self) -> tuple[str, ...]:
        return tuple(c.control.name for c in self.controls if c.explains)

    @property
    def open_controls(self) -> tuple[str, ...]:
        return tuple(c.control.name for c in self.controls if c.outcome == "undecided")

    @property
    def stands(self) -> bool:
        return self.word == "supported" and not (self.explained_by or self.open_controls or self.untuned)

    @property
    def headline(self) -> str:
        """The verdict as it is shown: never a bare "supported" where a control explains it or its rival was not tuned."""
        if self.word in SHOWN:
            return f"{self.word}{self._but}{self._not_tuned}"
        if self.word == "inconclusive" and self.seeds_needed:
            return f"inconclusive (about {self.more_seeds} more seed{'s' * (self.more_seeds != 1)} would decide)"
        return self.word

    @property
    def _but(self) -> str:
        if self.explained_by:
            return f", but explained by its {_named('control', self.explained_by)}"
        return f", but undecided against its {_named('control', self.open_controls)}" if self.open_controls else ""

    @property
    def _not_tuned(self) -> str:
        were = "were" if len(self.untuned) > 1 else "was"
        return f"; its {_named('rival', self.untuned, f' {were} not tuned')}" if self.untuned else ""

    @property
    def group(self) -> str:
        """The headline without names, by which verdicts are counted."""
        if self.word not in SHOWN:
            return self.word
        but = ("explained by controls" if self.explained_by else "undecided against a control" if self.open_controls else
               "its rival was not tuned" if self.untuned else "")
        return f"{self.word} but {but}" if but else self.word


def _named(what: str, names: tuple[str, ...], verb: str = "") -> str:
    return f"{what}{'s' * (len(names) > 1)}{verb}: {', '.join(names)}"
