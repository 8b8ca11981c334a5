"""Facility location: one set of picks however it is greedy, near the optimum, submodular, by quota, on a line."""
from __future__ import annotations

import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import facility_location
from methods.facility_location import by_groups, distances, greedy, greedy_on_line, lazy_greedy, value
from methods.parts import Refused
from tests.reference import facility_location as slow

SMALL = st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=2), min_size=2, max_size=7)


def lattice(seed: int, most: int = 9) -> torch.Tensor:
    """Whole coordinates out of a few: many ties, some points twice."""
    rng = random.Random(seed)
    n, d = rng.randint(1, most), rng.randint(1, 3)
    return torch.tensor([[float(rng.randint(-2, 2)) for _ in range(d)] for _ in range(n)])


def test_lazy_batched_and_reference_picks_are_the_same_with_ties():
    tied = 0
    for seed in range(1000):
        points = lattice(seed)
        k = seed % (len(points) + 1)
        exact = slow.table(points)
        want = slow.greedy(exact, k)
        batched, lazy = greedy(distances(points), k), lazy_greedy(distances(points), k)
        assert batched.index.tolist() == lazy.index.tolist() == want, seed
        assert batched.gain.tolist() == lazy.gain.tolist()
        assert batched.gain.tolist() == [slow.value(exact, want[:t + 1]) - slow.value(exact, want[:t]) for t in range(k)]
        assert batched.size.tolist() == lazy.size.tolist() == (slow.sizes(exact, want) if k else [])
        tied += len(set(batched.gain.tolist())) < k
    assert tied > 200


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lazy_and_batched_agree_on_points_of_any_size(dtype):
    for seed in range(20):
        points = torch.randn(60, 5, dtype=dtype, generator=torch.Generator().manual_seed(seed)) * 10.0 ** (seed - 10)
        table = distances(points, ("l1", "l2", "cosine")[seed % 3])
        one, other = greedy(table, 30), lazy_greedy(table, 30)
        assert one.index.tolist() == other.index.tolist()
        assert torch.equal(one.gain, other.gain)
        assert torch.equal(one.size, other.size)
        assert int(one.size.sum()) == 60
        assert float(one.gain.sum()) == pytest.approx(value(table, one.index), rel=1e-12)


def test_rows_are_taken_in_parts(monkeypatch):
    points = lattice(3, 9).repeat(5, 1)
    whole = greedy(distances(points), 7)
    monkeypatch.setattr(facility_location, "NUMBERS", 2 * len(points))
    parts = greedy(distances(points), 7)
    assert torch.equal(whole.index, parts.index)
    assert torch.equal(whole.gain, parts.gain)


def test_the_path_of_other_devices_is_that_of_the_cpu(monkeypatch):
    for seed in range(40):
        table = distances(lattice(seed))
        monkeypatch.setattr(facility_location, "NUMBERS", (2**22, 2 * len(table))[seed % 2])
        grid, _ = facility_location._grid(table, 0)
        one, other = (by(grid, float(grid.max()), len(grid)) for by in (facility_location._by_torch, facility_location._by_numpy))
        assert one == other


def test_greedy_is_within_its_bound_of_the_optimum():
    for seed in range(100):
        points = lattice(seed, 7)
        exact = slow.table(points)
        k = 1 + seed % len(points)
        found = slow.value(exact, greedy(distances(points), k).index.tolist())
        assert value(distances(points), greedy(distances(points), k).index) == found
        assert (1 - 1 / math.e) * slow.optimum(exact, k) <= found <= slow.optimum(exact, k)


@settings(max_examples=60, deadline=None)
@given(SMALL, st.data())
def test_f_is_monotone_and_submodular(points, data):
    table = distances(torch.tensor(points, dtype=torch.float64))
    everyone = range(len(points))
    large = data.draw(st.sets(st.sampled_from(everyone), max_size=len(points) - 1))
    small = data.draw(st.sets(st.sampled_from(sorted(large)))) if large else set()
    new = data.draw(st.sampled_from([i for i in everyone if i not in large]))
    f = {name: value(table, sorted(s)) for name, s in
         {"A": small, "B": large, "A+": small | {new}, "B+": large | {new}}.items()}
    assert 0 <= f["A"] <= f["B"] <= f["B+"]
    assert f["A+"] - f["A"] >= f["B+"] - f["B"]


def test_permuting_the_pool_permutes_the_picks():
    """A few picks of many points: later, two points that only have each other gain the same, whoever is picked."""
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        points, order = torch.randn(40, 6, generator=generator), torch.randperm(40, generator=generator)
        here, there = greedy(distances(points), 4), greedy(distances(points[order]), 4)
        assert order[there.index].tolist() == here.index.tolist()
        assert torch.equal(here.size, there.size)


def test_distances_are_their_definitions():
    points = torch.randn(23, 300, generator=torch.Generator().manual_seed(1))
    exact = points.double()
    apart = exact[:, None] - exact[None]
    unit = exact / exact.norm(dim=1, keepdim=True)
    want = {"l1": apart.abs().sum(2), "l2": apart.square().sum(2).sqrt(), "cosine": 1 - unit @ unit.T}
    for metric, table in want.items():
        table.fill_diagonal_(0)
        found, wide = distances(points, metric), distances(exact, metric)
        torch.testing.assert_close(wide, table, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found.double(), table, rtol=2e-6, atol=2e-6)
        assert torch.equal(found, found.T)
        assert not found.diagonal().any()


def test_quotas_are_honoured_in_every_group():
    generator = torch.Generator().manual_seed(4)
    points, groups = torch.randn(50, 4, generator=generator), torch.randint(0, 3, (50,), generator=generator)
    found = by_groups(points, groups, [5, 0, int((groups == 2).sum())])
    assert groups[found.index].tolist() == [0] * 5 + [2] * int((groups == 2).sum())
    assert len(set(found.index.tolist())) == len(found.index)
    inside = (groups == 0).nonzero().squeeze(1)
    alone = greedy(distances(points[inside]), 5)
    assert torch.equal(found.index[:5], inside[alone.index])
    assert torch.equal(found.size[:5], alone.size)


def test_all_and_none():
    points = lattice(11)
    assert sorted(greedy(distances(points), 99).index.tolist()) == list(range(len(points)))
    assert sorted(lazy_greedy(distances(points), 99).index.tolist()) == list(range(len(points)))
    for none in (greedy(distances(points), 0), lazy_greedy(distances(points), 0), greedy(torch.zeros(0, 0), 3),
                 greedy_on_line(points[:, 0], 0), greedy_on_line(torch.zeros(0), 2)):
        assert none.index.tolist() == none.gain.tolist() == none.size.tolist() == []
    assert greedy(torch.zeros(4, 4), 3).index.tolist() == [0, 1, 2]
    assert greedy(torch.zeros(4, 4), 3).size.tolist() == [2, 1, 1]


def test_the_line_is_the_general_path():
    for seed in range(120):
        rng = random.Random(seed)
        n = rng.randint(1, 20)
        places = torch.tensor([float(rng.randint(-12, 12)) for _ in range(n)], dtype=torch.float64)
        v = torch.tensor([1.0, -2.0, 0.0, 1.0], dtype=torch.float64)
        k = rng.randint(0, n)
        general, line = greedy(distances(places[:, None] * v), k), greedy_on_line(places * 4, k)
        assert general.index.tolist() == line.index.tolist(), seed
        assert general.gain.tolist() == line.gain.tolist()
        assert general.size.tolist() == line.size.tolist()
    for seed in range(3):
        places = torch.randint(0, 2**30, (200,), generator=torch.Generator().manual_seed(seed)).double() / 2**25
        general, line = greedy(distances(places[:, None]), 100), greedy_on_line(places, 100)
        assert general.index.tolist() == line.index.tolist()
        assert torch.equal(general.gain, line.gain)
        v = torch.linspace(0.1, 1.7, 37)
        rough = greedy(distances((places[:, None] * v).float()), 100)
        assert float(rough.gain.sum()) == pytest.approx(float(line.gain.sum() * v.sum()), rel=0.01)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: distances(torch.tensor([[0.0], [math.nan]])), "NaN"),
    (lambda: distances(torch.tensor([[0.0] * 9, [0.0] * 8 + [math.nan]]), "l2"), "NaN"),
    (lambda: distances(torch.tensor([[1.0, 2.0], [1.0, math.inf]]), "cosine"), "NaN"),
    (lambda: distances(torch.tensor([[math.nan]])), "NaN"),
    (lambda: distances(torch.tensor([[3e38], [-3e38]])), "too large"),
    (lambda: distances(torch.zeros(3)), "[P, d]"),
    (lambda: distances(torch.zeros(3, 1), "hamming"), "use l1, l2 or cosine"),
    (lambda: greedy(torch.zeros(2, 2), -1), "k >= 0"),
    (lambda: greedy(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), 1), "same both ways"),
    (lambda: lazy_greedy(torch.tensor([[0.0, math.inf], [math.inf, 0.0]]), 1), "finite"),
    (lambda: greedy_on_line(torch.tensor([math.nan]), 1), "NaN"),
    (lambda: by_groups(torch.zeros(3, 1), torch.tensor([0, 0, 1]), [1, 2]), "between 0 and 1"),
    (lambda: by_groups(torch.zeros(3, 1), torch.tensor([0, 0, 1]), [-1, 1]), "cannot pick -1 of group 0"),
    (lambda: by_groups(torch.zeros(3, 1), torch.tensor([0, 0, 2]), [1, 1]), "belongs to one group"),
    (lambda: by_groups(torch.zeros(0, 1), torch.zeros(0, dtype=torch.long), []), "no group"),
])
def test_what_cannot_work_is_refused(call, words):
    with pytest.raises(Refused) as said:
        call()
    assert words in str(said.value)
