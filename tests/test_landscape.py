"""The toy's paths: of the function that is stated, by the real updates, deterministic, at rates chosen by one rule."""
from __future__ import annotations

import math

import pytest
import torch

from methods.parts import Clock, Role, State, Weight
from methods.update.adamw import AdamW
from methods.update.helene import Helene
from repro.landscape import MINIMUM, RATES, START, STEPS, Exact, Newton, Slope, Toy, height, panels, walk

CASES = [(exact, rule) for exact, rules in RATES.items() for rule in rules]


def at(x: float, y: float) -> torch.Tensor:
    return torch.tensor([x, y], dtype=torch.float64)


def curvatures(x: float, y: float) -> torch.Tensor:
    return torch.autograd.functional.hessian(lambda w: height(w[0], w[1]), at(x, y)).diagonal()


def test_the_function_is_as_described() -> None:
    assert height(*MINIMUM) == 0.0
    assert height(0.0, 4.0) == 8.0
    for place in (MINIMUM, (0.0, 4.0)):
        assert torch.autograd.functional.jacobian(lambda w: height(w[0], w[1]), at(*place)).tolist() == [0.0, 0.0]
    assert curvatures(*MINIMUM).tolist() == pytest.approx([68.8, 1.0])
    assert curvatures(*START)[0] < 0


def test_paths_are_the_same_again() -> None:
    one = panels()
    assert one == panels()
    assert all(len(path.places) == STEPS + 1 and path.places[0] == START for panel in one for path in panel.paths)
    assert all(math.isfinite(path.end) for panel in one for path in panel.paths)
    assert {p.label for p in one[0].paths} - {p.label for p in one[1].paths} == {"Newton"}


@pytest.mark.parametrize(("exact", "rule"), [c for c in CASES if c[1] != "Newton"])
def test_every_rate_is_the_best_of_its_neighbours_on_the_path_shown(exact: bool, rule: str) -> None:
    power = RATES[exact][rule]
    here, *others = (walk(rule, power + by, exact).end for by in (0, -1, 1))
    assert all(not other <= here for other in others)  # a path that left for infinity may end at no number


def test_a_step_with_one_direction_is_along_it() -> None:
    """SGD's step in the second panel is a multiple of the seed's own direction; exact steps follow the gradient."""
    slope = torch.autograd.functional.jacobian(lambda w: height(w[0], w[1]), at(*START))
    moved = {exact: at(*walk("SGD", -6, exact, steps=1).places[1]) - at(*START) for exact in (True, False)}
    assert moved[True].tolist() == pytest.approx((-0.001 * slope).tolist())
    aside = moved[False][0] * slope[1] - moved[False][1] * slope[0]
    assert abs(float(aside)) > 1e-3 * float(moved[False].norm() * slope.norm())


@pytest.mark.parametrize("update", [Helene(0.01, k=1), AdamW(0.01)])
def test_an_exact_gradient_moves_as_a_dense_one_would(update: Helene | AdamW) -> None:
    toy, state = Toy(), State()
    weights = (Weight("at", toy.at, Role.MATRIX, 0),)
    update(Exact(toy().detach(), weights, (1.0,), (0,), Slope(toy)), state, Clock(0, 1, 1.0))
    g = torch.autograd.functional.jacobian(lambda w: height(w[0], w[1]), at(*START))
    step = g / (0.01 * g * g).clamp_min(1.0) if isinstance(update, Helene) else g.sign()
    assert (toy.at.detach() - at(*START)).tolist() == pytest.approx((-0.01 * step).tolist(), rel=1e-6)


def test_newton_divides_by_the_hessian_and_stops_at_the_saddle() -> None:
    toy = Toy()
    weights = (Weight("at", toy.at, Role.MATRIX, 0),)
    gradient = Exact(toy().detach(), weights, (1.0,), (0,), Slope(toy))
    (_, g), = gradient
    Newton(1.0)(gradient, {}, Clock(0, 1, 1.0))
    assert (at(*START) - toy.at.detach()).tolist() == pytest.approx((g / curvatures(*START)).tolist())
    assert walk("Newton", 0, exact=True).places[-1] == pytest.approx((0.0, 4.0), abs=1e-6)
