"""What figures of lettered questions show, as numbers: reliability, confidence in wrong answers, risk against coverage, shift."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from repro.bootstrap import estimate
from repro.claims import FigureSpec, Line, Missing, OfAnswers
from repro.evidence import Evidence
from repro.traces import Trace
from suites.calibration.answers import Answers
from suites.calibration.items import right, risk_coverage
from suites.calibration.metrics import binned
from suites.calibration.reliability import reliability

BINS = 10
GRID = np.linspace(0.05, 1.0, 20)
SHARES = "share of answers"


def reliability_of(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    """Accuracy by bin of confidence with the interval of one seed's number of questions, and the share of answers in each bin."""
    found = _answers(spec, line, evidence)
    pooled = _pooled([answers for of in found for answers in of])
    bins = reliability(pooled, BINS)
    shrink = np.sqrt(len(pooled) / len(found[0][0]))  # questions are the same for every seed and member: not so many independent
    wider = {end: np.clip(bins["accuracy"] + (bins[end] - bins["accuracy"]) * shrink, 0, 1) for end in ("low", "high")}
    shares = bins["n"] / bins["n"].sum()
    return list(of_bins(bins.assign(**wider, n=shares), line.label, len(found)))


def of_bins(bins: pd.DataFrame, label: str, n: int) -> tuple[Trace, Trace]:
    """Points and bars of the rows of `suites.calibration.reliability`."""
    x, y, low, high = (tuple(map(float, bins[c])) for c in ("confidence", "accuracy", "low", "high"))
    points = Trace(label, x, y, low, high, n)
    heights = tuple(map(float, bins["n"]))
    return points, Trace(label, tuple(map(float, (bins["from"] + bins["to"]) / 2)), heights, heights, heights, n, part=SHARES)


def wrong(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    """Of the wrong answers, the share in each bin of confidence: mean, least and greatest of the seeds."""
    rows = []
    for of in _answers(spec, line, evidence):
        said = np.concatenate([a.confidence[right(a) == 0] for a in of])
        rows.append(np.bincount(binned(said, BINS), minlength=BINS) / max(1, len(said)))
    return [_trace(line.label, (np.arange(BINS) + 0.5) / BINS, np.array(rows))]


def coverage(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    """Error among the surest share of the questions: mean, least and greatest of the seeds."""
    rows = []
    for of in _answers(spec, line, evidence):
        curves = [risk_coverage(a) for a in of]
        rows.append(np.mean([risk[np.minimum(np.searchsorted(share, GRID - 1e-12), len(risk) - 1)] for share, risk in curves],
                            axis=0))
    return [_trace(line.label, GRID, np.array(rows))]


def matrix(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    """The figure's measure on each of its sets: one row of the matrix."""
    assert isinstance(spec.measure, OfAnswers)
    found = [estimate(evidence.series(line.arm, replace(spec.measure, set=name))) for name in spec.sets]
    return [Trace(line.label, spec.sets, tuple(e.mean for e in found), tuple(e.low for e in found), tuple(e.high for e in found),
                  found[0].seeds, line.group)]


def _answers(spec: FigureSpec, line: Line, evidence: Evidence) -> list[list[Answers]]:
    """Seed by seed, the distributions of the line's prediction on the figure's set."""
    found = evidence.answers(line.arm, spec.sets[0])
    if not found:
        raise Missing(f"arm {line.arm} has not been run")
    return found


def _pooled(of: list[Answers]) -> Answers:
    each: Mapping[str, Any] = {name: np.concatenate([getattr(a, name) for a in of])
                               for name in ("probabilities", "options", "labels", "clusters")}
    return Answers(**each)


def _trace(label: str, x: Any, rows: Any) -> Trace:
    mean, low, high = (tuple(map(float, f(rows, axis=0))) for f in (np.mean, np.min, np.max))
    return Trace(label, tuple(map(float, x)), mean, low, high, len(rows))
