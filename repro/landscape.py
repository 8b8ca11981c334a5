"""Paths of update rules down a function of two weights: an illustration of how they move, evidence of nothing.

f(x, y) = 8 (x - 1)^2 (1.3 x^2 + 2 x + 1) + (y - 4)^2 / 2, the motivating function of Sophia (Liu et al., arXiv 2305.14342):
steep in x, flat in y; its minimum 0 is at (1, 4), a saddle at (0, 4), and it curves down in x for -0.37 < x < 0.60.
Every rule starts from (0.23, 0.35), in that band, and is one of the updates that train models here, with its own defaults.
Its rate is the power of sqrt(10) with the lowest end of the very path shown. "Newton" alone is no part of any recipe; it
needs exact derivatives and its rate is 1.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from methods.estimator.spsa import Spsa
from methods.gradients import Gradient, Seeded
from methods.parts import Clock, Role, State, Update, Weight
from methods.streams import Streams
from methods.update.adamw import AdamW
from methods.update.helene import Helene
from methods.update.sgd import Sgd
from methods.update.sign import Sign
from methods.update.sophia import Sophia

START, MINIMUM, STEPS, EPS, SEED = (0.23, 0.35), (1.0, 4.0), 40, 1e-3, 0
Place = tuple[float, float]


def height(x: Any, y: Any) -> Any:
    """f of numbers, arrays or tensors of one shape."""
    return 8 * (x - 1) ** 2 * (1.3 * x**2 + 2 * x + 1) + 0.5 * (y - 4) ** 2


@dataclass(frozen=True)
class Path:
    """Where a rule was before its first step and after every step, and the height that it ended at."""

    label: str
    rate: float
    places: tuple[Place, ...]
    end: float


@dataclass(frozen=True)
class Panel:
    """All rules under one kind of gradient."""

    title: str
    paths: tuple[Path, ...]


class Toy(nn.Module):
    """Two weights in one tensor, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(START, dtype=torch.float64))

    def forward(self) -> Tensor:
        value: Tensor = height(self.at[0], self.at[1])
        return value


@dataclass(frozen=True)
class Height:
    """The toy's height as the loss of a batch of one example."""

    toy: Toy

    def parts(self) -> Iterator[Tensor]:
        yield self.toy()

    @torch.no_grad()
    def value(self) -> Tensor:
        return next(self.parts())

    @torch.no_grad()
    def each(self) -> tuple[Tensor, Tensor]:
        return self.value()[None], torch.ones(1, dtype=torch.float64)


@dataclass
class Exact(Seeded):
    """The exact gradient in a seeded one's place, for rules that take no other."""

    def groups(self, c: Any = None) -> Iterator[list[tuple[Weight, Tensor]]]:
        for weight in self.weights:
            yield [(weight, torch.autograd.grad(self.again.value(), weight.tensor)[0])]


@dataclass(frozen=True)
class Slope:
    """The toy's height with a graph, asked for when the gradient is."""

    toy: Toy

    def value(self) -> Tensor:
        with torch.enable_grad():
            found: Tensor = self.toy()
            return found

    def fresh(self) -> Seeded:
        raise NotImplementedError("an exact gradient has no other directions")


@dataclass(frozen=True)
class Newton:
    """w = w - lr g / diag(124.8 x^2 - 28.8 x - 27.2, 1), the Hessian of `height`."""

    lr: float
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Seeded,)

    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        for weight, g in gradient:
            x = float(weight.tensor.detach()[0])
            with torch.no_grad():
                weight.tensor.sub_(g / g.new_tensor([124.8 * x**2 - 28.8 * x - 27.2, 1.0]), alpha=self.lr)


RULES: Mapping[str, Callable[[float], Update]] = {
    "SGD": Sgd, "SGD with momentum": lambda lr: Sgd(lr, momentum=0.9), "sign": lambda lr: Sign(lr, of="entries"),
    "Adam": AdamW, "Sophia": Sophia, "HELENE": Helene, "Newton": Newton}
RATES: Mapping[bool, Mapping[str, int]] = {
    True: {"SGD": -3, "SGD with momentum": -4, "sign": -2, "Adam": 0, "Sophia": -3, "HELENE": -4, "Newton": 0},
    False: {"SGD": -5, "SGD with momentum": -5, "sign": -2, "Adam": -1, "Sophia": -2, "HELENE": -7}}
"""By whether the gradient is exact: a rule's rate as a power of sqrt(10)."""


def panels() -> tuple[Panel, ...]:
    """Every rule by exact gradients, and by one random direction a step."""
    titles = {True: "exact gradients", False: "one random direction a step (two function values)"}
    return tuple(Panel(title, tuple(walk(rule, power, exact) for rule, power in RATES[exact].items()))
                 for exact, title in titles.items())


def walk(rule: str, power: int, exact: bool, steps: int = STEPS) -> Path:
    """The path of a rule at the rate 10^(power / 2)."""
    rate = float(f"{10 ** (power / 2):.1g}")
    toy, state, streams, update = Toy(), State(), Streams(SEED), RULES[rule](rate)
    weights, places = (Weight("at", toy.at, Role.MATRIX, 0),), [START]
    for step in range(steps):
        gradient = (Exact(toy().detach(), weights, (1.0,), (0,), Slope(toy)) if exact
                    else Spsa(eps=EPS)(Height(toy), toy, weights, streams, step))
        update(gradient, state, Clock(step, steps, 1.0))
        x, y = toy.at.tolist()
        places.append((x, y))
    return Path(rule, rate, tuple(places), float(toy().detach()))
