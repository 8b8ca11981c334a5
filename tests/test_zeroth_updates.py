"""Updates on a seeded gradient: parity in float64 with references that materialise everything, and their laws."""
from __future__ import annotations

import pytest
import torch
from torch import Tensor

from methods import papers
from methods.estimator.spsa import Spsa
from methods.gradients import Seeded
from methods.parts import Clock, Refused, State
from methods.streams import Streams
from methods.update.adamw import AdamW
from methods.update.conservative import Conservative
from methods.update.helene import Helene
from methods.update.sgd import Sgd
from methods.update.sign import Sign
from methods.update.sophia import Sophia
from tests.reference import adamw as slow_adamw
from tests.reference import sgd as slow_sgd
from tests.reference import zeroth as slow
from tests.zeroth_toys import Bowl, Quadratic, copies

STEPS, EPS, EXAMPLES = 7, 1e-2, 3
NEAR = {"rtol": 1e-9, "atol": 1e-10}


def run(update, steps: int = STEPS, n: int = 1, state: State | None = None, restore: str = "fused",
        dtype: torch.dtype = torch.float64) -> tuple[Bowl, list[list[Tensor]], list[Seeded]]:
    """The model after `steps`, the gradients of every step as whole tensors, and the seeded ones."""
    model, state = Bowl(dtype), {} if state is None else state
    grads, seeded = [], []
    for step in range(steps):
        gradient = Spsa(eps=EPS, n=n, restore=restore)(Quadratic(model), model, model.weights(), Streams(2), step)
        grads.append([g for _, g in gradient] if dtype is torch.float64 else [])
        update(gradient, state, Clock(step, steps, 1.0))
        seeded.append(gradient)
    return model, grads, seeded


def assert_near(model: Bowl, expected: list[Tensor]) -> None:
    for got, want in zip(copies(model), expected, strict=True):
        torch.testing.assert_close(got, want, **NEAR)


@pytest.mark.parametrize("n", [1, 2])
def test_sgd_and_momentum_are_their_formulas(n):
    for momentum in (0.0, 0.9):
        model, grads, _ = run(Sgd(lr=0.01, momentum=momentum), n=n)
        columns = zip(*grads, strict=True)
        assert_near(model, [slow_sgd.sgd(w, list(g), 0.01, momentum) for w, g in zip(copies(Bowl()), columns, strict=True)])


def test_adam_is_its_formula():
    model, grads, _ = run(AdamW(lr=0.01, eps=1e-3))
    columns = zip(*grads, strict=True)
    assert_near(model, [slow_adamw.adamw(w, list(g), [0.01] * STEPS, 0.9, 0.999, 1e-3, 0.0)
                        for w, g in zip(copies(Bowl()), columns, strict=True)])


def test_sophia_is_its_formula_and_clips_some_entries_and_not_others():
    model, grads, _ = run(Sophia(lr=0.01, rho=0.1, k=3, state_dtype="weight"))
    start = copies(Bowl())
    assert_near(model, slow.sophia(start, grads, 0.01, 0.1, 0.965, 0.99, 3, 1e-15, EXAMPLES))
    free = slow.sophia(start, grads[:1], 1.0, 5.0, 0.965, 0.99, 3, 1e-15, EXAMPLES)
    length = torch.cat([(a - b).abs().flatten() for a, b in zip(free, start, strict=True)])
    assert 0.1 < float((length < 0.999).double().mean()) < 0.9


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("of", ["slope", "entries"])
def test_sign_is_its_formula(of, n):
    model, grads, seeded = run(Sign(lr=0.01, of=of), n=n)
    weights = copies(Bowl())
    for g, gradient in zip(grads, seeded, strict=True):
        if of == "entries":
            weights = [w - 0.01 * a.sign() for w, a in zip(weights, g, strict=True)]
        else:
            zs = [slow.direction(weights, seed) for seed in gradient.seeds]
            signs = [1.0 if c > 0 else -1.0 for c in gradient.c]
            weights = [w - 0.01 / n * sum(s * z[j] for s, z in zip(signs, zs, strict=True)) for j, w in enumerate(weights)]
    assert_near(model, weights)


@pytest.mark.parametrize("lr", [0.01, 2.0])
def test_conservative_keeps_the_best_of_three(lr):
    """A small step is taken; one that is far too long is not. An honest slope makes the opposite step never the best."""
    model, grads, _ = run(Conservative(lr=lr))
    weights, loss = copies(Bowl().eval()), Quadratic(Bowl().eval()).of
    stayed = 0
    for g in grads:
        places = [[w + by * a for w, a in zip(weights, g, strict=True)] for by in (0.0, -lr, lr)]
        best = min(range(3), key=lambda i: float(loss(places[i])))
        stayed += best == 0
        weights = places[best]
    for got, want in zip(copies(model), weights, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-7, atol=1e-9)
    assert stayed == (0 if lr == 0.01 else STEPS)


def test_conservative_takes_the_opposite_step_when_it_is_best():
    model = Bowl().eval()
    before = float(Quadratic(model).value())
    gradient = Spsa(eps=EPS)(Quadratic(model), model, model.weights(), Streams(2), 0)
    gradient.c = tuple(-c for c in gradient.c)
    Conservative(lr=0.001)(gradient, {}, Clock(0, 1, 1.0))
    assert float(Quadratic(model).value()) < before


# ------------------------------------------------------------------------------------------------------ laws

UPDATES = {"sgd": Sgd(lr=0.01), "momentum": Sgd(lr=0.01, momentum=0.9), "adam": AdamW(lr=0.01), "helene": Helene(lr=0.01),
           "helene fresh": Helene(lr=0.01, probe="fresh", k=2), "helene quantile": Helene(lr=0.01, rule="quantile", lam=0.5),
           "sophia": Sophia(lr=0.01), "sign": Sign(lr=0.01), "conservative": Conservative(lr=0.01)}
every_update = pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES.keys())


@every_update
def test_a_rate_of_zero_puts_the_weights_back_and_no_more(update):
    model = Bowl()
    before = copies(model)
    gradient = Spsa(eps=EPS)(Quadratic(model), model, model.weights(), Streams(2), 0)
    update(gradient, {}, Clock(0, 1, 0.0))
    for old, now in zip(before, copies(model), strict=True):
        torch.testing.assert_close(now, old, rtol=0, atol=1e-13)


@every_update
def test_restoring_in_the_update_changes_no_more_than_rounding(update):
    ends = [copies(run(update, restore=restore)[0]) for restore in ("fused", "sweep", "exact")]
    for other in ends[1:]:
        for a, b in zip(ends[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


@every_update
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_weights_keep_their_dtype_and_move(update, dtype):
    model, _, _ = run(update, steps=3, dtype=dtype)
    for start, now in zip(copies(Bowl(dtype)), copies(model), strict=True):
        assert now.dtype is dtype
        assert bool(torch.isfinite(now).all())
        assert now.numel() < 5 or not torch.equal(start, now)


@every_update
def test_state_survives_a_trip_through_a_copy(update):
    straight = copies(run(update)[0])
    model, state = Bowl(), {}
    for step in range(STEPS):
        gradient = Spsa(eps=EPS)(Quadratic(model), model, model.weights(), Streams(2), step)
        update(gradient, state, Clock(step, STEPS, 1.0))
        state = {name: {slot: t.clone() for slot, t in slots.items()} for name, slots in state.items()}
    for a, b in zip(copies(model), straight, strict=True):
        torch.testing.assert_close(a, b, **NEAR)


def test_updates_without_memory_keep_none():
    for update in (Sgd(lr=0.01), Sign(lr=0.01), Conservative(lr=0.01)):
        state: State = {}
        run(update, state=state)
        assert state == {}


def test_sophias_state_has_the_size_that_arithmetic_gives():
    entries, weights = sum(t.numel() for t in copies(Bowl())), len(copies(Bowl()))
    for kind, width in (("fp32", 4), ("bf16", 2), ("weight", 8)):
        state: State = {}
        run(Sophia(lr=0.01, state_dtype=kind), state=state, steps=1)
        assert sum(t.nbytes for s in state.values() for t in s.values()) == 2 * width * entries + 4 * weights


def test_impossible_settings_are_refused_in_one_sentence():
    for bad in ({"k": 0}, {"rho": 0.0}, {"eps": 0.0}):
        with pytest.raises(Refused, match=r"cannot use .*; because .*; use "):
            Sophia(lr=0.1, **bad)


def test_named_recipes_are_what_they_say():
    assert papers.mezo(lr=1.0, momentum=0.9).update == Sgd(lr=1.0, momentum=0.9)
    assert papers.helene(lr=1.0, eps=1e-2).estimator == Spsa(eps=1e-2)
    assert papers.helene(lr=1.0, lam=3.0).update == Helene(lr=1.0, lam=3.0)
