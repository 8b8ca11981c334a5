"""CoLM's selection against its slow reference, its laws, and CoLM inside the training loop with every scope."""
from __future__ import annotations

import collections
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from methods import papers
from methods.examples import Example
from methods.fit import Training, fit
from methods.parts import Clock, Refused
from methods.scope.full import Full
from methods.scope.lisa import Lisa
from methods.scope.lora import Lora
from methods.selection.clustered import Clustered
from methods.selection.colm import Colm
from methods.streams import Streams
from tests.reference.colm import Slow, worth
from tests.toys import PAD, toy_examples, toy_llama, weights_of

STREAMS = Streams(11)
D = 12


@dataclasses.dataclass
class Fake:
    """Gradients are given; slopes are their products with the directions."""

    sources: tuple[str, ...]
    small: frozenset[str]
    rows: Tensor
    index: Tensor | None = None
    asked: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def __post_init__(self) -> None:
        self.index = torch.arange(len(self)) if self.index is None else self.index

    def __len__(self) -> int:
        return len(self.sources)

    def direction(self, seed: int) -> Tensor:
        return torch.randn(D, generator=torch.Generator().manual_seed(seed % 2**31))

    def slopes(self, rows: Tensor, seeds, eps: float) -> Tensor:
        self.asked["slopes"] += len(rows)
        return self.rows[rows].double() @ torch.stack([self.direction(s) for s in seeds]).double().t()

    def gradients(self, rows: Tensor) -> Tensor:
        self.asked["gradients"] += len(rows)
        return self.rows[rows]


def fake(seed: int = 0, large: dict[str, int] | None = None, small: int = 3) -> Fake:
    counts = {"big": 9, "wide": 6} if large is None else large
    sources = [s for s, n in counts.items() for _ in range(n)] + [f"rare{i % 2}" for i in range(small)]
    order = torch.randperm(len(sources), generator=torch.Generator().manual_seed(seed)).tolist()
    rows = torch.randn(len(sources), D, generator=torch.Generator().manual_seed(seed + 1))
    return Fake(tuple(sources[i] for i in order), frozenset({"rare0", "rare1"}), rows)


def clock(step: int) -> Clock:
    return Clock(step, 10, 1.0)


def proxies_of(rule: Colm, pool: Fake, step: int) -> dict[int, np.ndarray]:
    where = [i for i, s in enumerate(pool.sources) if s not in pool.small]
    if rule.z == "gradient":
        return dict(zip(where, pool.rows[where].double().numpy(), strict=True))
    seeds = [STREAMS.number(f"selection directions/{j}", step if rule.z == "step" else 0) for j in range(rule.m)]
    vectors = torch.stack([pool.direction(s) for s in seeds]).double()
    return dict(zip(where, (pool.slopes(torch.tensor(where), seeds, 1.0) @ vectors / rule.m).numpy(), strict=True))


def bound(rule: Colm, slow: Slow, seed: int) -> dict[str, dict[str, Tensor]]:
    """A state with some history, the same for both. At the very first selection every feature is a sign: all is ties."""
    state = started(seed, 1 if rule.on_a_line else D)
    line = fake().direction(STREAMS.number("selection directions/0", 0)).double().numpy() if rule.on_a_line else 1.0
    slow.m, slow.v, slow.t = state["colm"]["m"].numpy() * line, state["colm"]["v"].numpy() * line**2, 5
    return state


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rule", [Colm(z="gradient", h=7), Colm(z="run", m=5, h=7), Colm(z="step", m=5, h=7)])
def test_picks_and_moments_are_those_of_the_slow_reference(seed, rule):
    slow = Slow(h=7)
    state = bound(rule, slow, seed)
    for step in range(3):
        pool = fake(seed=10 * seed + step)
        expected = slow(proxies_of(rule, pool, step), list(pool.sources), set(pool.small), 8)
        found = rule(pool, 8, state, clock(step), STREAMS)
        assert found.index.tolist() == expected
        assert found.weight.tolist() == [1.0] * 8
        np.testing.assert_allclose(state["colm"]["m"].numpy(), slow.m, rtol=2e-4, atol=1e-6)
        np.testing.assert_allclose(state["colm"]["v"].numpy(), slow.v, rtol=2e-4, atol=1e-6)
        assert int(state["colm"]["t"]) == slow.t == 6 + step


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rule", [Colm(z="run", h=7), Colm(z="step", h=7)])
def test_along_one_direction_the_picks_are_worth_those_of_the_slow_reference(seed, rule):
    """Every coordinate rises or falls with the slope, so l1 distances add up as on a line: any point between two middle ones
    is as good a medoid, and rounding breaks the tie."""
    slow, pool = Slow(h=7), fake(seed)
    state = bound(rule, slow, seed)
    expected = slow(proxies_of(rule, pool, 0), list(pool.sources), set(pool.small), 8)
    found = rule(pool, 8, state, clock(0), STREAMS).index.tolist()
    assert sorted(pool.sources[i] for i in found) == sorted(pool.sources[i] for i in expected)
    for source in ("big", "wide"):
        rows = [i for i, s in enumerate(pool.sources) if s == source]
        x = np.array([slow.seen[i] for i in rows])
        first = [worth(x, [rows.index(next(i for i in picks if i in rows))]) for picks in (found, expected)]
        assert first[0] == pytest.approx(first[1], rel=1e-5)  # what greedy finds next depends on how the tie fell


def started(seed: int, d: int) -> dict[str, dict[str, Tensor]]:
    """Moments after five selections."""
    generator = torch.Generator().manual_seed(100 + seed)
    m = 0.3 * torch.randn(d, generator=generator, dtype=torch.float64)
    return {"colm": {"m": m, "v": 0.02 + 0.01 * torch.rand(d, generator=generator, dtype=torch.float64), "t": torch.tensor(5)}}


@pytest.mark.parametrize("adam", [True, False])
def test_the_line_is_the_general_path_for_one_direction(adam, monkeypatch):
    """Sources of odd size have one middle point, so that the first medoid is no tie."""
    for step in range(20):
        pool = fake(step, large={"big": 9, "wide": 7})
        rule = Colm(adam=adam, h=None)
        states: list[dict] = [started(step, 1), {}]
        line = pool.direction(STREAMS.number("selection directions/0", 0)).double()
        before = states[0]["colm"]
        states[1]["colm"] = {"m": before["m"] * line, "v": before["v"] * line**2, "t": before["t"]}
        one = rule(pool, 5, states[0], clock(step), STREAMS)  # two kept and one or two of each source
        with monkeypatch.context() as patch:
            patch.setattr(Colm, "on_a_line", property(lambda self: False))
            other = rule(pool, 5, states[1], clock(step), STREAMS)
        assert one.index.tolist() == other.index.tolist()
        if adam:
            assert states[0]["colm"]["m"].shape == (1,)
            torch.testing.assert_close(states[1]["colm"]["m"].double(), states[0]["colm"]["m"] * line, rtol=1e-4, atol=1e-6)


def test_sizes_quotas_and_kept_examples_are_exact():
    pool = fake()
    chosen = Colm()(pool, 8, {}, clock(0), STREAMS)
    picks = chosen.index.tolist()
    assert len(set(picks)) == 8
    taken = collections.Counter(pool.sources[i] for i in picks)
    assert taken == {"rare0": 2, "rare1": 1, "big": 3, "wide": 2}
    assert pool.asked == {"slopes": 15}  # kept examples are not scored


def test_the_whole_pool_needs_no_selection():
    pool = fake()
    assert Colm()(pool, 18, {}, clock(0), STREAMS).index.tolist() == list(range(18))
    assert Colm()(pool, 99, {}, clock(0), STREAMS).index.tolist() == list(range(18))
    assert not pool.asked


def test_small_sources_that_fill_the_batch_are_cut_and_nothing_is_scored():
    pool = fake(large={"big": 2}, small=6)
    chosen = Colm()(pool, 4, {}, clock(0), STREAMS)
    assert len(set(chosen.index.tolist())) == 4
    assert all(pool.sources[i].startswith("rare") for i in chosen.index.tolist())
    assert not pool.asked


@pytest.mark.parametrize("rule", [Colm(), Colm(z="step", m=4), Colm(z="gradient"), Colm(z="run", m=2, per_source=False),
                                  Colm(z="gradient", keep_small=False, h=3, metric="l2"), Colm(adam=False, weights="clusters")])
@pytest.mark.parametrize("past", [True, False])
def test_another_order_of_the_pool_gives_the_same_examples(rule, past):
    """With ties too, of which the very first selection is full: they go by place in the training set."""
    pool = fake(3)
    order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(9))
    turned = Fake(tuple(pool.sources[i] for i in order.tolist()), pool.small, pool.rows[order], order)
    d = 1 if rule.on_a_line else D
    one = rule(pool, 9, started(1, d) if past else {}, clock(0), STREAMS).index
    other = order[rule(turned, 9, started(1, d) if past else {}, clock(0), STREAMS).index]
    assert sorted(one.tolist()) == sorted(other.tolist())


def test_every_component_can_be_switched_off():
    pool = fake(2)
    every = Colm(z="step", m=4, h=4)
    picks = {}
    for name, rule in {"all": every, "adam": dataclasses.replace(every, adam=False), "h": dataclasses.replace(every, h=None),
                       "small": dataclasses.replace(every, keep_small=False),
                       "source": dataclasses.replace(every, per_source=False),
                       "l2": dataclasses.replace(every, metric="l2")}.items():
        picks[name] = tuple(sorted(rule(pool, 8, {}, clock(0), STREAMS).index.tolist()))
    assert len(picks["small"]) == 8
    assert len(set(picks.values())) >= 4
    weights = dataclasses.replace(every, weights="clusters")(pool, 8, {}, clock(0), STREAMS).weight
    assert float(weights.sum()) == len(pool)  # every pool example is stood for once
    assert weights.max() > 1


def test_a_loss_that_is_no_number_chooses_without_comparing():
    pool = fake()
    at = next(i for i, source in enumerate(pool.sources) if source not in pool.small)
    pool.rows[at] = float("nan")
    chosen = Colm(z="gradient")(pool, 8, {}, clock(0), STREAMS).index.tolist()
    assert len(set(chosen)) == 8
    assert at in chosen


def test_wrong_fields_are_refused():
    for fields in ({"m": 0}, {"eps": 0.0}, {"h": 0}):
        with pytest.raises(Refused, match="cannot use CoLM with"):
            Colm(**fields)
    with pytest.raises(Refused, match="clusters"):
        Clustered(Colm(), c=1)


# ------------------------------------------------------------------------------------------- in the loop


def sourced(n: int = 30) -> list[Example]:
    return [dataclasses.replace(e, source=("a", "a", "a", "b", "b", "rare")[i % 6 if i else 5])
            for i, e in enumerate(toy_examples(n))]


SCOPES = {"full": Full(), "lora": Lora(r=2), "lisa": Lisa(gamma=1, K=2), "lisa over lora": Lisa(gamma=1, K=1, of=Lora(r=2))}
TRAINING = Training(steps=5, batch_size=6, micro_batch=4)


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize("z", ["run", "gradient"])
def test_it_trains_under_every_scope_and_resumes_exactly(scope, z, tmp_path: Path):
    recipe = dataclasses.replace(papers.full(lr=1e-2), scope=scope, selection=Colm(z=z, h=5))
    straight = toy_llama(dropout=0.2)
    for snapshot in fit(straight, recipe, sourced(), TRAINING, STREAMS, pad_id=PAD):
        if snapshot.step == 3:
            snapshot.save(tmp_path / "here")
    resumed = toy_llama(dropout=0.2)
    list(fit(resumed, recipe, sourced(), TRAINING, STREAMS, pad_id=PAD, resume=tmp_path / "here"))
    assert all(torch.equal(weights_of(resumed)[n], t) for n, t in weights_of(straight).items())


def test_dora_is_refused_before_the_first_step():
    recipe = dataclasses.replace(papers.colm(1e-3), scope=Lora(r=2, options=(("use_dora", True),)))
    with pytest.raises(Refused, match="with DoRA; because"):
        next(fit(toy_llama(), recipe, sourced(), TRAINING, STREAMS, pad_id=PAD))


@pytest.mark.parametrize("name", ["colm", "colm-clustered"])
def test_the_named_recipes_train(name):
    recipe = papers.NAMED[name](1e-3, r=2, alpha=4.0)
    losses = [s.loss for s in fit(toy_llama(), recipe, sourced(), TRAINING, STREAMS, pad_id=PAD)][1:]
    assert all(map(math.isfinite, losses))


def test_helene_and_colm_go_together():
    recipe = dataclasses.replace(papers.helene(lr=1e-3), selection=Colm())
    model = toy_llama()
    losses = [s.loss for s in fit(model, recipe, sourced(), TRAINING, STREAMS, pad_id=PAD)][1:]
    assert len(losses) == TRAINING.steps
    assert all(map(math.isfinite, losses))
    assert any(not torch.equal(now, before) for now, before in zip(model.parameters(), toy_llama().parameters(), strict=True))


def test_training_on_the_whole_pool_equals_no_selection():
    plain, whole = toy_llama(), toy_llama()
    data = sourced(12)
    list(fit(plain, papers.full(lr=1e-2), data, Training(steps=3, batch_size=12), STREAMS, pad_id=PAD))
    list(fit(whole, dataclasses.replace(papers.full(lr=1e-2), selection=Colm(pool=1)), data,
             Training(steps=3, batch_size=12), STREAMS, pad_id=PAD))
    assert all(torch.equal(weights_of(plain)[n], t) for n, t in weights_of(whole).items())


def test_clusters_take_the_sources_place_after_the_warm_up(monkeypatch):
    rule = Clustered(Colm(), c=3, warmup=2, refresh=2)
    assert rule.moments(10) == {2, 6}
    asked = []
    from methods.probe import Pool
    original = Pool.hidden
    monkeypatch.setattr(Pool, "hidden", lambda self: asked.append(1) or original(self))
    recipe = dataclasses.replace(papers.full(lr=1e-2), selection=rule)
    last = list(fit(toy_llama(), recipe, toy_examples(30), Training(steps=10, batch_size=6), STREAMS, pad_id=PAD))[-1]
    assert len(asked) == 2
    labels = last._loop.state["clusters"]["labels"]
    assert labels.shape == (30,)
    assert len(set(labels.tolist())) == 3
