"""`python -m repro.error_rates` prints how often verdicts are wrong: of simulated studies, and of the tiny records drawn anew.

Drawn anew: each contrast of the reference records is turned into a population whose effect is 0 (its own clusters of items
with their weights, seeds that are normal, what is left put together at random), from which studies of its size are drawn.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from repro.bootstrap import LEVEL, estimate
from repro.claims import Missing
from repro.commands.screen import wide
from repro.evidence import Evidence
from repro.papers import PAPERS
from repro.scales import HOUSE, get
from repro.series import Floats, Series
from repro.simulated import SHAPES, STUDIES, Rate, Trial, nulls, power, run
from repro.store import Store

DRAWS = 500
"""Replicates of each bootstrap of the records drawn anew, of which there are two for each of a hundred contrasts."""


@dataclass(frozen=True)
class Population:
    """What a series is made of, for drawing others like it with an effect of 0."""

    unit: str
    seeds: int
    by_seed: float
    by_cluster: float
    rest: float
    of_cluster: Floats
    """[C] by how much a cluster is above the mean, times its weight."""
    of_both: Floats
    """[S, C] what is left."""
    weight: Floats
    """[C] with mean 1."""

    @classmethod
    def of(cls, series: Series, unit: str) -> Population:
        """By the sums of squares of two crossed factors."""
        member = np.zeros((len(series.items), int(series.cluster.max()) + 1))
        member[np.arange(len(series.items)), series.cluster] = series.weight
        weight = member.sum(axis=0) / member.sum(axis=0).mean()
        total = series.values @ member / member.sum(axis=0) * weight
        n_seeds, n_clusters = total.shape
        above = total - total.sum(axis=1).mean() / n_clusters * weight
        seed = above.mean(axis=1, keepdims=True)
        cluster = (above - seed).mean(axis=0)
        left = above - seed - cluster
        rest = float((left**2).sum() / ((n_seeds - 1) * (n_clusters - 1)))
        by_seed = max(0.0, float(seed.var(ddof=1)) - rest / n_clusters)
        by_cluster = max(0.0, float(cluster.var(ddof=1)) - rest / n_seeds)
        return cls(unit, n_seeds, np.sqrt(by_seed), np.sqrt(by_cluster), np.sqrt(rest), _scaled(cluster, by_cluster),
                   _scaled(left, rest), weight)

    def drawn(self, rng: np.random.Generator) -> Series:
        seeds, n = self.seeds, len(self.weight)
        which = rng.integers(0, n, n)
        weight, left = self.weight[which], self.of_both[rng.integers(0, seeds, (seeds, n)), which]
        total = self.by_seed * rng.standard_normal((seeds, 1)) * weight + self.of_cluster[which] + left
        return Series(tuple(range(seeds)), total / weight, np.arange(n), tuple(map(str, range(n))), weight)

    @property
    def skew(self) -> float:
        return float(stats.skew(self.of_cluster)) if self.by_cluster > 0 else 0.0


def _scaled(values: Floats, variance: float) -> Floats:
    return values * np.sqrt(variance / values.var()) if values.var() > 0 else values


def populations() -> Iterator[Population]:
    """Of every contrast over items in the tiny reference records, each once."""
    scale, store = get("tiny"), Store(HOUSE / "results" / "reference")
    seen: set[bytes] = set()
    for paper in PAPERS.values():
        evidence = Evidence(store, paper.name, scale.name, paper.arms(scale.name))
        for contrast in (x for claim in paper.claims(scale.name) for x in claim.every_contrast):
            try:
                series = evidence.effect(contrast)
            except Missing:
                continue
            key = np.abs(series.values).tobytes()
            if len(series.items) > 1 and len(series.seeds) > 1 and series.values.std() > 0 and key not in seen:
                seen.add(key)
                yield Population.of(series, contrast.measure.unit)


def trials() -> Iterator[Trial]:
    """On every shape the nulls of both words, and effects of 2.5, 3.5 and 5 true standard errors."""
    for shape in SHAPES:
        yield from nulls(shape, "supported")
        yield from nulls(shape, "refuted")
        if shape.tail == "normal":
            yield from (power(shape, times * shape.error) for times in (2.5, 3.5, 5.0))
            yield power(shape, 0.0, "within", 4.5 * shape.error)


def both_sides(of: Population, studies: int) -> tuple[Rate, Rate]:
    """How often an effect of 0 is shown to be above it, and below."""
    rng = np.random.default_rng(0)
    found = [estimate(of.drawn(rng), replicates=DRAWS) for _ in range(studies)]
    return tuple(Rate(sum(p <= LEVEL for p in ps), studies)  # type: ignore[return-value]
                 for ps in ([e.p_above(0.0) for e in found], [e.p_below(0.0) for e in found]))


def main() -> None:
    console = wide()
    table = Table("shape", "truth", "verdict", "planned", f"share of {STUDIES:,}", "")
    for t in trials():
        rate = run(t)
        off = rate.too_many if t.planned is None else not rate.as_planned(t.planned)
        table.add_row(t.shape.name, t.name, t.word, "at most .05" if t.planned is None else f"{t.planned:.3f}",
                      f"{rate.share:.3f}", "off" if off else "")
    console.print(table)
    _of_records(console)


def _of_records(console: Console) -> None:
    found = [(p, both_sides(p, STUDIES)) for p in populations()]
    table = Table("unit", "contrasts", "seed", "cluster", "rest", "|skew|", "either side: median", "largest", "too many")
    for unit in dict.fromkeys(p.unit for p, _ in found):
        of = [(p, r) for p, r in found if p.unit == unit]
        shares = [rate.share for _, rates in of for rate in rates]
        medians = [f"{np.median([getattr(p, name) for p, _ in of]):.3g}" for name in ("by_seed", "by_cluster", "rest")]
        skew = f"{np.quantile([abs(p.skew) for p, _ in of], 0.75):.1f}"
        table.add_row(unit, str(len(of)), *medians, skew, f"{np.median(shares):.3f}", f"{max(shares):.3f}",
                      str(sum(rate.too_many for _, rates in of for rate in rates)))
    console.print("The tiny records' contrasts drawn anew; standard deviations: medians; skewness of clusters: upper quartile")
    console.print(table)


if __name__ == "__main__":
    main()
