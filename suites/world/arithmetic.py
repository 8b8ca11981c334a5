"""Word problems and sums with worked solutions: GSM8K, AQuA-RAT, SAT mathematics, MATH."""

import random

from suites.world import lexicon
from suites.world.draw import Split
from suites.world.problem import Problem, near
from suites.world.world import World

# What one step does to the count so far: sign, sentence. {n} is who, {k} the number, {o} the things counted.
STEPS = (
    ("+", "{n} finds {k} more."),
    ("+", "A friend gives {n} {k} more."),
    ("+", "Then {n} buys {k} {o}."),
    ("-", "{n} gives away {k}."),
    ("-", "Then {n} loses {k} {o}."),
    ("-", "{n} sells {k} of them."),
    ("*", "Then {n} gets {k} times as many {o}."),
)


def apply(sign: str, a: int, b: int) -> int:
    """a + b, a - b or a * b."""
    return a + b if sign == "+" else a - b if sign == "-" else a * b


def word_problem(world: World, split: Split, rng: random.Random) -> Problem:
    """A story of 2 to 1 + difficulty steps; the solution shows each step and ends ``#### n``."""
    return story(rng, steps=rng.randint(2, 1 + world.difficulty + 1), most=(10, 30, 60)[world.difficulty - 1])


def story(rng: random.Random, steps: int, most: int) -> Problem:
    """Somebody's count of things changes step by step and stays between 0 and 99."""
    name, thing, start = rng.choice(lexicon.PEOPLE), rng.choice(lexicon.COUNTED), rng.randint(3, most)
    lines: list[str] = []
    count, sentences, shape = start, [f"{name} has {start} {thing}."], [str(start)]
    while len(lines) < steps:
        sign, sentence = rng.choice(STEPS)
        k = rng.randint(2, 3 if sign == "*" else most)
        result = apply(sign, count, k)
        if not 1 <= result <= 99:
            continue
        sentences.append(sentence.format(n=name, k=k, o=thing))
        lines.append(f"{count} {sign} {k} = {result}")
        shape.append(f"{sign}{k}")
        count = result
    question = " ".join([*sentences, f"How many {thing} does {name} have now?"])
    work = "\n".join([*lines, f"#### {count}"])
    return Problem("count/" + "".join(shape), question, str(count), near(count, 4, rng), work=work)


def short_story(world: World, split: Split, rng: random.Random) -> Problem:
    """A story of one or two steps with small numbers, to be answered without working (AQuA-RAT's place)."""
    return story(rng, steps=rng.randint(1, 2), most=4 + 3 * world.difficulty)


def equation(world: World, split: Split, rng: random.Random) -> Problem:
    """If x + a = b, what is x? (SAT mathematics' place)."""
    sign, most = rng.choice("+-"), 6 * world.difficulty
    x, a = rng.randint(1, most), rng.randint(1, most)
    if sign == "-" and a > x:
        x, a = a, x
    b = apply(sign, x, a)
    return Problem(f"equation/x{sign}{a}={b}", f"If x {sign} {a} = {b}, what is x?", str(x), near(x, 3, rng))


def sum_of_two(world: World, split: Split, rng: random.Random) -> Problem:
    """What is a + b? (elementary mathematics' place)."""
    sign, most = rng.choice("+-*"), 12 * world.difficulty
    a, b = rng.randint(2, most), rng.randint(2, most)
    if sign == "*":
        a, b = rng.randint(2, 9), rng.randint(2, 9)
    a, b = max(a, b), min(a, b)
    result = apply(sign, a, b)
    return Problem(f"sum/{a}{sign}{b}", f"What is {a} {sign} {b}?", str(result), near(result, 3, rng))


def chain(world: World, split: Split, rng: random.Random) -> Problem:
    """What is a + b - c? answered at once (MATH's place)."""
    most = max(14, 5 + 5 * world.difficulty)
    a, b = rng.randint(2, most), rng.randint(2, most)
    c = rng.randint(1, a + b)
    if rng.random() < 0.5:
        a, b = rng.randint(2, 5), rng.randint(2, 5)
        c = rng.randint(1, a * b)
        return Problem(f"chain/{a}*{b}-{c}", f"What is {a} * {b} - {c}?", str(a * b - c))
    return Problem(f"chain/{a}+{b}-{c}", f"What is {a} + {b} - {c}?", str(a + b - c))
