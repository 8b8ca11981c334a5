"""How well a selection's batches stand for the data, measured on true gradients, pool by pool.

Pools of P training examples are drawn; from each every rule picks k. With G_i the gradient of example i's mean loss on the last
value projection (of LoRA's B where the model has adapters there; no weight is touched) and g the mean over a rule's picks:
- variance: |g - mean over pools of g|^2 (unbiased by n / (n - 1)), what the paper's figure 3b and theorem 4.3 are about;
- error: |g - mean of G over all pools|^2, which counts the bias of a rule that prefers some sources too;
- skill: agreement with the picks of the same rule from true gradients, 0 at chance (given the quotas), 1 where all agree.
Variances are shares of that of `random`, uniform picks of k; gains are 1 - the rule's mean square / that of random.

Source: Nguyen et al. (CoLM), arXiv 2407.19580, figure 3b and theorem 4.3; the skill is ours.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from methods.examples import Example
from methods.objective.nll import Nll
from methods.parts import Chosen, Clock, Refused, Selection, State
from methods.probe import Pool, small_sources
from methods.quotas import kept_and_quotas
from methods.selection.uniform import Uniform
from methods.streams import Streams
from suites.clusters import clustered_mean
from suites.suite import Evaluation

Floats = npt.NDArray[np.float64]
Pairs = Sequence[tuple[str, str, str]]
"""(kind of number, rule, other rule) whose difference is told too."""
NAME = "coresets"
RANDOM = "random"


@dataclass(frozen=True)
class Contender:
    """A rule, the size of its batch as a multiple of k, and the same rule with true gradients where that says something."""

    rule: Selection
    times: float = 1
    oracle: Selection | None = None


@dataclass
class Known(Pool):
    """A pool all of whose gradients have been taken."""

    taken: Tensor = field(default_factory=lambda: torch.empty(0))

    def gradients(self, rows: Tensor) -> Tensor:
        return self.taken[rows]


def evaluate(model: nn.Module, data: Sequence[Example], rules: Mapping[str, Contender], *, size: int, pools: int, seed: int,
             pad_id: int, micro_batch: int, pairs: Pairs = (), name: str = NAME) -> Evaluation:
    """One row per pool of `size`, half of which is chosen: gains and skill of every rule, and the differences of `pairs`.

    The pools depend on the seed alone. Raises Refused where the data do not fill two pools.
    """
    if min(pools, len(data) // size) < 2:
        raise Refused(f"cannot compare selections on {len(data)} examples; because a variance needs two pools of {size} at "
                      "least; use more data or a smaller pool")
    few, device = small_sources(data), next(model.parameters()).device
    drawn = (Pool(data, where, few, Nll("example"), model, None, pad_id, micro_batch, device)
             for where in _cut(len(data), size, pools, seed))
    columns = _measured(drawn, rules, size // 2, seed)
    for kind, one, other in pairs:
        columns[f"{kind} {one} minus {other}"] = columns.get(f"{kind} {one}", 0.0) - columns[f"{kind} {other}"]
    n = len(next(iter(columns.values())))
    facts = [f"{name}/{i}" for i in range(n)]
    table = pd.DataFrame({"suite": name, "task": name, "item": range(n), "fact": facts, **columns})
    scores = {c: clustered_mean(v, np.ones(n), facts) for c, v in columns.items()}
    return Evaluation({name: scores}, table, truncated=0, versions={"pools": f"{n} of {size}"})


def _measured(pools: Iterable[Pool], rules: Mapping[str, Contender], k: int, seed: int) -> dict[str, Floats]:
    """Column -> [pools]. One pool's gradients are held at a time, and of each rule its picks' means."""
    whole: list[Tensor] = []
    means: dict[str, list[Tensor]] = {name: [] for name in (RANDOM, *rules)}
    skills: dict[str, list[float]] = {name: [] for name, contender in rules.items() if contender.oracle is not None}
    memory: dict[str, State] = {}
    for step, pool in enumerate(pools):
        known = _known(pool)
        clock, chosen = Clock(step, step + 1, 1.0), dict[str, Chosen]()

        def choose(rule: Selection, size: int, pool: Pool = known, clock: Clock = clock,
                   chosen: dict[str, Chosen] = chosen) -> Chosen:
            """A rule's picks, with its own memory from pool to pool; several rules share one oracle."""
            key = f"{size} by {rule!r}"
            if key not in chosen:
                chosen[key] = rule(pool, size, memory.setdefault(key, {}), clock, Streams(seed))
            return chosen[key]

        whole.append(known.taken.mean(0))
        means[RANDOM].append(_mean(known.taken, choose(Uniform(), k)))
        for name, contender in rules.items():
            picks = choose(contender.rule, max(1, round(contender.times * k)))
            means[name].append(_mean(known.taken, picks))
            if contender.oracle is not None:
                skills[name].append(_skill(picks.index, choose(contender.oracle, k).index, known, k))
    return _columns(torch.stack(whole).mean(0), {n: torch.stack(m) for n, m in means.items()}, skills)


def _known(pool: Pool) -> Known:
    fields_ = {f.name: getattr(pool, f.name) for f in fields(Pool) if f.init}
    return Known(**fields_, taken=pool.gradients(torch.arange(len(pool))))


def _columns(everything: Tensor, means: Mapping[str, Tensor], skills: Mapping[str, Sequence[float]]) -> dict[str, Floats]:
    """everything [d], means [pools, d] of every rule."""
    columns: dict[str, Floats] = {}
    random = means[RANDOM]
    for name, of in means.items():
        columns[f"variance {name}"] = (_around_own_mean(of) / _around_own_mean(random).mean()).numpy()
        if name != RANDOM:
            columns[f"variance gain {name}"] = _gain(_around_own_mean(of), _around_own_mean(random))
            columns[f"error gain {name}"] = _gain(*((m - everything).square().sum(1) for m in (of, random)))
    return columns | {f"skill {name}": np.array(found) for name, found in skills.items()}


def _gain(ours: Tensor, theirs: Tensor) -> Floats:
    """[pools] whose mean is 1 - mean of ours / mean of theirs."""
    found: Floats = ((theirs - ours) / theirs.mean()).numpy()
    return found


def _cut(n: int, size: int, pools: int, seed: int) -> list[list[int]]:
    """Pools that share no example."""
    order = Streams(seed).permutation(n, "coresets").tolist()
    return [order[i * size:(i + 1) * size] for i in range(min(pools, n // size))]


def _mean(gradients: Tensor, chosen: Chosen) -> Tensor:
    """[d] float64"""
    weight = chosen.weight.double()
    return (weight / weight.sum()) @ gradients[chosen.index].double()


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
