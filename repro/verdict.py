"""From claims to verdicts. The rules, once:

- A contrast holds when one-sided p <= 0.05: "above" shows the effect beyond its margin, "at least" shows it no worse than
  the margin, "within" is two one-sided tests (equivalence). Its shown interval is the two-sided 90 % one.
- Errors are those of a bootstrap over seeds and, crossed with them, clusters of items, both paired. Intervals and p are neither
  percentile nor BCa, as the replicates of three seeds cannot reach 5 %: they are Student's t on the replicates' spread, with
  Satterthwaite's degrees of freedom, with and without Hall's transformation, which takes the skewness of the items out: the
  larger p, the wider interval. Where fewer than 10 clusters differ from the rest, p is no less than that of an exact test (of
  signs or, against a margin and where values are bounded, binomial), and the interval no narrower than it allows.
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
- A claim does not stand against a rival whose learning rate was not tuned for it, where its own side's was: the verdict says so.
- Where nothing varies and values could be any (one number a run, the same for every seed), there is no spread to judge by: no
  test is made. Nor of values that are not finite: such a run counts as failed.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from repro.answered import named
from repro.bootstrap import LEVEL, estimate
from repro.claims import Claim, Contrast, Counted, Missing
from repro.judged import MIN_CLUSTERS, SHOWN, ControlResult, Reckoned, Tested, Verdict, Word
from repro.power import Part, seeds_needed
from repro.series import Series

__all__ = ["MIN_CLUSTERS", "Effects", "Verdict", "Word", "holm", "judge", "put_to_test", "reckoned"]


class Effects(Protocol):
    """What a trial needs of the evidence: the effect of a contrast (raises Missing where it was not measured), and the scale."""

    @property
    def scale(self) -> str: ...
    def effect(self, contrast: Contrast) -> Series: ...


def put_to_test(evidence: Effects, contrast: Contrast) -> Tested:
    """Tries one contrast on the records there are."""
    try:
        effect = evidence.effect(contrast)
    except Missing as error:
        return Tested(contrast, None, missing=str(error))
    if not np.isfinite(effect.values).all():
        return Tested(contrast, None, missing="some of its values are no finite numbers")
    e, m = estimate(effect), contrast.margin
    if contrast.goal == "above":
        return Tested(contrast, e, e.p_above(m), e.p_below(m), e.p_above(0.0))
    if contrast.goal == "at least":
        return Tested(contrast, e, e.p_above(-m), e.p_below(-m), e.p_above(-m))
    inside = max(e.p_above(-m), e.p_below(m))
    outside = min(1.0, 2 * min(e.p_above(m), e.p_below(-m)))
    return Tested(contrast, e, inside, outside, inside)


def judge(claims: Sequence[Claim], evidence: Effects, untuned: Mapping[str, str] | None = None) -> tuple[Verdict, ...]:
    """Verdicts on all claims of one paper, corrected for their number. `untuned`: arms whose learning rate is another's, with
    their labels."""
    tried = {c.id: tuple(put_to_test(evidence, x) for x in c.contrasts) for c in claims if c.untried is None and not c.counted}
    testable = [c.id for c in claims if c.id in tried and all(not t.too_few for t in tried[c.id])]
    untested = dict.fromkeys(tried, 1.0)  # they count in the family: a claim's verdict must not depend on what else has run
    p_for = holm(untested | {i: max(t.p for t in tried[i]) for i in testable})
    p_against = holm(untested | {i: min(1.0, len(tried[i]) * min(t.p_against for t in tried[i])) for i in testable})
    p_for, p_against = ({i: p[i] for i in testable} for p in (p_for, p_against))
    level = LEVEL / max(1, len(tried))
    found = (_verdict(c, evidence, tried.get(c.id, ()), p_for.get(c.id), p_against.get(c.id), level) for c in claims)
    return tuple(replace(v, untuned=_rivals(v.claim, untuned or {})) for v in found)


def _rivals(claim: Claim, untuned: Mapping[str, str]) -> tuple[str, ...]:
    """Labels of untuned arms that the claim compares a tuned one with."""
    pairs = [(named(x.left)[0], named(x.right)[0]) for c in claim.contrasts for x in (c.over or (c,))
             if isinstance(x.left, str) and x.right is not None]
    return tuple(dict.fromkeys(untuned[right] for left, right in pairs if right in untuned and left not in untuned))


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
    if word in SHOWN and pending and not any(c.explains for c in controls):
        why = f"would read \"{word}\", but its controls have not run: {', '.join(pending)}"
        return Verdict(*found, "inconclusive", why, tested, controls, p_for, p_against=p_against)
    needed = _needed(tested, level) if word == "inconclusive" else None
    if word == "inconclusive" and needed is None:
        why += "; more seeds alone would not decide it, more items might"
    return Verdict(*found, word, why, tested, controls, p_for, needed, p_against=p_against)


def reckoned(counted: Sequence[Counted]) -> tuple[Reckoned, ...]:
    return tuple(Reckoned.of(c) for c in counted)


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
    """Seeds at which the claim would be decided at the effects seen; None where seeds alone cannot.

    `level` shares the 5 % out among the paper's claims, which is what Holm's method asks of the hardest of them.
    """
    return seeds_needed([Part(t.estimate, t.contrast.goal, t.contrast.margin, t.p) for t in tested if t.estimate is not None],
                        level=level)
