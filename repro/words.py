"""Verdicts in words, for Markdown, HTML and the README: an effect never goes without n, interval and p."""
from __future__ import annotations

from collections.abc import Sequence

from repro import verdict as rules
from repro.bootstrap import Estimate
from repro.claims import Contrast, Paper
from repro.scale import Scale
from repro.table import DIGITS, Table, markdown
from repro.verdict import Reckoned, Tested, Verdict

RULES = tuple(p.strip() for p in (rules.__doc__ or "").split("\n- ")[1:])


STATISTICS = RULES[:4]
"""How a contrast is tested, where its errors come from, the correction, and what an open verdict names."""

READ_AS = ("An effect above 0 speaks for the claim. A part's p is one-sided and uncorrected, of the outcome that is named; the "
           "verdict is corrected over all claims (Holm), so that a part can fail while its claim stays inconclusive.")
"""How a line of the short table is read."""


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


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
    effect = f"{e.mean:+.{d}f} [{e.low:+.{d}f}, {e.high:+.{d}f}]".replace("-", "−")
    few = f"; {t.too_few}" if t.too_few else ""
    p = f"{p_value(t.p_against)} that it fails by chance" if t.fails else p_value(t.p)
    return (f"{t.contrast.name}: {t.outcome}; effect {effect}, needs {wanted(t.contrast)} (margin: {t.contrast.margin_source}), "
            f"{p}, {sizes(e)}{few}")


def counted(r: Reckoned) -> str:
    """A comparison of counts as a line."""
    if r.value is None or r.limit is None:
        return f"{r.counted.name}: not run"
    return f"{r.counted.name}: {r.outcome}, {r.value:.3g} against {r.limit:.3g} {r.counted.unit} (counted)"


def verdicts_md(paper: Paper, scale: Scale, verdicts: Sequence[Verdict]) -> str:
    """All verdicts with what they rest on."""
    lines = [f"# {paper.name} (arXiv {paper.arxiv}) at scale {scale.name}", "", scale.about, ""]
    for v in verdicts:
        corrected = f" (corrected {p_value(v.p)})" if v.p is not None else ""
        lines += [f"## {v.claim.id}: {v.headline}{corrected}", "", f"{v.claim.statement} ({v.claim.source}).", "",
                  f"{v.why}.", ""]
        lines += [f"- {line}" for line in (*map(tested, v.tested), *map(counted, v.counted))]
        for c in v.controls:
            lines.append(f"- control \"{c.control.name}\": {c.outcome} (if it holds: {c.control.otherwise})")
            lines += [f"  - {line}" for line in (*map(tested, c.tested), *map(counted, c.counted))]
        lines += [f"- would be refuted by: {v.claim.refuted_by}", ""]
    return "\n".join([*lines, "## Rules", "", *(f"- {' '.join(r.split())}" for r in RULES), ""])


def short(scale: Scale, verdicts: Sequence[Verdict]) -> Table:
    """One line a claim."""
    rows = tuple((v.claim.id, v.claim.statement, v.headline, _parts(v)) for v in verdicts)
    header = ("", "claim", f"verdict at scale {scale.name}", "parts: effect [90 % interval], p, n")
    return Table("verdicts", f"Verdicts at scale {scale.name}.", header, rows, (scale.about, READ_AS))


def _parts(v: Verdict) -> str:
    """Each part in short; of many parts the one that decided, with the number of those that hold."""
    if v.counted and v.word != "not run":
        return _counts(v.counted)
    found = [t for t in v.tested if t.estimate is not None]
    if v.word in ("not run", "untestable") or not found:
        return v.why
    if len(found) <= 3:
        return "; ".join(brief(t) for t in found)
    worst = min(found, key=lambda t: t.p_against) if v.word == "refuted" else max(found, key=lambda t: t.p)
    return f"{sum(t.holds for t in found)} of {len(found)} parts hold; {brief(worst)}"


def _counts(parts: Sequence[Reckoned]) -> str:
    """Each count in short; of many those that fail, and how many hold."""
    if len(parts) <= 3:
        return "; ".join(map(counted, parts))
    failed = [counted(r) for r in parts if not r.holds]
    return f"{len(parts) - len(failed)} of {len(parts)} counts hold" + "".join(f"; {line}" for line in failed)


def brief(t: Tested) -> str:
    """A contrast with its outcome, effect, interval, p and n."""
    e, unit = t.estimate, t.contrast.measure.unit
    assert e is not None
    d = DIGITS.get(unit, 3)
    shown = f"{e.mean:+.{d}f} [{e.low:+.{d}f}, {e.high:+.{d}f}] {'points' if unit == '%' else unit}".replace("-", "−")
    p = t.p_against if t.fails else t.p
    needs = f" (needs {wanted(t.contrast)})" if t.contrast.margin else ""
    return f"{t.contrast.name}: {t.outcome}, {shown}{needs}, {p_value(p)}, {sizes(e)}"


def short_md(scale: Scale, verdicts: Sequence[Verdict]) -> str:
    return markdown(short(scale, verdicts))
