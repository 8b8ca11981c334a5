"""hails/agieval-*: the English group's exams, each with a kind of problem of its own."""

from suites.world.arithmetic import chain, equation, short_story
from suites.world.draw import Split, balanced, stream
from suites.world.problem import Maker, Problem, options, sample
from suites.world.reading import journey, lookup, order, passage_fact, rule, week
from suites.world.world import World

Row = dict[str, object]
EXAMS: dict[str, tuple[Maker, int]] = {
    "aqua-rat": (short_story, 5),
    "gaokao-english": (journey, 4),
    "logiqa-en": (order, 4),
    "lsat-ar": (week, 5),
    "lsat-lr": (rule, 5),
    "lsat-rc": (lookup, 5),
    "sat-en": (passage_fact, 4),
    "sat-en-without-passage": (passage_fact, 4),
    "sat-math": (equation, 4),
}
SIZES: dict[Split, int] = {"train": 200, "dev": 24, "test": 48}


def query(problem: Problem, texts: list[str], passage: bool) -> str:
    """The exam question as the real data words it."""
    last = "ABCDE"[len(texts) - 1]
    before = f"{problem.passage} " if passage and problem.passage else ""
    return f"{before}Q: {problem.question} Answer Choices: {' '.join(texts)}\nA: Among A through {last}, the answer is"


def row(problem: Problem, exam: str, place: int) -> Row:
    """A row of the real data, and the instance it hangs on."""
    texts = [f"({letter}) {text}" for letter, text in zip("ABCDE", options(problem, place), strict=False)]
    passage = exam != "sat-en-without-passage"
    return {"query": query(problem, texts, passage), "choices": texts, "gold": [place], "fact": problem.key}


def rows(world: World, exam: str, split: Split, n: int) -> list[Row]:
    """``n`` questions of one exam and split, right answers balanced over the letters."""
    make, k = EXAMS[exam]
    problems = sample(world, split, make, n, f"agieval/{exam}")
    places = balanced(n, k, stream("agieval places", world.seed, exam, split))
    return [row(p, exam, place) for p, place in zip(problems, places, strict=True)]


def math_rows(world: World, split: Split, n: int) -> list[Row]:
    """The generative exam: a sum, answered with a number."""
    problems = sample(world, split, chain, n, "agieval/math")
    return [{"query": f"Q: {p.question}\nA: The answer is", "answer": p.right, "fact": p.key} for p in problems]


def tables(world: World) -> dict[str, dict[str, dict[str, list[Row]]]]:
    """Hub id -> config -> split -> rows; the real data has only the test split, the world adds train and validation."""
    names: dict[str, Split] = {"train": "train", "validation": "dev", "test": "test"}
    sets = {
        f"hails/agieval-{exam}": {"default": {name: rows(world, exam, s, SIZES[s]) for name, s in names.items()}}
        for exam in EXAMS
    }
    sets["hails/agieval-math"] = {"default": {n: math_rows(world, s, SIZES[s]) for n, s in names.items()}}
    return sets
