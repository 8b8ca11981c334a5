"""The simple selections: their laws, their slow references, quotas and mixtures, what happens at the edges."""
from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.parts import Chosen, Clock, Refused
from methods.quotas import kept_and_quotas
from methods.selection.big_gradient_norm import BigGradientNorm
from methods.selection.big_loss import BigLoss
from methods.selection.craig import Craig
from methods.selection.grad_match import GradMatch
from methods.selection.middle_perplexity import MiddlePerplexity
from methods.selection.uniform_by_source import UniformBySource
from methods.streams import Streams
from tests.reference import facility_location, selections

RULES = [UniformBySource(), BigLoss(), MiddlePerplexity(), BigGradientNorm(), GradMatch(), Craig(), Craig(metric="l1")]
STREAMS = Streams(3)


@dataclasses.dataclass
class Fake:
    """What a selection may ask for here; anything else would raise."""

    index: Tensor
    sources: tuple[str, ...]
    small: frozenset[str]
    loss: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.sources)

    def losses(self) -> Tensor:
        return self.loss

    def gradients(self, rows: Tensor) -> Tensor:
        return self.rows[rows]

    def permuted(self, order: Tensor) -> Fake:
        return Fake(self.index[order], tuple(self.sources[i] for i in order.tolist()), self.small, self.loss[order],
                    self.rows[order])


def fake(seed: int, size: int = 24, d: int = 5) -> Fake:
    """Losses and gradients of whole numbers: many ties. "ghost" is a small source without an example in the pool."""
    rng = random.Random(seed)
    sources = tuple(rng.choice(["big"] * 6 + ["wide"] * 3 + ["rare"]) for _ in range(size))
    loss = torch.tensor([float(rng.randint(0, 6)) for _ in range(size)], dtype=torch.float64)
    rows = torch.tensor([[float(rng.randint(-2, 3)) for _ in range(d)] for _ in range(size)])
    index = torch.tensor(sorted(rng.sample(range(1000), size)))
    return Fake(index, sources, frozenset({"rare", "ghost"}), loss, rows)


def chosen(rule, pool: Fake, k: int, step: int = 0) -> Chosen:
    return rule(pool, k, {}, Clock(step, 10, 1.0), STREAMS)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_picks_are_distinct_exact_in_number_and_of_mean_weight_one(rule):
    for seed in range(6):
        pool = fake(seed)
        for k in (1, 7, 23):
            found = chosen(rule, pool, k, seed)
            assert len(found.index) == len(set(found.index.tolist())) == len(found.weight) == k
            assert 0 <= int(found.index.min()) <= int(found.index.max()) < len(pool)
            assert float(found.weight.min()) > 0
            assert float(found.weight.mean()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_the_whole_pool_is_no_selection(rule):
    pool = fake(2)
    for k in (len(pool), len(pool) + 5):
        found = chosen(rule, pool, k)
        assert sorted(found.index.tolist()) == list(range(len(pool)))
        assert found.weight.tolist() == [1.0] * len(pool)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_the_order_of_the_pool_changes_no_pick(rule):
    for seed in range(6):
        pool = fake(seed)
        other = pool.permuted(torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed)))
        one, two = chosen(rule, pool, 9), chosen(rule, other, 9)
        weights = [dict(zip(p.index[c.index].tolist(), c.weight.tolist(), strict=True)) for p, c in ((pool, one), (other, two))]
        assert weights[0] == weights[1]


def test_scores_pick_as_their_slow_references():
    for seed in range(40):
        pool, k = fake(seed), 1 + seed % 24
        losses, norms = pool.loss.tolist(), [math.hypot(*row) for row in pool.rows.tolist()]
        assert chosen(BigLoss(), pool, k).index.tolist() == selections.big(losses, k)
        assert chosen(MiddlePerplexity(), pool, k).index.tolist() == selections.middle(losses, k)
        exact = selections.big([round(n * n) for n in norms], k)
        assert [norms[i] for i in chosen(BigGradientNorm(), pool, k).index.tolist()] == pytest.approx([norms[i] for i in exact])


def test_craig_is_facility_location_with_its_clusters():
    for seed in range(30):
        pool, k = fake(seed, 12, 2), 1 + seed % 11
        table = facility_location.table(pool.rows)
        want = facility_location.greedy(table, k)
        found = chosen(Craig(metric="l1"), pool, k)
        assert found.index.tolist() == want
        sizes = facility_location.sizes(table, want)
        assert found.weight.tolist() == pytest.approx([s * k / 12 for s in sizes])


@pytest.mark.parametrize(("lam", "d", "k", "drops"), [(0.5, 6, 5, False), (0.1, 6, 5, False), (0.02, 2, 10, True)])
def test_grad_match_is_its_slow_reference(lam, d, k, drops):
    dropped = 0
    for seed in range(8):
        gradients = torch.randn(14, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        index, weight = GradMatch(lam=lam).pursue(gradients, k)
        want, exact = selections.grad_match(gradients.numpy(), k, lam)
        assert index.tolist() == want
        np.testing.assert_allclose(weight.double().numpy(), exact, rtol=1e-6, atol=1e-6)
        dropped += len(want) < k
    assert (dropped > 0) == drops


def test_grad_match_fills_at_random_with_weight_one():
    pool = fake(1)
    pool.rows = torch.zeros_like(pool.rows)
    assert chosen(GradMatch(), pool, 5).weight.tolist() == [1.0] * 5
    assert len({tuple(chosen(GradMatch(), pool, 5, step).index.tolist()) for step in range(8)}) > 1
    pool.rows[3] = 2.0
    found = chosen(GradMatch(), pool, 5)
    assert int(found.index[0]) == 3
    assert found.weight.tolist() == [1.0] * 5


def test_grad_match_points_closer_to_the_pools_gradient_than_chance():
    pool = fake(5, 60, 12)
    pool.rows = torch.randn(60, 12, generator=torch.Generator().manual_seed(0)) + 0.5
    target = pool.rows.mean(0)

    def cosine(found: Chosen) -> float:
        return float(torch.cosine_similarity(found.weight @ pool.rows[found.index], target, dim=0))
    chance = [cosine(chosen(UniformBySource(), pool, 12, step)) for step in range(50)]
    assert cosine(chosen(GradMatch(lam=1e-3), pool, 12)) > max(chance)


def test_small_sources_are_kept_and_large_ones_get_their_quotas():
    for seed in range(30):
        pool, k = fake(seed), 12
        counts = Counter(pool.sources)
        found = Counter(pool.sources[i] for i in chosen(UniformBySource(), pool, k, seed).index.tolist())
        large = {name: n for name, n in counts.items() if name not in pool.small}
        assert found["rare"] == counts["rare"]
        assert found == Counter({"rare": counts["rare"]}) + Counter(selections.quotas(large, k - counts["rare"]))
        assert found["ghost"] == 0


def test_within_a_source_each_example_is_as_likely():
    pool, k, steps = fake(8), 11, 1500
    counts = Counter(i for step in range(steps) for i in chosen(UniformBySource(), pool, k, step).index.tolist())
    of = Counter(pool.sources)
    _, quotas = kept_and_quotas(pool.sources, pool.small, k, torch.arange(len(pool)))
    assert all(0 < quota < of[name] for name, quota in quotas.items())
    for i, name in enumerate(pool.sources):
        share = 1.0 if name in pool.small else quotas[name] / of[name]
        assert abs(counts[i] / steps - share) <= 4.5 * math.sqrt(share * (1 - share) / steps)


def test_quotas_by_hand():
    order = torch.arange(10)
    sources = ["b"] * 3 + ["a"] * 3 + ["c"] * 2 + ["s"] * 2
    kept, quotas = kept_and_quotas(sources, {"s"}, 6, order)
    assert (kept.tolist(), quotas) == ([8, 9], {"a": 2, "b": 1, "c": 1})  # exact shares 1.5, 1.5, 1: the tie goes to a
    assert kept_and_quotas(sources, {"s"}, 2, order)[1] == {}
    kept, quotas = kept_and_quotas(sources, {"a", "b", "s"}, 3, order.flip(0))
    assert (kept.tolist(), quotas) == ([5, 8, 9], {})
    assert kept_and_quotas(["x"] * 4, set(), 3, torch.arange(4))[1] == {"x": 3}
    assert kept_and_quotas(["x"] * 4, {"x"}, 9, torch.arange(4))[0].tolist() == [0, 1, 2, 3]
    assert kept_and_quotas(["x", "y"], {"x"}, 9, torch.arange(2))[1] == {"y": 1}
    assert kept_and_quotas([], set(), 3, torch.arange(0))[1] == {}


def test_quotas_add_up_and_stay_within_one_of_the_exact_share():
    for seed in range(300):
        rng = random.Random(seed)
        sources = [rng.choice("abcdefs") for _ in range(rng.randint(1, 60))]
        k = rng.randint(0, len(sources))
        kept, quotas = kept_and_quotas(sources, {"s"}, k, torch.randperm(len(sources)))
        counts = Counter(s for s in sources if s != "s")
        assert len(kept) + sum(quotas.values()) == k
        assert len(kept) == min(k, sources.count("s"))
        left = k - len(kept)
        for name, quota in quotas.items():
            assert quota <= counts[name]
            assert abs(quota - left * counts[name] / counts.total()) < 1
        assert quotas == (selections.quotas(dict(counts), left) if left else {})


@pytest.mark.parametrize("rule", [BigLoss(), BigGradientNorm(), GradMatch(), Craig()], ids=repr)
def test_what_is_not_a_number_is_picked_so_that_training_stops_at_it(rule):
    pool = fake(6)
    pool.loss[13] = math.nan
    pool.rows[13, 1] = math.nan
    found = chosen(rule, pool, 4)
    assert int(found.index[0]) == 13
    assert len(set(found.index.tolist())) == 4


def test_what_cannot_work_is_refused():
    with pytest.raises(Refused, match="lam > 0"):
        GradMatch(lam=0.0)
    with pytest.raises(Refused, match="permutation of the pool"):
        kept_and_quotas(["a", "b"], set(), 1, torch.tensor([0, 0]))
    with pytest.raises(Refused, match="k is at least 0"):
        kept_and_quotas(["a"], set(), -1, torch.tensor([0]))
