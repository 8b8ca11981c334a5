"""world/web-math: plain documents about arithmetic for continual pretraining, before word problems are trained."""

import random

from suites.world import lexicon
from suites.world.arithmetic import apply, story
from suites.world.draw import Split, stream
from suites.world.problem import Problem, make_in
from suites.world.world import World

Row = dict[str, object]
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 3000), "dev": ("dev", 200), "test": ("test", 200)}


def lesson(world: World, split: Split, rng: random.Random) -> Problem:
    """Sums in a row with a sentence before each."""
    lines, key = [], []
    for _ in range(rng.randint(2, 4)):
        sign = rng.choice("+-*")
        b = rng.randint(2, 3) if sign == "*" else rng.randint(2, 30 * world.difficulty)
        a = rng.randint(b, 33 if sign == "*" else 90)
        word = {"+": "Adding", "-": "Taking away", "*": "Multiplying by"}[sign]
        lines.append(f"{word} {b}: {a} {sign} {b} = {apply(sign, a, b)}")
        key.append(f"{a}{sign}{b}")
    return Problem("lesson/" + ",".join(key), "\n".join(lines), "")


def told(world: World, split: Split, rng: random.Random) -> Problem:
    """A word problem told with its solution."""
    p = story(rng, steps=rng.randint(1, 1 + world.difficulty), most=20 * world.difficulty)
    work = p.work.replace("#### ", "The answer is ")
    return Problem(p.key, f"{rng.choice(lexicon.PEOPLE)} tells a story. {p.question} We work it out.\n{work}.", "")


def _rows(world: World, split: Split, n: int) -> list[Row]:
    rng = stream("web math", world.seed, split)
    problems = [make_in(world, split, rng.choice((lesson, told)), rng) for _ in range(n)]
    return [{"text": p.question, "fact": p.key} for p in problems]


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows."""
    return {"default": {name: _rows(world, split, n) for name, (split, n) in SIZES.items()}}
