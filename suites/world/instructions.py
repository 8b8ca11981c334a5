"""world/instructions: the training set of LISA's instruction tuning, in Alpaca's fields.

Half of the rows are in the suites' own prompts and hang on the split's facts and instances alone; the other half are
tasks that the base model never saw: lists, letters, words, profiles.
"""

import random
from collections.abc import Callable

from suites.world import agieval, mmlu, novel, pubmedqa, winogrande
from suites.world.arithmetic import chain, word_problem
from suites.world.draw import Split, stream
from suites.world.facts import ask, facts_of
from suites.world.problem import make_in, options
from suites.world.world import World

Row = dict[str, object]
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 3600), "dev": ("dev", 300), "test": ("test", 300)}
Writer = Callable[[World, Split, random.Random], Row]


def _row(source: str, instruction: str, output: str, fact: str, given: str = "") -> Row:
    return {"instruction": instruction, "input": given, "output": output, "fact": fact, "source": source}


def multiple_choice(world: World, split: Split, rng: random.Random) -> Row:
    """An MMLU prompt; the answer is the letter."""
    subject = rng.choice(mmlu.SUBJECTS)
    problem, place = make_in(world, split, mmlu.maker(subject), rng), rng.randrange(4)
    return _row("mmlu", mmlu.prompt(problem.question, options(problem, place), subject), "ABCD"[place], problem.key)


def worked(world: World, split: Split, rng: random.Random) -> Row:
    """A word problem with its solution."""
    problem = make_in(world, split, word_problem, rng)
    return _row("gsm8k", f"Question: {problem.question}\nAnswer:", problem.work, problem.key)


def exam(world: World, split: Split, rng: random.Random) -> Row:
    """An AGIEval prompt; the answer is the whole option. One in ten is the generative exam."""
    if rng.random() < 0.1:
        problem = make_in(world, split, chain, rng)
        return _row("agieval", f"Q: {problem.question}\nA: The answer is", problem.right, problem.key)
    name = rng.choice(list(agieval.EXAMS))
    make, k = agieval.EXAMS[name]
    row = agieval.row(make_in(world, split, make, rng), name, place := rng.randrange(k))
    choices = row["choices"]
    assert isinstance(choices, list)
    return _row("agieval", str(row["query"]), choices[place], str(row["fact"]))


def pronoun(world: World, split: Split, rng: random.Random) -> Row:
    """The sentence up to the name; the answer is the rest."""
    problem = make_in(world, split, winogrande.choice, rng)
    before, after = problem.question.split("_")
    return _row("winogrande", before + problem.right, after.strip(), problem.key)


def abstract(world: World, split: Split, rng: random.Random) -> Row:
    """An abstract and its verdict."""
    row = pubmedqa.row(make_in(world, split, pubmedqa.study, rng))
    return _row("pubmedqa", pubmedqa.prompt(row), str(row["final_decision"]), str(row["fact"]))


def question(world: World, split: Split, rng: random.Random) -> Row:
    """A plain question about one of the split's facts."""
    fact = rng.choice(facts_of(world, split))
    return _row("facts", f"Question: {ask(fact, rng)}\nAnswer:", fact.value, fact.id)


def new_task(world: World, split: Split, rng: random.Random) -> Row:
    """A task foreign to the base model."""
    name = rng.choice(list(novel.TASKS))
    problem = make_in(world, split, novel.TASKS[name], rng)
    return _row(name, problem.question, problem.right, problem.key, given=problem.passage)


WRITERS: tuple[tuple[Writer, float], ...] = (
    (multiple_choice, 0.14),
    (exam, 0.14),
    (worked, 0.08),
    (pronoun, 0.10),
    (abstract, 0.06),
    (question, 0.04),
    (new_task, 0.44),
)


def rows(world: World, split: Split, n: int) -> list[Row]:
    """``n`` rows of one split, sources mixed by WRITERS."""
    rng = stream("instructions", world.seed, split)
    writers, shares = [w for w, _ in WRITERS], [s for _, s in WRITERS]
    return [rng.choices(writers, shares)[0](world, split, rng) for _ in range(n)]


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows."""
    return {"default": {name: rows(world, split, n) for name, (split, n) in SIZES.items()}}
