"""What a figure shows, as numbers: one trace per line, taken from the records. Drawing is `repro.plot`'s."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from repro import proportion
from repro.bootstrap import estimate
from repro.claims import Contrast, FigureSpec, Line, Missing, OfItems
from repro.evidence import Evidence
from repro.norms import by_layer
from repro.reaching import steps_to, taken


@dataclass(frozen=True)
class Trace:
    """One line: `y` with `low` and `high` at each `x` (numbers, or layer names), over `n` seeds. `part` names its panel."""

    label: str
    x: tuple[float | str, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int
    part: str = ""
    dashed: bool = False
    method: str = ""
    """As which it is drawn: `repro.look`."""


@dataclass(frozen=True)
class Traces:
    """All of a figure; `missing` says which lines could not be drawn and why, `band` what low and high are."""

    spec_id: str
    found: tuple[Trace, ...]
    missing: tuple[str, ...]
    band: str

    def digest(self, *more: str) -> str:
        text = json.dumps([asdict(self), *more], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def of(spec: FigureSpec, evidence: Evidence) -> Traces:
    """The traces of a figure. A line without records is named in `missing`."""
    from repro import answer_traces as answers  # which gives traces as this file does

    make = {"curves": _curves, "norms": _norms, "scan": _scan, "dots": _dots, "speed": _speed, "wrong": answers.wrong,
            "reliability": answers.reliability_of, "coverage": answers.coverage, "matrix": answers.matrix,
            "radar": _radar}[spec.draws]
    found: list[Trace] = []
    missing: list[str] = []
    level = [spec.level] if spec.level else []
    for line in (*spec.lines, *level):
        try:
            found += [replace(t, method=line.method or line.arm) for t in make(spec, line, evidence)]
        except (Missing, LookupError) as reason:
            missing.append(f"{line.label}: {reason}" if isinstance(reason, Missing) else f"{line.label}: not measured")
    return Traces(spec.id, tuple(found), tuple(missing), _band(spec))


def _band(spec: FigureSpec) -> str:
    return {"curves": "Bands: least to greatest of the seeds.", "norms": "Bands: least to greatest of the seeds.",
            "scan": "Bars: 90 % interval over seeds and items"
                    f"{' (Wilson, from the same error)' if proportion.is_share(spec.measure) else ''}.",
            "wrong": "Bands: least to greatest of the seeds.",
            "coverage": "Bands: least to greatest of the seeds.", "matrix": "±: half the 90 % interval over seeds and items.",
            "radar": "Bands: 90 % interval over seeds and items.",
            "reliability": "Answers of all seeds; bars: 90 % interval for the number of different questions.",
            "dots": "Bars: 90 % interval of the difference, paired by seed and item.",
            "speed": "Lines: geometric mean of the seeds; bands: least to greatest. A line ends where a seed of either arm "
                     "does not arrive."}[spec.draws]


OF_A_BATCH = frozenset({"train_loss", "small_share"})
"""Kinds of curve that are read off single batches, and drawn as running means."""


def smoothing(steps: int) -> int:
    """Steps of the running mean."""
    return max(1, steps // 20)


def _curves(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    frames = [_kind(evidence.source.curve(r.run_id), spec.kind) for r in evidence.done(line.arm)]
    wide = pd.concat(frames, axis=1)
    if spec.kind in OF_A_BATCH:
        wide = wide.rolling(smoothing(len(wide)), min_periods=1).mean()
    wide.index = wide.index * _each(spec, line, evidence)
    return [_trace(line.label, wide)]


def _each(spec: FigureSpec, line: Line, evidence: Evidence) -> float:
    """What one step counts on the x axis; seconds are the mean over seeds."""
    if spec.per == "second":
        return float(np.mean([r.cost["train_s"] / r.cost["steps"] for r in evidence.done(line.arm)]))
    return line.passes if spec.per == "pass" else 1.0


def _kind(curve: pd.DataFrame, kind: str) -> pd.Series:
    rows = curve[curve["kind"] == kind]
    if rows.empty:
        raise LookupError(kind)
    return pd.Series(rows.set_index("step")["value"].sort_index())


def _norms(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    curves = [evidence.source.curve(r.run_id) for r in evidence.done(line.arm)]
    wanted = (("norm", "start", "step 0", "norm", True), ("norm", "mean", "mean in training", "norm", False),
              ("delta_norm", "end", "", "norm of the change at the end", False))
    found = []
    for kind, when, word, part, dashed in wanted:
        wide = pd.concat([by_layer(c, kind, when) for c in curves], axis=1)
        found.append(_trace(f"{line.label}, {word}" if word else line.label, wide, part, dashed))
    return found


def _trace(label: str, wide: pd.DataFrame, part: str = "", dashed: bool = False) -> Trace:
    x: Sequence[float | str] = [v if isinstance(v, str) else float(v) for v in wide.index]
    rows = wide.to_numpy(float)
    mean, low, high = (tuple(map(float, f(rows, axis=1))) for f in (np.nanmean, np.nanmin, np.nanmax))
    return Trace(label, tuple(x), mean, low, high, wide.shape[1], part, dashed)


def _scan(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    measure = line.measure or spec.measure
    assert measure is not None
    e = estimate(evidence.series(line.arm, measure))
    low, high = proportion.interval(e, measure)
    x = () if line.x is None else (line.x,)
    return [Trace(line.label, x, (e.mean,), (low,), (high,), e.seeds)]


def _dots(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    """The arm minus the level's arm, paired by seed and item: the items' own spread, which all arms share, falls out."""
    assert spec.measure is not None
    assert spec.level is not None
    if line is spec.level:
        return []
    series = evidence.effect(Contrast(line.label, line.arm, spec.level.arm, spec.measure))
    sign = 1.0 if spec.measure.higher else -1.0
    e = estimate(replace(series, values=sign * series.values))
    return [Trace(line.label, (line.label,), (e.mean,), (e.low,), (e.high,), e.seeds, line.group)]


def _radar(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    """A mean for every category, round the circle."""
    assert isinstance(spec.measure, OfItems)
    suite = spec.measure.suite.partition("/")[0]
    found = [estimate(evidence.series(line.arm, replace(spec.measure, suite=f"{suite}/{c}"))) for c in spec.sets]
    return [Trace(line.label, spec.sets, tuple(e.mean for e in found), tuple(e.low for e in found),
                  tuple(e.high for e in found), found[0].seeds)]


LEVELS = 60


def _speed(spec: FigureSpec, line: Line, evidence: Evidence) -> list[Trace]:
    """Ratio of steps, level's arm over the line's, at levels from its worst start to its best; where all seeds arrive."""
    assert spec.level is not None
    if line is spec.level:
        return []
    slow, fast = ({r.seed: evidence.source.curve(r.run_id) for r in evidence.done(arm)} for arm in (spec.level.arm, line.arm))
    seeds = sorted(set(slow) & set(fast))
    values = np.concatenate([taken(slow[s], spec.kind)["value"].to_numpy(float) for s in seeds]) if seeds else np.zeros(0)
    points: list[tuple[float, list[float]]] = []
    for level in np.linspace(values.min(), values.max(), LEVELS) if seeds else ():
        pairs = [(steps_to(slow[s], spec.kind, level), steps_to(fast[s], spec.kind, level)) for s in seeds]
        ratios = [a / b for a, b in pairs if a is not None and b is not None]
        if len(ratios) == len(seeds) and any(a != 1 or b != 1 for a, b in pairs):
            points.append((float(level), ratios))
    if not points:
        raise Missing(f"arms {spec.level.arm} and {line.arm} share no level that every seed reaches")
    x = tuple(level for level, _ in points)
    mean, low, high = (tuple(float(f(r)) for _, r in points) for f in (_geometric, min, max))
    return [Trace(line.label, x, mean, low, high, len(seeds))]


def _geometric(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))
