"""world/math-instructions: mathematics from fourteen sources of very unequal size, with chains of thought and programs."""

import random
from collections.abc import Callable
from dataclasses import replace

from suites.world import lexicon
from suites.world.arithmetic import apply, chain, equation, story, sum_of_two
from suites.world.draw import Split, stream
from suites.world.problem import Problem, make_in
from suites.world.world import World

Row = dict[str, object]
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 4000), "dev": ("dev", 400), "test": ("test", 400)}


def _story(steps: int) -> Callable[[World, Split, random.Random], Problem]:
    return lambda world, split, rng: story(rng, steps=steps, most=10 * world.difficulty)


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


ASK = " Let's write a program."
"""What a question ends with whose answer is a program."""


def steps(problem: Problem) -> Problem:
    """The answer as a chain of thought: the steps, where there are some, and the number."""
    return replace(problem, work=problem.work or f"#### {problem.right}")


def program(problem: Problem) -> Problem:
    """The answer as a program that prints the number."""
    lines = [line.partition(" = ")[0] for line in problem.work.split("\n") if " = " in line]
    if not lines:
        lines = [_expression(problem)]
    lines = [f"x = {line}" if i == 0 else f"x = x {line.split(' ', 1)[1]}" for i, line in enumerate(lines)]
    return replace(problem, question=problem.question + ASK, work="\n".join([*lines, "print(x)"]))


def _expression(problem: Problem) -> str:
    """Of a sum, `a + b`; of an equation x + a = b, `b - a`."""
    kind, _, rest = problem.key.partition("/")
    if kind == "equation":
        sign = rest[1]
        a, _, b = rest[2:].partition("=")
        return f"{b} {'-' if sign == '+' else '+'} {a}"
    return next(f"{a} {sign} {b}" for sign in "+-*" for a, found, b in [rest.partition(sign)] if found)


Form = Callable[[Problem], Problem]
Maker = Callable[[World, Split, random.Random], Problem]
SOURCES: dict[str, tuple[Maker, Form, float]] = {
    "CoT/two_steps": (_story(2), steps, 0.375),
    "CoT/sums": (sum_of_two, steps, 0.22),
    "PoT/one_step": (_story(1), program, 0.13),
    "CoT/equations": (equation, steps, 0.09),
    "PoT/three_steps": (_story(3), program, 0.05),
    "CoT/chains": (chain, steps, 0.04),
    "CoT/larger": (larger, steps, 0.03),
    "PoT/double": (double_plus, program, 0.02),
    "CoT/prices": (price, steps, 0.015),
    "CoT/series": (next_term, steps, 0.012),
    "PoT/equations": (equation, program, 0.008),
    "PoT/sums": (sum_of_two, program, 0.005),
    "CoT/half": (half, steps, 0.00375),
    "PoT/prices": (price, program, 0.00125),
}
"""Name -> maker, form of the answer, share. Four of fourteen are large and hold 82 % of the rows; the largest has 300 times the
rows of the smallest: the shape of MathInstruct."""


def _rows(world: World, split: Split, n: int) -> list[Row]:
    rng = stream("math instructions", world.seed, split)
    rows: list[Row] = []
    for source, (make, form, share) in SOURCES.items():
        for _ in range(max(4, round(share * n))):
            p = form(make_in(world, split, make, rng))
            rows.append({"instruction": p.question, "output": p.work, "source": source, "fact": p.key})
    rng.shuffle(rows)
    return rows


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows; about the sizes of SIZES, every source at least four times."""
    return {"default": {name: _rows(world, split, n) for name, (split, n) in SIZES.items()}}
