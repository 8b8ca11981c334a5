"""HELENE: its formula in float64, each part switched off, each ambiguity's variants, its bytes."""
from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from methods import papers
from methods.estimator.spsa import Spsa
from methods.fit import Training, fit
from methods.parts import Clock, Refused, State
from methods.streams import Streams
from methods.update.helene import Helene
from methods.update.sgd import Sgd
from tests.reference import zeroth as slow
from tests.test_zeroth_updates import EPS, EXAMPLES, NEAR, STEPS, assert_near, run
from tests.toys import PAD, toy_examples, toy_llama, weights_of
from tests.zeroth_toys import SHAPES, Bowl, Quadratic, copies

LR, LAM = 0.002, 0.02
ENTRIES = {"embedding": 240, "0": 65, "1": 22, "head": 54}
GROUP = {"embedding": "embedding", "a": "0", "b": "0", "c": "1", "d": "1", "head": "head"}


def helene(**fields) -> Helene:
    return Helene(**{"lr": LR, "lam": LAM, "k": 3, "gamma": 1.5, "eps": 1e-3, "state_dtype": "weight"} | fields)


def reference(grads, lam: list[float] | float = LAM, beta1: float = 0.9, cap: bool = False) -> list[Tensor]:
    floors = lam if isinstance(lam, list) else [lam] * len(SHAPES)
    return slow.helene(copies(Bowl()), grads, LR, floors, beta1, 0.99, 3, 1.5, 1e-3, EXAMPLES, STEPS, cap)


# ---------------------------------------------------------------------------------------------------- parity


@pytest.mark.parametrize("beta1", [0.0, 0.9])
@pytest.mark.parametrize("bound", ["floor", "cap"])
@pytest.mark.parametrize("n", [1, 2])
def test_helene_is_its_formula(beta1, bound, n):
    model, grads, seeded = run(helene(beta1=beta1, bound=bound), n=n)
    assert_near(model, reference(grads, beta1=beta1, cap=bound == "cap"))
    h = 0.01 * EXAMPLES * torch.cat([g.flatten() for g in grads[0]]).square()
    assert 0.02 < float((h > LAM).double().mean()) < 0.98  # the floor binds at some entries and not at others
    assert len(seeded) == STEPS


def test_groups_and_the_rule_by_dimension():
    for group, sizes in (("block", [ENTRIES[GROUP[n]] for n in SHAPES]), ("tensor", [math.prod(s[2]) for s in SHAPES.values()])):
        model, grads, _ = run(helene(rule="dimension", group=group, lam=0.2))
        assert_near(model, reference(grads, [0.2 / math.sqrt(d) for d in sizes]))


@pytest.mark.parametrize("group", ["block", "tensor"])
def test_the_quantile_rule_takes_the_groups_own_quantile_of_the_first_h(group):
    model, grads, _ = run(helene(rule="quantile", lam=0.7, group=group))
    h: dict[str, list[Tensor]] = {}
    for name, g in zip(SHAPES, grads[0], strict=True):
        h.setdefault(GROUP[name] if group == "block" else name, []).append(0.01 * EXAMPLES * g.flatten().square())
    floor = {key: float(torch.quantile(torch.cat(parts), 0.7)) for key, parts in h.items()}
    assert_near(model, reference(grads, [floor[GROUP[n] if group == "block" else n] for n in SHAPES]))


def test_annealing_has_its_four_shapes():
    T = 50
    falling, rising, constant, ema = ([Helene(lr=1.0, annealing=a).alpha(t, T) for t in range(T + 1)]
                                      for a in ("falling", "rising", "constant", "ema"))
    assert falling[0] == 1.0
    assert falling[T] == pytest.approx(0.9 + 0.1 / math.e)
    assert falling[T // 2] == pytest.approx(0.9 + 0.1 * math.exp(-0.5))
    assert rising == pytest.approx(falling[::-1])
    assert set(constant) == {1.0}
    assert ema == pytest.approx([0.1] * (T + 1))
    assert Helene(lr=1.0, T=10).alpha(10, T) == pytest.approx(falling[T])


def test_the_scalar_curvature_is_the_mean_of_c_squared():
    model, _, seeded = run(helene(curvature="scalar", beta1=0.0, annealing="constant"))
    weights, h = copies(Bowl()), 0.0
    for t, gradient in enumerate(seeded):
        c, z = gradient.c[0], slow.direction(weights, gradient.seeds[0])
        h = 0.99 * h + 0.01 * EXAMPLES * c * c if t % 3 == 0 else h
        weights = [w - LR * c * d / (1.5 * max(h, LAM) + 1e-3) for w, d in zip(weights, z, strict=True)]
    assert_near(model, weights)


@pytest.mark.parametrize("curvature", ["diagonal", "scalar"])
def test_squares_of_the_examples_take_the_place_of_the_squared_mean(curvature):
    """Alike but for a factor that folds into the floor and gamma: with squares q times as large, h is q times as large."""
    mean, examples = ({}, {})
    for squared, state in (("mean", mean), ("examples", examples)):
        _, _, seeded = run(helene(squared=squared, curvature=curvature), state=state, steps=1)
    ratio = seeded[0].squares[0] / (EXAMPLES * seeded[0].c[0] ** 2)
    assert abs(ratio - 1) > 0.01
    for name in SHAPES:
        torch.testing.assert_close(examples[name]["h"], ratio * mean[name]["h"], **NEAR)


def test_a_fresh_probe_costs_two_passes_at_refreshes_and_gives_another_h():
    counts, states = {}, {}
    for probe in ("own", "fresh"):
        model, loss, state = Bowl(), Quadratic(Bowl()), {}
        loss.model, calls = model, []
        each = loss.each
        loss.each = lambda each=each, calls=calls: (calls.append(1), each())[1]
        for step in range(6):
            gradient = Spsa(eps=EPS)(loss, model, model.weights(), Streams(2), step)
            helene(probe=probe)(gradient, state, Clock(step, 6, 1.0))
        counts[probe], states[probe] = len(calls), state
    assert counts == {"own": 12, "fresh": 16}
    assert not torch.equal(states["own"]["a"]["h"], states["fresh"]["a"]["h"])


def test_the_first_refresh_and_the_bias_correction():
    late: State = {}
    run(helene(first=2), state=late, steps=2)
    assert not any(bool(s["h"].any()) for s in late.values())
    _, grads, _ = run(helene(first=2), state=(fresh := {}), steps=3)
    for name, g in zip(SHAPES, grads[2], strict=True):
        torch.testing.assert_close(fresh[name]["h"], 0.01 * EXAMPLES * g.square(), **NEAR)
    model, grads, _ = run(helene(debias=True, beta1=0.0, annealing="constant", k=1, lam=1e-9), steps=1)
    expected = [w - LR * g / (1.5 * (EXAMPLES * g.square()).clamp_min(1e-9) + 1e-3)
                for w, g in zip(copies(Bowl()), grads[0], strict=True)]
    assert_near(model, expected)


def test_decay_is_decoupled_and_spares_norms_and_biases():
    start = copies(Bowl())
    plain, decayed = (copies(run(helene(weight_decay=wd), steps=1)[0]) for wd in (0.0, 0.5))
    for (role, _, _), w, a, b in zip(SHAPES.values(), start, plain, decayed, strict=True):
        still = role.value in ("norm", "bias")
        torch.testing.assert_close(b - a, torch.zeros_like(w) if still else -LR * 0.5 * w, rtol=1e-7, atol=1e-12)


# ------------------------------------------------------------------------------------------------------ laws


@pytest.mark.parametrize("restore", ["fused", "exact"])
def test_with_everything_off_it_is_sgd_to_the_last_bit(restore):
    ends = []
    for update in (Sgd(lr=1e-3), Helene(lr=1e-3, beta1=0.0, annealing="constant", curvature="off", lam=1.0, eps=0.0)):
        model = toy_llama()
        recipe = papers.Recipe(papers.FULL, update, Spsa(restore=restore))
        snapshots = list(fit(model, recipe, toy_examples(), Training(steps=6, batch_size=6), Streams(4), pad_id=PAD))
        ends.append((weights_of(model), [s.loss for s in snapshots[1:]], snapshots[-1].state_bytes))
    assert ends[0][1:] == ends[1][1:]
    assert all(torch.equal(ends[1][0][n], t) for n, t in ends[0][0].items())


def test_momentum_without_curvature_is_heavy_ball():
    update = Helene(lr=LR, annealing="constant", curvature="off", lam=1.0, eps=0.0, state_dtype="weight")
    one, _, _ = run(update)
    two, _, _ = run(Sgd(lr=LR, momentum=0.9))
    for a, b in zip(copies(one), copies(two), strict=True):
        torch.testing.assert_close(a, b, **NEAR)


PARTS = {"all": ({}, 2, True), "scalar": ({"curvature": "scalar"}, 1, True), "no h": ({"curvature": "off"}, 1, False),
         "no momentum": ({"beta1": 0.0}, 1, True), "neither": ({"beta1": 0.0, "curvature": "off"}, 0, False)}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(("kind", "width"), [("fp32", 4), ("bf16", 2), ("weight", 8)])
def test_the_state_has_the_bytes_of_its_table(name, kind, width):
    fields, copies_, counted = PARTS[name]
    state: State = {}
    run(helene(state_dtype=kind, **fields), state=state, steps=2)
    entries = sum(t.numel() for t in copies(Bowl()))
    scalar = 8 * len(SHAPES) if fields.get("curvature") == "scalar" else 0  # float64 beside float64 weights
    expected = copies_ * width * entries + 4 * counted * len(SHAPES) + scalar
    assert sum(t.nbytes for s in state.values() for t in s.values()) == expected


@pytest.mark.parametrize("kind", ["fp32", "bf16"])
def test_narrow_state_follows_the_wide_one_roughly(kind):
    wide, narrow = (copies(run(helene(state_dtype=k))[0]) for k in ("weight", kind))
    start = copies(Bowl())
    for s, a, b in zip(start, wide, narrow, strict=True):
        assert not torch.equal(a, b)
        assert float((a - b).norm()) < (1e-5 if kind == "fp32" else 0.05) * float((a - s).norm())


def test_refreshes_are_counted_by_the_weights_own_steps():
    """A weight that joins at step 1 refreshes then, and its h does not depend on the others' steps."""
    model, state = Bowl(), {}
    for step in range(2):
        weights = model.weights()[:3] if step == 0 else model.weights()
        gradient = Spsa(eps=EPS)(Quadratic(model), model, weights, Streams(2), step)
        helene()(gradient, state, Clock(step, 2, 1.0))
    assert bool(state["head"]["h"].any())
    assert [int(state[n]["step"]) for n in SHAPES] == [2, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("bad", [{"k": 0}, {"beta1": 1.0}, {"gamma": 0.0}, {"lam": -1.0}, {"T": 0},
                                 {"rule": "quantile", "first": 1}, {"rule": "quantile", "curvature": "off"},
                                 {"rule": "quantile", "lam": 2.0}, {"curvature": "off", "bound": "cap"},
                                 {"curvature": "off", "lam": 0.0, "eps": 0.0}])
def test_impossible_settings_are_refused_in_one_sentence(bad):
    with pytest.raises(Refused, match=r"cannot use .*; because .*; use "):
        Helene(lr=0.1, **bad)


def test_given_the_slopes_h_is_one_scalar_times_noise():
    """With c = 1 the spread of h over entries is sqrt(2 (1 - beta2) / (1 + beta2)): the variance of z^2 is 2."""
    model, state = Bowl().eval(), {}
    for step in range(80):
        gradient = Spsa(eps=EPS)(Quadratic(model), model, model.weights(), Streams(2), step)
        gradient.c = (1.0,)
        helene(lr=1e-12, k=1, beta2=0.9)(gradient, state, Clock(step, 80, 1.0))
    h = torch.cat([state[n]["h"].flatten() for n in SHAPES])
    assert float(h.mean()) == pytest.approx(EXAMPLES, rel=0.05)
    assert float(h.std() / h.mean()) == pytest.approx(math.sqrt(2 * 0.1 / 1.9), rel=0.15)
