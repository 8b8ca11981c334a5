"""Verdicts in words, for Markdown, HTML and the README: an effect never goes without n, interval and p."""
from __future__ import annotations

import re
from collections.abc import Sequence

from repro import verdict as rules
from repro.bootstrap import Estimate
from repro.claims import Claim, Contrast, Paper
from repro.judged import SHOWN, Reckoned, Tested, Verdict
from repro.scale import Scale
from repro.table import DIGITS, Table, markdown

RULES = tuple(p.strip() for p in (rules.__doc__ or "").split("\n- ")[1:])


STATISTICS = RULES[:4]
"""How a contrast is tested, where its errors come from, the correction, and what an open verdict names."""

READ_AS = ("An effect above 0 speaks for the claim; of a part that must lie within bounds, one near 0 does. A part's p is "
           "one-sided and uncorrected: how often so much or more would be seen if the named outcome (holds, or fails) only "
           "just did not apply; of an undecided part, if it only just did not hold. The verdict is corrected over all claims "
           "(Holm), so that a part can fail while its claim stays inconclusive.")
"""How a line of the short table is read."""


LONG = re.compile(r"\b\d+\.\d{12,}(?:e[+-]?\d+)?\b")


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def corrected(v: Verdict) -> str:
    """The corrected p that belongs to the verdict; of an inconclusive one both."""
    if v.p_for is None or v.p_against is None:
        return ""
    if v.word == "inconclusive":
        return f"corrected {p_value(v.p_for)} for it, {p_value(v.p_against)} against it"
    return f"corrected {p_value(v.p_against)} against it" if v.word == "refuted" else f"corrected {p_value(v.p_for)}"


def tidy(text: str) -> str:
    """Numbers in a text with four digits where they have so many that the last are rounding (0.0029999999999999996)."""
    return LONG.sub(lambda found: f"{float(found[0]):.4g}", text)


def sizes(e: Estimate) -> str:
    """Seeds and items behind a number; items that share a fact count once more as clusters."""
    seeds = f"{e.seeds} seed{'s' * (e.seeds != 1)}" if e.seeds else "no training seed"
    if e.items == 1:
        return f"n = {seeds}"
    clusters = f" in {e.clusters} clusters" if e.clusters < e.items else ""
    return f"n = {seeds} × {e.items} items{clusters}"


def wanted(c: Contrast) -> str:
    """What the contrast needs, e.g. "> 0 nats"."""
    unit = "points" if c.measure.unit == "%" else c.measure.unit
    bound = f"{c.margin:.3g}"
    words = {"above": f"> {bound}", "at least": f"> −{bound}" if c.margin else "> 0", "within": f"within ± {bound}"}
    return f"{words[c.goal]} {unit}"


def tested(t: Tested) -> str:
    """One contrast as a line: outcome, effect, interval, p, n."""
    e = t.estimate
    if e is None:
        return f"{t.contrast.name}: not run ({t.missing})"
    d = DIGITS.get(t.contrast.measure.unit, 3)
    effect = _effect(e, d)
    p = f"{p_value(t.p_against)} for the opposite" if t.fails else _p(t)
    return (f"{t.contrast.name}: {t.outcome}; effect {effect}, needs {wanted(t.contrast)} (margin: {t.contrast.margin_source}), "
            f"{p}, {sizes(e)}")


def _effect(e: Estimate, digits: int) -> str:
    return f"{e.mean:+.{digits}f} [{e.low:+.{digits}f}, {e.high:+.{digits}f}]".replace("-", "−")


def _p(t: Tested) -> str:
    """The p of the outcome, or why there is none."""
    return f"no test: {t.too_few}" if t.too_few else p_value(t.p_against if t.fails else t.p)


def counted(r: Reckoned) -> str:
    """A comparison of counts as a line: the value, the rival's own number, and what was asked."""
    c = r.counted
    if r.value is None or r.limit is None:
        return f"{c.name}: not run"
    d = next((d for d in range(3, 10) if f"{r.value:.{d}g}" != f"{r.limit:.{d}g}"), 3)
    found = f"{c.name}: {r.outcome}, counted {r.value:.{d}g} {c.unit}"
    if not c.rival:
        return f"{found} (asked: at {'least' if c.least else 'most'} {r.limit:.{d}g})"
    own = r.limit if r.own is None else r.own
    limit = "" if r.own is None else f", {r.limit:.{d}g}"
    return f"{found} against {own:.{d}g} of {c.rival}: {_beside(r.value, own)} (asked: {c.asked}{limit})"


def _beside(value: float, other: float) -> str:
    """By how much one number is above or below another."""
    share = 100 * (value / other - 1)
    size = f"{abs(share):.0f}" if abs(share) >= 10 else f"{abs(share):.2g}"
    return "as much" if value == other else f"{size} % {'above' if share > 0 else 'below'}"


def verdicts_md(paper: Paper, scale: Scale, verdicts: Sequence[Verdict]) -> str:
    """All verdicts with what they rest on."""
    lines = [f"# {paper.name} (arXiv {paper.arxiv}) at scale {scale.name}", "", scale.about, ""]
    for v in verdicts:
        p = f" C{corrected(v)[1:]}." if corrected(v) else ""
        note = f" Note: {v.claim.note}." if v.claim.note else ""
        lines += [f"## {v.claim.id}: {v.headline}", "", f"{v.claim.shown} ({v.claim.source}).{note}", "", f"{v.why}.{p}", ""]
        lines += [f"- {line}" for line in (*map(tested, v.tested), *map(counted, v.counted))]
        for c in v.controls:
            lines.append(f"- control \"{c.control.name}\": {c.outcome} (if it holds: {c.control.otherwise})")
            lines += [f"  - {line}" for line in (*map(tested, c.tested), *map(counted, c.counted))]
        lines += [f"- would be refuted by: {v.claim.refuted_by}", ""]
    return "\n".join([*lines, "## Rules", "", *(f"- {' '.join(r.split())}" for r in RULES), ""])


def short(scale: Scale, verdicts: Sequence[Verdict]) -> Table:
    """One line a claim."""
    rows = tuple((v.claim.id, _statement(v.claim), v.headline, _parts(v)) for v in verdicts)
    header = ("", "claim", f"verdict at scale {scale.name}", "parts: effect [90 % interval], p, n")
    return Table("verdicts", f"Verdicts at scale {scale.name}.", header, rows, (scale.about, READ_AS))


def _statement(claim: Claim) -> str:
    """With the first clause of its note; the page and verdicts.md have all of it."""
    note = re.split(r"; |\. ", claim.note)[0].rstrip(".")
    return f"{claim.shown}. Note: {note}" if note else claim.shown


def _parts(v: Verdict) -> str:
    """Each part in short; of many parts the one that decided, with the number of those that hold."""
    if v.counted and v.word != "not run":
        explained = [f"control: {counted(r)}" for c in v.controls if c.explains and v.word in SHOWN for r in c.counted]
        return "; ".join([_counts(v.counted), *explained])
    found = [t for t in v.tested if t.estimate is not None]
    if v.word in ("not run", "untestable") or not found:
        return v.why
    if len(found) <= 3:
        return "; ".join(brief(t) for t in found)
    worst = min(found, key=lambda t: t.p_against) if v.word == "refuted" else max(found, key=lambda t: t.p)
    return f"{sum(t.holds for t in found)} of {len(found)} parts hold; {brief(worst)}"


def _counts(parts: Sequence[Reckoned]) -> str:
    """Each count in short; of many those that fail (where none does, the nearest to failing), and how many hold."""
    if len(parts) <= 3:
        return "; ".join(map(counted, parts))
    failed = [r for r in parts if not r.holds]
    told = [f"{len(parts) - len(failed)} of {len(parts)} counts hold", *map(counted, failed)]
    return "; ".join(told if failed else [*told, f"nearest to failing: {counted(max(parts, key=lambda r: r.strain))}"])


def brief(t: Tested) -> str:
    """A contrast with its outcome, effect, interval, p and n."""
    e, unit = t.estimate, t.contrast.measure.unit
    assert e is not None
    d = DIGITS.get(unit, 3)
    shown = f"{_effect(e, d)} {'points' if unit == '%' else unit}"
    needs = f" (needs {wanted(t.contrast)})" if t.contrast.margin else ""
    return f"{t.contrast.name}: {t.outcome}, {shown}{needs}, {_p(t)}, {sizes(e)}"


def short_md(scale: Scale, verdicts: Sequence[Verdict]) -> str:
    return markdown(short(scale, verdicts))
