"""Studies whose truth is known, drawn by the thousand and judged by the code that judges ours: how often is a verdict wrong?

A true null may read "supported" in at most 5 % of studies: the share seen is held against that by its one-sided 99 % lower
limit (Clopper and Pearson), which of 1,000 studies 67 pass and 68 do not. `repro.error_rates` prints them all.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from repro.bootstrap import LEVEL, Estimate
from repro.claims import Claim, Contrast, Goal, OfItems
from repro.power import Part, chance
from repro.series import Floats, Series
from repro.verdict import Word, judge

STUDIES = 1000
LIMIT = 0.99
SLACK = 0.02
MEASURE = OfItems("simulated", "effect", "points", higher=True)
Tail = Literal["normal", "heavy", "skewed", "very skewed", "flips"]
SIGMA = {"skewed": 0.8, "very skewed": 0.9}
"""Of the lognormal: skewness 3.7 and 4.7. Of the records' contrasts in nats a quarter exceed 4, the greatest has 5.8."""


@dataclass(frozen=True)
class Shape:
    """Seeds and clusters of items of a study, and the standard deviations of what they bring to an effect."""

    name: str
    seeds: int
    clusters: int
    by_seed: float
    by_cluster: float
    rest: float
    """Of a seed on a cluster's mean, when both are accounted for."""
    tail: Tail = "normal"
    """Of the clusters: normal, Student's t with 3 degrees of freedom, lognormal, turned to the left, or -1, 0 and 1."""
    per_cluster: int = 2
    """Items."""

    def drawn(self, rng: np.random.Generator, effect: float) -> Series:
        """The effect of a study of this shape."""
        clusters = np.arange(self.clusters).repeat(self.per_cluster)
        of_seeds = self.by_seed * rng.standard_normal((self.seeds, 1))
        of_clusters = self.by_cluster * _spread(rng, self.tail, self.clusters)[clusters]
        rest = self.rest * np.sqrt(self.per_cluster) * rng.standard_normal((self.seeds, len(clusters)))
        return Series(tuple(range(self.seeds)), effect + of_seeds + of_clusters + rest, clusters,
                      tuple(map(str, range(len(clusters)))), np.ones(len(clusters)))

    def known(self, effect: float) -> Estimate:
        """What the bootstrap would show of the effect, were its spread known."""
        rest = self.rest**2 / (self.seeds * self.clusters)
        return Estimate(effect, 0.0, effect, effect, 0.0, self.seeds, self.clusters * self.per_cluster, self.clusters,
                        self.by_seed**2 / self.seeds + rest, self.by_cluster**2 / self.clusters + rest, rest)

    @property
    def error(self) -> float:
        """The true standard error of the mean."""
        rest = self.rest**2 / self.clusters
        return float(np.sqrt((self.by_seed**2 + rest) / self.seeds + self.by_cluster**2 / self.clusters))

    @property
    def margin(self) -> float:
        """Far enough from 0 for what lies beyond to be shown."""
        return 8 * self.error

    def planned(self, effect: float, goal: Goal = "above", margin: float = 0.0) -> float:
        """The chance that the contrast is decided, before anything is drawn."""
        return chance([Part(self.known(effect), goal, margin)], self.seeds)


@dataclass(frozen=True)
class Flips(Shape):
    """Answers that are right by one side and wrong by the other: points, -100, 0 or 100 for a cluster."""

    share: float = 0.02
    """Of clusters that differ, half of them to either side; where the effect is larger, all to its own."""
    alike: bool = True
    """Whether the same ones differ in every seed, or each seed's own."""

    @classmethod
    def of(cls, name: str, clusters: int, share: float, *, alike: bool = True) -> Flips:
        spread = 100 * share**0.5
        return cls(name, 3, clusters, 0.0, spread if alike else 0.0, 0.0 if alike else spread, "flips", 1, share, alike)

    @property
    def margin(self) -> float:
        """So that at it all differences are to one side."""
        return 100 * self.share

    def drawn(self, rng: np.random.Generator, effect: float) -> Series:
        up, down = (max(0.0, max(self.share, abs(effect) / 100) + side * effect / 100) / 2 for side in (1, -1))
        drawn = rng.choice([1, 0, -1], p=[up, 1 - up - down, down], size=(1 if self.alike else self.seeds, self.clusters))
        values = 100.0 * np.broadcast_to(drawn, (self.seeds, self.clusters))
        return Series(tuple(range(self.seeds)), values, np.arange(self.clusters), tuple(map(str, range(self.clusters))),
                      np.ones(self.clusters), within=(-100.0, 100.0))


def _spread(rng: np.random.Generator, tail: Tail, n: int) -> Floats:
    """[n] with mean 0 and standard deviation 1."""
    if tail == "heavy":
        return np.asarray(rng.standard_t(3, n) / np.sqrt(3))
    if tail in SIGMA:
        of = SIGMA[tail]
        return np.asarray((np.exp(of**2 / 2) - rng.lognormal(0, of, n)) / np.sqrt((np.exp(of**2) - 1) * np.exp(of**2)))
    return rng.standard_normal(n)


ANSWERS = Shape("accuracy, 3 seeds", 3, 134, 3.0, 9.0, 35.0)
"""Points. Medians of such contrasts of the tiny reference records (`repro.error_rates` prints them), but for the seeds', which is
0 there: their upper quartile."""
LOSS = Shape("loss, 3 seeds", 3, 134, 0.016, 0.16, 0.20)
"""Nats. Medians of such contrasts; there with 134 to 353 clusters."""
LOSS_5 = Shape("loss, 5 seeds", 5, 134, 0.016, 0.16, 0.20)
RUNS = Shape("one number a run, 3 seeds", 3, 1, 0.02, 0.0, 0.0, per_cluster=1)
RUNS_5 = Shape("one number a run, 5 seeds", 5, 1, 0.02, 0.0, 0.0, per_cluster=1)
TEN = Shape("10 clusters, 3 seeds", 3, 10, 18.0, 19.0, 56.0)
"""Per cent: CoLM's contrasts of gradients, which have 12."""
HALF = Shape("seeds and 10 clusters alike, 3 seeds", 3, 10, 1.0, 1.8, 0.0)
"""Hard on Satterthwaite's degrees of freedom: two sources of spread, known from few, and no rest that errs on the wide side."""
HEAVY = Shape("heavy tails, 3 seeds", 3, 134, 0.016, 0.53, 0.20, "heavy")
SKEWED = Shape("skewed, 3 seeds", 3, 134, 0.016, 0.53, 0.10, "skewed")
VERY_SKEWED = Shape("very skewed, 3 seeds", 3, 134, 0.016, 0.53, 0.10, "very skewed")
SKEWED_TEN = Shape("skewed, 10 clusters, 3 seeds", 3, 10, 0.016, 0.53, 0.10, "skewed")
FLIPS = Flips.of("2 % flip alike, 3 seeds", 134, 0.02)
"""Of the tiny records' contrasts of answers the sparsest differ in 5 to 20 % of the clusters."""
FLIPS_OWN = Flips.of("2 % flip, each seed's own", 134, 0.02, alike=False)
RARE = Flips.of("1 % flip alike, 3 seeds", 134, 0.01)
FLIPS_50 = Flips.of("4 % of 50 flip alike, 3 seeds", 50, 0.04)
FLIPS_MANY = Flips.of("10 % flip alike, 3 seeds", 134, 0.1)
SHAPES = (ANSWERS, LOSS, LOSS_5, RUNS, RUNS_5, TEN, HALF, HEAVY, SKEWED, VERY_SKEWED, SKEWED_TEN, FLIPS, FLIPS_OWN, RARE,
          FLIPS_50, FLIPS_MANY)


@dataclass(frozen=True)
class Trial:
    """Claims of one paper with their true effects, and the verdict that is counted: in how many studies does any claim get it?"""

    name: str
    shape: Shape
    claims: tuple[Claim, ...]
    truth: Mapping[str, float]
    """By the contrast's name."""
    word: Word
    planned: float | None = None
    """The share that was planned; None: at most 5 %."""


@dataclass(frozen=True)
class Drawn:
    """One study, as `judge` asks for it."""

    effects: Mapping[str, Series]
    scale: str = "simulated"

    def effect(self, contrast: Contrast) -> Series:
        return self.effects[contrast.name]


@dataclass(frozen=True)
class Rate:
    """In how many studies the verdict was given."""

    hits: int
    studies: int

    @property
    def share(self) -> float:
        return self.hits / self.studies

    @property
    def too_many(self) -> bool:
        """Whether more than 5 % are shown, with 99 % confidence."""
        return self.above(LEVEL)

    def above(self, share: float) -> bool:
        """Whether more than this share is shown, with 99 % confidence."""
        return self.hits > 0 and float(stats.beta.ppf(1 - LIMIT, self.hits, self.studies - self.hits + 1)) > share

    def as_planned(self, planned: float) -> bool:
        """Whether the share agrees with a planned one: at 99 %, and the plan is good to two points."""
        nearest = min(max(self.share, planned - SLACK), min(1.0, planned + SLACK))
        return float(stats.binomtest(self.hits, self.studies, nearest).pvalue) > 1 - LIMIT


def run(trial: Trial, studies: int = STUDIES, seed: int = 0) -> Rate:
    """Draws the studies and judges each."""
    rng, hits = np.random.default_rng([seed, *trial.name.encode()]), 0
    for _ in range(studies):
        study = Drawn({name: trial.shape.drawn(rng, effect) for name, effect in trial.truth.items()})
        hits += any(v.word == trial.word for v in judge(trial.claims, study))
    return Rate(hits, studies)


def nulls(shape: Shape, word: Word) -> Iterator[Trial]:
    """Truths that lie as near as can be to what the word says without being so: each goal at its margin; of three contrasts
    one that does not hold (to refute: all at their margin); and eight claims of one paper at once."""
    margin = shape.margin
    edges: tuple[tuple[str, Goal, float, float], ...] = (
        ("above 0", "above", 0.0, 0.0), ("above its margin", "above", margin, margin), ("at least", "at least", margin, -margin),
        ("within", "within", margin, margin))
    for name, goal, m, effect in edges:
        if word == "supported" or name != "above its margin":  # there the effect's side is shown, which is not refuted
            yield _trial(name, shape, word, goal, m, ((effect,),))
    others = 8 * shape.error if word == "supported" else 0.0
    yield _trial("three contrasts", shape, word, "above", 0.0, ((0.0, others, others),))
    yield _trial("eight claims", shape, word, "above", 0.0, ((0.0,),) * 8)


def power(shape: Shape, effect: float, goal: Goal = "above", margin: float = 0.0) -> Trial:
    """A true effect, and the share of studies that should show it."""
    return _trial(f"planned, {goal}", shape, "supported", goal, margin, ((effect,),), shape.planned(effect, goal, margin))


def _trial(name: str, shape: Shape, word: Word, goal: Goal, margin: float, truth: Sequence[Sequence[float]],
           planned: float | None = None) -> Trial:
    """`truth`: claim by claim, contrast by contrast."""
    made = tuple(Claim(f"C{i}", name, "simulated", "simulated", tuple(
        Contrast(f"C{i}, part {j}", "left", "right", MEASURE, goal, margin) for j, _ in enumerate(of)))
        for i, of in enumerate(truth))
    effects = {x.name: effect for claim, of in zip(made, truth, strict=True)
               for x, effect in zip(claim.contrasts, of, strict=True)}
    return Trial(name, shape, made, effects, word, planned)
