"""Problem: one question with its right answer, before any benchmark's format; and the makers' common tools."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from suites.world.draw import Split, distinct, split_of, stream
from suites.world.world import World


@dataclass(frozen=True)
class Problem:
    """``key`` names the fact or instance it hangs on; ``wrong`` are the other options; ``work`` is the worked solution."""

    key: str
    question: str
    right: str
    wrong: tuple[str, ...] = ()
    passage: str = ""
    work: str = ""


Maker = Callable[[World, Split, random.Random], Problem]


def make_in(world: World, split: Split, make: Maker, rng: random.Random) -> Problem:
    """One problem whose key belongs to the split."""
    while True:
        problem = make(world, split, rng)
        if split_of(world.seed, problem.key) == split:
            return problem


def sample(world: World, split: Split, make: Maker, n: int, purpose: str) -> list[Problem]:
    """``n`` different problems of one split; raises Refused when there are not as many."""
    rng = stream(purpose, world.seed, split)
    return distinct(lambda r: make_in(world, split, make, r), lambda p: True, n, rng)


def options(problem: Problem, place: int) -> list[str]:
    """The right answer at ``place`` among the wrong ones."""
    return [*problem.wrong[:place], problem.right, *problem.wrong[place:]]


def others(values: Sequence[str], right: str, n: int, rng: random.Random) -> tuple[str, ...]:
    """``n`` different values, none of them the right one."""
    return tuple(rng.sample([v for v in dict.fromkeys(values) if v != right], n))


def near(right: int, n: int, rng: random.Random, spread: int = 6) -> tuple[str, ...]:
    """``n`` different whole numbers >= 0 near the right one."""
    return tuple(str(v) for v in rng.sample([v for v in range(max(0, right - spread), right + spread + 1) if v != right], n))
