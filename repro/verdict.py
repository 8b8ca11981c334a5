"""From claims to verdicts. The rules, once:

- A contrast holds when one-sided p <= 0.05: "above" shows the effect beyond its margin, "at least" shows it no worse than
  the margin, "within" is two one-sided tests (equivalence). Its shown interval is the two-sided 90 % one.
- Errors are those of a bootstrap over seeds and, crossed with them, clusters of items, both paired. Intervals and p are neither
  percentile nor BCa, as the replicates of three seeds cannot reach 5 %: they are Student's t on the replicates' spread, with
  Satterthwaite's degrees of freedom, after Hall's transformation has taken the skewness of the items out.
- A claim needs all its contrasts, so its p is the largest of theirs; to refute it one contrast is enough, so that p is the
  smallest times their number. Both are corrected over the paper's claims by Holm's method.
- `supported`: the corrected p is <= 0.05. `direction only`: every effect is on the claimed side, but the size it claims or
  the correction is not met. `refuted`: the opposite of a contrast is shown. `inconclusive`: neither, with the number of
  further seeds that would decide it in four studies of five, if effects and spreads are those seen, at the level that Holm asks
  of the hardest claim. One seed, or fewer than 10 independent items, is always inconclusive. A failed seed counts as absent.
- A claim of counts (bytes at a model's shapes, simulated) has no chance in it: no p, no seeds, no correction. It is
  `supported` when every count holds, `refuted` when one does not.
- A control that holds explains the claim away: the verdict then reads "supported, but explained by its control", and the
  claim does not stand. Nor does it stand while a control is undecided (neither shown to hold nor to fail): the verdict then
  names it. A claim whose controls have not all run cannot be supported: it is inconclusive until they have.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from repro.bootstrap import LEVEL, Estimate, estimate
from repro.claims import Claim, Contrast, Control, Counted
from repro.evidence import Missing, Series
from repro.power import seeds_needed

Word = Literal["supported", "direction only", "refuted", "inconclusive", "untestable", "not run"]
MIN_CLUSTERS = 10


class Effects(Protocol):
    """What a trial needs of the evidence: the effect of a contrast (raises Missing where it was not measured), and the scale."""

    @property
    def scale(self) -> str: ...
    def effect(self, contrast: Contrast) -> Series: ...


@dataclass(frozen=True)
class Tested:
    """A contrast with what was found: the estimate and one-sided p values, or why there is none."""

    contrast: Contrast
    estimate: Estimate | None
    p: float = 1.0
    """That the contrast holds by chance alone."""
    p_against: float = 1.0
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
    """A comparison of counts with its two numbers; None where one was not counted."""

    counted: Counted
    value: float | None
    limit: float | None

    @property
    def holds(self) -> bool:
        return self.value is not None and self.limit is not None and self.value <= self.limit

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
    p: float | None = None
    """Corrected over the paper's claims."""
    seeds_needed: int | None = None
    counted: tuple[Reckoned, ...] = ()

    @property
    def more_seeds(self) -> int | None:
        """Beyond those that there are."""
        there = min((t.estimate.seeds for t in self.tested if t.estimate is not None), default=0)
        return None if self.seeds_needed is None else self.seeds_needed - there

    @property
    def explained_by(self) -> tuple[str, ...]:
        return tuple(c.control.name for c in self.controls if c.explains)

    @property
    def open_controls(self) -> tuple[str, ...]:
        return tuple(c.control.name for c in self.controls if c.outcome == "undecided")

    @property
    def stands(self) -> bool:
        return self.word == "supported" and not self.explained_by and not self.open_controls

    @property
    def headline(self) -> str:
        """The verdict as it is shown: never a bare "supported" where a control explains it."""
        if self.word in ("supported", "direction only") and self.explained_by:
            return f"{self.word}, but explained by its {_controls(self.explained_by)}"
        if self.word in ("supported", "direction only") and self.open_controls:
            return f"{self.word}, but undecided against its {_controls(self.open_controls)}"
        if self.word == "inconclusive" and self.seeds_needed:
            return f"inconclusive (about {self.more_seeds} more seed{'s' * (self.more_seeds != 1)} would decide)"
        return self.word


def _controls(names: tuple[str, ...]) -> str:
    return f"control{'s' * (len(names) > 1)}: {', '.join(names)}"


def put_to_test(evidence: Effects, contrast: Contrast) -> Tested:
    """Tries one contrast on the records there are."""
    try:
        e = estimate(evidence.effect(contrast))
    except Missing as error:
        return Tested(contrast, None, missing=str(error))
    m = contrast.margin
    if contrast.goal == "above":
        return Tested(contrast, e, e.p_above(m), e.p_below(m), e.p_above(0.0))
    if contrast.goal == "at least":
        return Tested(contrast, e, e.p_above(-m), e.p_below(-m), e.p_above(-m))
    inside = max(e.p_above(-m), e.p_below(m))
    outside = min(1.0, 2 * min(e.p_above(m), e.p_below(-m)))
    return Tested(contrast, e, inside, outside, inside)


def judge(claims: Sequence[Claim], evidence: Effects) -> tuple[Verdict, ...]:
    """Verdicts on all claims of one paper, corrected for their number."""
    tried = {c.id: tuple(put_to_test(evidence, x) for x in c.contrasts) for c in claims if c.untried is None and not c.counted}
    testable = [c.id for c in claims if c.id in tried and all(not t.too_few for t in tried[c.id])]
    untested = dict.fromkeys(tried, 1.0)  # they count in the family: a claim's verdict must not depend on what else has run
    p_for = holm(untested | {i: max(t.p for t in tried[i]) for i in testable})
    p_against = holm(untested | {i: min(1.0, len(tried[i]) * min(t.p_against for t in tried[i])) for i in testable})
    p_for, p_against = ({i: p[i] for i in testable} for p in (p_for, p_against))
    level = LEVEL / max(1, len(tried))
    return tuple(_verdict(c, evidence, tried.get(c.id, ()), p_for.get(c.id), p_against.get(c.id), level) for c in claims)


def holm(p: dict[str, float]) -> dict[str, float]:
    """Holm's step-down correction, by name (statsmodels has it, and collects garbage for a quarter second each time)."""
    corrected: dict[str, float] = {}
    least = 0.0
    for rank, name in enumerate(sorted(p, key=lambda n: p[n])):
        least = max(least, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = least
    return corrected


def _verdict(claim: Claim, evidence: Effects, tested: tuple[Tested, ...], p_for: float | None,
             p_against: float | None, level: float) -> Verdict:
    if claim.untried is not None:
        return Verdict(claim, evidence.scale, claim.untried, claim.reason)
    controls = tuple(ControlResult(c, tuple(put_to_test(evidence, x) for x in c.contrasts), reckoned(c.counted))
                     for c in claim.controls)
    if claim.counted:
        return _counted(claim, evidence.scale, controls)
    found = (claim, evidence.scale)
    absent = [t.missing for t in tested if t.estimate is None]
    if absent:
        return Verdict(*found, "not run", "; ".join(dict.fromkeys(absent)), tested, controls)
    few = [t.too_few for t in tested if t.too_few]
    if p_for is None or p_against is None:
        return Verdict(*found, "inconclusive", "; ".join(dict.fromkeys(few)), tested, controls)
    word, why = _word(tested, p_for, p_against)
    pending = [c.control.name for c in controls if not c.ran]
    if word in ("supported", "direction only") and pending and not any(c.explains for c in controls):
        why = f"would read \"{word}\", but its controls have not run: {', '.join(pending)}"
        return Verdict(*found, "inconclusive", why, tested, controls, p_for)
    needed = _needed(tested, level) if word == "inconclusive" else None
    if word == "inconclusive" and needed is None:
        why += "; more seeds alone would not decide it, more items might"
    return Verdict(*found, word, why, tested, controls, p_for, needed)


def reckoned(counted: Sequence[Counted]) -> tuple[Reckoned, ...]:
    return tuple(Reckoned(c, c.value(), c.limit()) for c in counted)


def _counted(claim: Claim, scale: str, controls: tuple[ControlResult, ...]) -> Verdict:
    """Of a claim of counts."""
    parts = reckoned(claim.counted)
    absent = [r.counted.name for r in parts if r.outcome == "not run"]
    if absent:
        return Verdict(claim, scale, "not run", f"not counted yet: {', '.join(absent)}", (), controls, counted=parts)
    failed = [r.counted.name for r in parts if not r.holds]
    why = "every count holds" if not failed else "these counts do not hold: " + ", ".join(failed)
    return Verdict(claim, scale, "refuted" if failed else "supported", why, (), controls, counted=parts)


def _word(tested: Sequence[Tested], p_for: float, p_against: float) -> tuple[Word, str]:
    if p_for <= LEVEL:
        return "supported", "every part holds"
    if max(t.p_direction for t in tested) <= LEVEL:
        return "direction only", "every effect is on the claimed side; its size or the correction is not met"
    if p_against <= LEVEL:
        return "refuted", "the opposite is shown: " + ", ".join(t.contrast.name for t in tested if t.fails)
    open_ = [t.contrast.name for t in tested if not t.holds]
    return "inconclusive", "not shown, nor its opposite, once corrected for the number of claims: " + ", ".join(open_ or ["all"])


def _needed(tested: Sequence[Tested], level: float) -> int | None:
    """Seeds at which every open part would be decided at the effects seen; None where seeds alone cannot.

    `level` shares the 5 % out among the paper's claims, which is what Holm's method asks of the hardest of them.
    """
    counts = [seeds_needed(t.estimate, t.contrast.goal, t.contrast.margin, level=level)
              for t in tested if t.estimate is not None and t.p > level]
    return None if not counts or any(n is None for n in counts) else max(n for n in counts if n is not None)


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON values."""
    return {
        "claim": verdict.claim.id, "statement": verdict.claim.statement, "scale": verdict.scale, "verdict": verdict.word,
        "headline": verdict.headline, "stands": verdict.stands, "why": verdict.why, "p_holm": verdict.p,
        "seeds_needed": verdict.seeds_needed, "more_seeds": verdict.more_seeds,
        "refuted_by": verdict.claim.refuted_by,
        "contrasts": [tested_json(t) for t in verdict.tested], "counted": [reckoned_json(r) for r in verdict.counted],
        "controls": [{"name": c.control.name, "outcome": c.outcome, "if_it_holds": c.control.otherwise,
                      "contrasts": [tested_json(t) for t in c.tested], "counted": [reckoned_json(r) for r in c.counted]}
                     for c in verdict.controls],
    }


def reckoned_json(r: Reckoned) -> dict[str, Any]:
    return {"name": r.counted.name, "value": r.value, "limit": r.limit, "unit": r.counted.unit, "outcome": r.outcome}


def tested_json(t: Tested) -> dict[str, Any]:
    c, e = t.contrast, t.estimate
    words = {"name": c.name, "left": c.left, "right": c.right, "measure": c.measure.label, "unit": c.measure.unit,
             "goal": c.goal, "margin": c.margin, "margin_source": c.margin_source, "outcome": t.outcome}
    if e is None:
        return {**words, "missing": t.missing}
    return {**words, "effect": e.mean, "stderr": e.stderr, "low_90": e.low, "high_90": e.high, "p": t.p,
            "p_against": t.p_against, "n_seeds": e.seeds, "n_items": e.items, "n_clusters": e.clusters,
            "note": t.too_few}
