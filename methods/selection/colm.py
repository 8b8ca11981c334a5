"""CoLM: of a large batch, all of the small sources and medoids of the large ones.

Source: Nguyen et al., arXiv 2407.19580 (v2-v4), section 4, equations 2-8. Of a pool of P examples, k are trained on:
1. Every example of a small source (fewer than |V| / c training examples) is kept.
2. The rest of k is shared among the large sources by their number in the pool (largest remainder).
3. Proxy of an example's gradient, on the last value projection alone: x_i = (1/m) sum_j g_ij z_j with
   g_ij = (l_i(W + eps z_j) - l_i(W - eps z_j)) / (2 eps), z_j ~ N(0, I).
4. As Adam would step: m_i = b1 m + (1 - b1) x_i,  v_i = b2 v + (1 - b2) x_i^2,
   x'_i = (m_i / (1 - b1^t)) / (sqrt(v_i / (1 - b2^t)) + e).
   Then m and v become the means of m_i and v_i over the chosen examples of large sources. t counts the selections made.
5. Per source, the h coordinates of largest |mean of x'| are looked at.
6. Per source, facility location: the greedy maximum of sum_i max_{s in S} (C - ||x'_i - x'_s||_1).
7. Every chosen example counts once.

Departures:
- Step 2: the paper names no rounding; the authors' code floors and then favours the rarest sources.
- `z`: "run" draws z_1..z_m once, as the authors' code does (their seed is drawn at construction); "step" draws anew at
  every step; "gradient" takes the true gradient of the same matrix. Their masked_grad uses the optimizer's moments for
  that, this the ones of step 4.
- With z = "run" and m = 1 every x'_i is a number times one fixed vector, up to e, so only the number is kept: the distances are
  those of numbers, and step 5 chooses nothing. Picks are those of the general path, which the tests hold it to.
- Examples whose loss is not a number are taken first, so that training stops at them.
- Kept examples that alone fill the batch: a random part of them is trained on (the authors' code takes a prefix) and
  nothing is scored.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from methods.distances import Metric, distances
from methods.facility_location import Picks, greedy, greedy_on_line
from methods.parts import Chosen, Clock, Probe, Refused, Sight, State
from methods.quotas import kept_and_quotas
from methods.ranking import broken, ordered, unweighted
from methods.streams import Streams

NAME = "colm"


@dataclass(frozen=True)
class Colm:
    """State: m and v of the matrix (of one number where z is one direction for the whole run), and t."""

    pool: int = 2
    z: Literal["run", "step", "gradient"] = "run"
    m: int = 1
    h: int | None = 2560
    """None: all coordinates."""
    eps: float = 1e-3
    adam: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    adam_eps: float = 1e-8
    metric: Metric = "l1"
    keep_small: bool = True
    per_source: bool = True
    """Whether medoids are looked for within each large source or among all of them."""
    weights: Literal["uniform", "clusters"] = "uniform"
    """"clusters": a medoid counts for the pool examples nearest to it."""

    def __post_init__(self) -> None:
        if self.m < 1 or self.eps <= 0 or (self.h is not None and self.h < 1):
            raise Refused(f"cannot use CoLM with m {self.m}, eps {self.eps} and h {self.h}; because it needs a direction, a "
                          "distance and a coordinate; use m >= 1, eps > 0 and h >= 1 (or None)")

    @property
    def sees(self) -> Sight:
        return Sight.GRADIENTS if self.z == "gradient" else Sight.FEATURES

    @property
    def on_a_line(self) -> bool:
        """Whether all features are numbers times one vector."""
        return self.z == "run" and self.m == 1

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        if k >= len(probe):
            return unweighted(torch.arange(len(probe)))
        places, sources = ordered(probe), probe.sources
        order = places[streams.permutation(len(probe), "selection", clock.step)]
        kept, quotas = kept_and_quotas(sources, probe.small if self.keep_small else frozenset(), k, order)
        if not quotas:
            return unweighted(kept)
        rows = torch.tensor([i for i in places.tolist() if sources[i] in quotas])
        proxies = self._proxies(probe, rows, clock, streams)
        stopped = broken(proxies, rows, sum(quotas.values()))
        if stopped is not None:
            return unweighted(torch.cat([kept, stopped.index]))
        x, moments = self._as_adam(proxies, state.get(NAME, {}))
        picked, sizes = self._medoids(x, [sources[i] for i in rows.tolist()], quotas)
        if moments:
            state[NAME] = {slot: of[picked].mean(0) if of.dim() else of for slot, of in moments.items()}
        weight = torch.cat([torch.ones(len(kept)), sizes if self.weights == "clusters" else torch.ones(len(picked))])
        return Chosen(torch.cat([kept, rows[picked]]), weight)

    def _proxies(self, probe: Probe, rows: Tensor, clock: Clock, streams: Streams) -> Tensor:
        """[R, d] float32, or [R, 1] float64 where all lie on a line."""
        if self.z == "gradient":
            return probe.gradients(rows)
        step = clock.step if self.z == "step" else 0
        seeds = [streams.number(f"selection directions/{j}", step) for j in range(self.m)]
        slopes = probe.slopes(rows, seeds, self.eps)
        if self.on_a_line:
            return slopes
        return (slopes.float() @ torch.stack([probe.direction(seed) for seed in seeds])) / self.m

    def _as_adam(self, x: Tensor, past: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """([R, d] what Adam would step by, {"m" and "v": [R, d], "t": []}); x itself and nothing where `adam` is off."""
        if not self.adam:
            return x, {}
        b1, b2 = self.betas
        t = past.get("t", torch.zeros((), dtype=torch.int64)).cpu() + 1
        before = [past[slot].to(x) if past else torch.zeros_like(x[0]) for slot in ("m", "v")]
        m, v = torch.lerp(x, before[0], b1), torch.lerp(x.square(), before[1], b2)
        root = (v / (1 - b2 ** int(t))).sqrt()
        scaled = m / (1 - b1 ** int(t)) / (root + self.adam_eps)
        return scaled, {"m": m, "v": v, "t": t}

    def _medoids(self, x: Tensor, sources: list[str], quotas: dict[str, int]) -> tuple[Tensor, Tensor]:
        """(positions among the rows, how many rows each stands for), source by source."""
        shares = quotas if self.per_source else {"": sum(quotas.values())}
        members: dict[str, list[int]] = {group: [] for group in shares}
        for i, source in enumerate(sources):
            members[source if self.per_source else ""].append(i)
        picked, sizes = [], []
        for group, quota in sorted(shares.items()):
            mine = torch.tensor(members[group])
            picks = self._picks(x[mine], quota)
            picked.append(mine[picks.index])
            sizes.append(picks.size.float())
        return torch.cat(picked), torch.cat(sizes)

    def _picks(self, x: Tensor, quota: int) -> Picks:
        if self.on_a_line and self.metric != "cosine":
            return greedy_on_line(x[:, 0], quota)
        return greedy(distances(self._looked_at(x), self.metric), quota)

    def _looked_at(self, x: Tensor) -> Tensor:
        """[n, h] the coordinates of largest |mean|, ties by index."""
        if self.h is None or self.h >= x.shape[1]:
            return x
        return x[:, x.mean(0).abs().sort(descending=True, stable=True).indices[:self.h].sort().values]
