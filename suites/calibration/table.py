"""The calibration table: every measure with its n, a bootstrap interval, and what a perfectly calibrated model would show."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from suites.calibration.answers import Answers, Floats, Ints
from suites.calibration.metrics import FLOOR, MEASURES, Draws

DRAWS, WORLDS, CHUNK = 1000, 200, 100
"""Resamples for an interval; labellings drawn from the model's own probabilities; how many of either are held at once."""
LEVEL = 0.90


def table(answers: Answers, *, draws: int = DRAWS, worlds: int = WORLDS, seed: int = 0,
          measures: Mapping[str, Callable[[Draws], Floats]] = MEASURES) -> pd.DataFrame:
    """One row a measure: value, stderr, low and high (90 % interval), calibrated, calibrated_low, calibrated_high and
    calibrated_stderr (mean, 90 % and standard deviation where labels are drawn from the probabilities), n.

    The interval is the value with the spread of resamples (of clusters) about their own mean: drawing some questions twice
    makes bins noisier, so that a binned error of a resample is larger than that of the sample, which is no news of the model.
    """
    generator = np.random.default_rng(seed)
    ours = Draws(answers, np.ones((1, len(answers))), answers.labels[None])
    found = {name: float(measure(ours)[0]) for name, measure in measures.items()}
    again = _over(measures, (Draws(answers, weight, answers.labels[None]) for weight in resampled(answers, draws, generator)))
    null = _over(measures, (Draws(answers, np.ones((1, len(answers))), label) for label in labelled(answers, worlds, generator)))
    tail = 100 * (1 - LEVEL) / 2
    rows = [{"measure": name, "value": value, "low": float(np.maximum(0.0, value + _quantile(_centred(again[name]), tail))),
             "high": value + _quantile(_centred(again[name]), 100 - tail),
             "calibrated": float(np.nanmean(null[name])) if np.isfinite(null[name]).any() else float("nan"),
             "calibrated_low": _quantile(null[name], tail), "calibrated_high": _quantile(null[name], 100 - tail),
             "stderr": _spread(again[name]), "calibrated_stderr": _spread(null[name]), "n": len(answers)}
            for name, value in found.items()]
    return pd.DataFrame(rows)


def floored(answers: Answers) -> int:
    """Questions whose right option has less than the floor's probability, which the nll counts as the floor."""
    return int((answers.probabilities[np.arange(len(answers)), answers.labels] < FLOOR).sum())


def resampled(answers: Answers, draws: int, generator: np.random.Generator) -> Iterator[Floats]:
    """[at most CHUNK, N] how often each question is drawn, clusters as one."""
    groups = int(answers.clusters.max()) + 1
    for size in _chunks(draws):
        picked = generator.integers(0, groups, size=(size, groups)) + groups * np.arange(size)[:, None]
        times = np.bincount(picked.ravel(), minlength=size * groups).reshape(size, groups)
        yield times[:, answers.clusters].astype(np.float64)


def labelled(answers: Answers, worlds: int, generator: np.random.Generator) -> Iterator[Ints]:
    """[at most CHUNK, N] labels drawn from the answers' own probabilities: worlds in which the model is perfectly calibrated."""
    edges = answers.probabilities.cumsum(1)
    edges /= edges[:, -1:]
    for size in _chunks(worlds):
        drawn = generator.random((size, len(answers)))
        label = (drawn[:, :, None] >= edges[None]).sum(2)
        yield np.minimum(label, answers.options - 1).astype(np.int64)


def _over(measures: Mapping[str, Callable[[Draws], Floats]], chunks: Iterator[Draws]) -> dict[str, Floats]:
    found: dict[str, list[Floats]] = {name: [] for name in measures}
    for chunk in chunks:
        for name, measure in measures.items():
            found[name].append(measure(chunk))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _centred(values: Floats) -> Floats:
    finite = values[np.isfinite(values)]
    return finite - finite.mean() if len(finite) else values


def _spread(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.std(ddof=1)) if len(finite) > 1 else float("nan")


def _quantile(values: Floats, percent: float) -> float:
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, percent)) if len(finite) else float("nan")


def _chunks(count: int) -> Iterator[int]:
    for start in range(0, count, CHUNK):
        yield min(CHUNK, count - start)
