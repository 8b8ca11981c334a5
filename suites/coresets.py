"""How well a selection's batches stand for the data, measured on true gradients, pool by pool.

Pools of P training examples are drawn; from each every rule picks k. With G_i the gradient of example i on the last value
projection (the model's weights are not touched) and g the mean over a rule's picks:
- variance: |g - mean over pools of g|^2 (unbiased by n / (n - 1)), what the paper's figure 3b and theorem 4.3 are about;
- error: |g - mean of G over all pools|^2, which counts the bias of a rule that prefers some sources too;
- skill: agreement with the picks of the same rule from true gradients, 0 at chance (given the quotas), 1 where all agree.
Gains are relative to `random`, uniform picks of k: 1 - the rule's mean square / that of random (0: no gain).

Source: Nguyen et al. (CoLM), arXiv 2407.19580, section 5; the skill is that of the fact sheet's third-party audit.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from methods.examples import Example
from methods.objective.nll import Nll
from methods.parts import Clock, Refused, Selection, State
from methods.probe import Pool, small_sources
from methods.quotas import kept_and_quotas
from methods.selection.colm import Colm
from methods.selection.uniform import Uniform
from methods.selection.uniform_by_source import UniformBySource
from methods.streams import Streams
from suites.heldout import clustered_mean
from suites.suite import Evaluation

Floats = npt.NDArray[np.float64]
Picks = list[tuple[Tensor, Tensor]]
"""(index, weight) of one pool after the other."""
NAME = "coresets"
RANDOM = "random"


@dataclass(frozen=True)
class Contender:
    """A rule, the size of its batch as a multiple of k, and the same rule with true gradients where that says something."""

    rule: Selection
    times: int = 1
    oracle: Selection | None = None


def contenders(h: int | None, eps: float, many: int) -> dict[str, Contender]:
    """CoLM with one direction, with many and with true gradients; random examples of the same mixture; twice the batch."""
    one = Colm(pool=2, h=h, eps=eps)
    oracle = replace(one, z="gradient")
    return {"colm": Contender(one, oracle=oracle), "many": Contender(replace(one, z="step", m=many), oracle=oracle),
            "oracle": Contender(oracle), "mixture": Contender(UniformBySource(pool=2)), "random-2x": Contender(Uniform(), 2)}


PAIRS = (("mixture", "colm"), ("many", "colm"), (RANDOM, "colm"))
"""Differences that are told too."""


def evaluate(model: nn.Module, data: Sequence[Example], rules: Mapping[str, Contender], *, size: int, pools: int, seed: int,
             pad_id: int, micro_batch: int, name: str = NAME) -> Evaluation:
    """One row per pool of `size`, half of which is chosen: gains and skill of every rule, and the differences of `PAIRS`.

    Raises Refused where the data do not fill two pools.
    """
    if min(pools, len(data) // size) < 2:
        raise Refused(f"cannot compare selections on {len(data)} examples; because a variance needs two pools of {size} at "
                      "least; use more data or a smaller pool")
    device = next(model.parameters()).device
    drawn = [Pool(data, where, small_sources(data), Nll(), model, None, pad_id, micro_batch, device)
             for where in _cut(len(data), size, pools, seed)]
    columns = _measured(drawn, rules, size // 2, seed)
    for one, other in PAIRS:
        for kind in ("variance gain", "error gain", "skill"):
            if f"{kind} {other}" in columns and (one == RANDOM or f"{kind} {one}" in columns):
                columns[f"{kind} {one} minus {other}"] = columns.get(f"{kind} {one}", 0.0) - columns[f"{kind} {other}"]
    facts = [f"{name}/{i}" for i in range(len(drawn))]
    table = pd.DataFrame({"suite": name, "task": name, "item": range(len(drawn)), "fact": facts, **columns})
    scores = {c: clustered_mean(v, np.ones(len(v)), facts) for c, v in columns.items()}
    return Evaluation({name: scores}, table, truncated=0, versions={"pools": f"{len(drawn)} of {size}"})


def _measured(pools: Sequence[Pool], rules: Mapping[str, Contender], k: int, seed: int) -> dict[str, Floats]:
    """Column -> [pools]"""
    gradients = [pool.gradients(torch.arange(len(pool))).double() for pool in pools]
    everything = torch.cat(gradients).mean(0)
    made: dict[str, Picks] = {}

    def chosen(rule: Selection, size: int) -> Picks:
        """Picked once: several rules share one oracle."""
        key = f"{size} by {rule!r}"
        if key not in made:
            made[key] = _picks(rule, pools, size, seed)
        return made[key]

    random = _means(gradients, chosen(Uniform(), k))
    columns: dict[str, Floats] = {}
    for name, contender in rules.items():
        picks = chosen(contender.rule, contender.times * k)
        means = _means(gradients, picks)
        columns[f"variance gain {name}"] = _gain(_around_own_mean(means), _around_own_mean(random))
        columns[f"error gain {name}"] = _gain(*((m - everything).square().sum(1) for m in (means, random)))
        if contender.oracle is not None:
            true = chosen(contender.oracle, k)
            columns[f"skill {name}"] = np.array([_skill(a[0], b[0], p, k) for a, b, p in zip(picks, true, pools, strict=True)])
    return columns


def _gain(ours: Tensor, theirs: Tensor) -> Floats:
    """[pools] whose mean is 1 - mean of ours / mean of theirs."""
    found: Floats = ((theirs - ours) / theirs.mean()).numpy()
    return found


def _cut(n: int, size: int, pools: int, seed: int) -> list[list[int]]:
    """Pools that share no example."""
    order = Streams(seed).permutation(n, "coresets").tolist()
    return [order[i * size:(i + 1) * size] for i in range(min(pools, n // size))]


def _picks(rule: Selection, pools: Sequence[Pool], k: int, seed: int) -> Picks:
    """(index, weight) pool after pool, with the rule's own memory from pool to pool."""
    state: State = {}
    found = [rule(pool, k, state, Clock(i, len(pools), 1.0), Streams(seed)) for i, pool in enumerate(pools)]
    return [(chosen.index, chosen.weight.double()) for chosen in found]


def _means(gradients: Sequence[Tensor], picks: Picks) -> Tensor:
    """[pools, d]"""
    return torch.stack([(w / w.sum()) @ g[index] for g, (index, w) in zip(gradients, picks, strict=True)])


def _around_own_mean(means: Tensor) -> Tensor:
    """[pools] squared distances, of the size of an unbiased variance."""
    return (means - means.mean(0)).square().sum(1) * len(means) / (len(means) - 1)


def _skill(one: Tensor, other: Tensor, pool: Pool, k: int) -> float:
    """Agreement of two sets of picks that share kept examples and quotas: 0 at what the quotas give by chance
    (also where they leave nothing to choose), 1 if equal."""
    kept, quotas = kept_and_quotas(pool.sources, pool.small, k, torch.arange(len(pool)))
    chance = len(kept) + sum(q * q / pool.sources.count(s) for s, q in quotas.items())
    common = len(set(one.tolist()) & set(other.tolist()))
    return (common - chance) / (k - chance) if k > chance else 0.0
