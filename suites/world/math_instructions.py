"""world/math-instructions: mathematics from ten sources of very unequal size, the shape of a merged instruction set."""

import random
from collections.abc import Callable

from suites.world import lexicon
from suites.world.arithmetic import apply, chain, equation, story, sum_of_two
from suites.world.draw import Split, stream
from suites.world.problem import Problem, make_in
from suites.world.world import World

Row = dict[str, object]
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 4000), "dev": ("dev", 400), "test": ("test", 400)}


def _story(steps: int) -> Callable[[World, Split, random.Random], Problem]:
    return lambda world, split, rng: story(rng, steps=steps, most=10 * world.difficulty)


def _answer(problem: Problem) -> Problem:
    return Problem(problem.key, problem.question, problem.right, work=problem.work or f"#### {problem.right}")


def larger(world: World, split: Split, rng: random.Random) -> Problem:
    """Which of two numbers is larger?"""
    a, b = rng.sample(range(10, 100), 2)
    return Problem(f"larger/{a}/{b}", f"Which is larger, {a} or {b}?", str(max(a, b)))


def half(world: World, split: Split, rng: random.Random) -> Problem:
    """Half of an even number."""
    a = rng.randint(5, 200)
    return Problem(f"half/{a}", f"What is half of {2 * a}?", str(a))


def double_plus(world: World, split: Split, rng: random.Random) -> Problem:
    """Twice a plus b, step by step."""
    a, b = rng.randint(2, 40), rng.randint(2, 19)
    work = f"2 * {a} = {2 * a}\n{2 * a} + {b} = {2 * a + b}\n#### {2 * a + b}"
    return Problem(f"double/{a}+{b}", f"What is twice {a} plus {b}?", str(2 * a + b), work=work)


def price(world: World, split: Split, rng: random.Random) -> Problem:
    """Several things at one price."""
    n, p, thing = rng.randint(2, 9), rng.randint(2, 9), rng.choice(lexicon.COUNTED)
    work = f"{n} * {p} = {n * p}\n#### {n * p}"
    return Problem(f"price/{n}*{p}/{thing}", f"One of the {thing} costs {p}. What do {n} {thing} cost?", str(n * p), work=work)


def next_term(world: World, split: Split, rng: random.Random) -> Problem:
    """The next number of a series."""
    start, step = rng.randint(1, 30), rng.randint(2, 9)
    terms = ", ".join(str(apply("+", start, i * step)) for i in range(4))
    return Problem(f"series/{start}+{step}", f"What comes next: {terms}?", str(start + 4 * step))


SOURCES: dict[str, tuple[Callable[[World, Split, random.Random], Problem], float]] = {
    "two_steps": (_story(2), 0.38),
    "sums": (sum_of_two, 0.24),
    "one_step": (_story(1), 0.14),
    "equations": (equation, 0.09),
    "three_steps": (_story(3), 0.06),
    "chains": (chain, 0.04),
    "larger": (larger, 0.02),
    "double": (double_plus, 0.015),
    "prices": (price, 0.01),
    "series": (next_term, 0.005),
}


def _rows(world: World, split: Split, n: int) -> list[Row]:
    rng = stream("math instructions", world.seed, split)
    rows: list[Row] = []
    for source, (make, share) in SOURCES.items():
        for _ in range(max(4, round(share * n))):
            p = _answer(make_in(world, split, make, rng))
            rows.append({"instruction": p.question, "output": p.work, "source": source, "fact": p.key})
    rng.shuffle(rows)
    return rows


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows; about the sizes of SIZES, every source at least four times."""
    return {"default": {name: _rows(world, split, n) for name, (split, n) in SIZES.items()}}
