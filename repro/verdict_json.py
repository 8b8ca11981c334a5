"""Verdicts as JSON values."""
from __future__ import annotations

from typing import Any

from repro.judged import Reckoned, Tested, Verdict


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON values."""
    return {
        "claim": verdict.claim.id, "statement": verdict.claim.shown, "scale": verdict.scale, "verdict": verdict.word,
        "headline": verdict.headline, "stands": verdict.stands, "why": verdict.why, "p_holm": verdict.p,
        "p_holm_for": verdict.p_for, "p_holm_against": verdict.p_against, "rivals_not_tuned": list(verdict.untuned),
        "seeds_needed": verdict.seeds_needed, "more_seeds": verdict.more_seeds,
        "refuted_by": verdict.claim.refuted_by,
        "contrasts": [tested_json(t) for t in verdict.tested], "counted": [reckoned_json(r) for r in verdict.counted],
        "controls": [{"name": c.control.name, "outcome": c.outcome, "if_it_holds": c.control.otherwise,
                      "contrasts": [tested_json(t) for t in c.tested], "counted": [reckoned_json(r) for r in c.counted]}
                     for c in verdict.controls],
    }


def reckoned_json(r: Reckoned) -> dict[str, Any]:
    c = r.counted
    rival = {"rival": c.rival, "rival_value": r.limit if r.own is None else r.own, "asked": c.asked} if c.rival else {}
    return {"name": c.name, "value": r.value, "limit": r.limit, "unit": c.unit, **rival, "outcome": r.outcome}


def tested_json(t: Tested) -> dict[str, Any]:
    c, e = t.contrast, t.estimate
    words = {"name": c.name, "left": c.left, "right": c.right, "measure": c.measure.label, "unit": c.measure.unit,
             "goal": c.goal, "margin": c.margin, "margin_source": c.margin_source, "outcome": t.outcome}
    if e is None:
        return {**words, "missing": t.missing}
    return {**words, "effect": e.mean, "stderr": e.stderr, "low_90": e.low, "high_90": e.high, "p": t.p,
            "p_against": t.p_against, "n_seeds": e.seeds, "n_items": e.items, "n_clusters": e.clusters,
            "note": t.too_few}
