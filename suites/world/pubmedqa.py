"""bigbio/pubmed_qa: a short abstract with two groups' outcomes; is the first treatment better? yes, no or maybe."""

import random

from suites.world import lexicon
from suites.world.draw import Split, stream
from suites.world.problem import Problem, sample
from suites.world.world import World

Row = dict[str, object]
ANSWERS = ("yes", "no", "maybe")
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 600), "validation": ("dev", 90), "test": ("test", 300)}
CLEAR = 10  # patients of fifty: a smaller difference than this decides nothing


def verdict(asked: int, other: int) -> str:
    """yes when the asked treatment healed clearly more, no when clearly fewer, else maybe."""
    return "yes" if asked - other >= CLEAR else "no" if other - asked >= CLEAR else "maybe"


def counts(answer: str, rng: random.Random) -> tuple[int, int]:
    """Two counts of healed patients, 10 to 49, whose verdict is the answer."""
    while True:
        asked, other = rng.randint(10, 49), rng.randint(10, 49)
        if verdict(asked, other) == answer:
            return asked, other


def study(world: World, split: Split, rng: random.Random) -> Problem:
    """An abstract in two parts (``passage``, split by a newline) and a question."""
    answer = rng.choice(ANSWERS)
    asked, other = counts(answer, rng)
    first, second = rng.sample(lexicon.HERBS, 2)
    ill = rng.choice(lexicon.ILLS)
    parts = [f"Of 50 people given {first}, {asked} got well.", f"Of 50 people given {second}, {other} got well."]
    rng.shuffle(parts)
    passage = f"We tested herbs against {ill}.\n{parts[0]} {parts[1]}"
    question = f"Is {first} better than {second} against {ill}?"
    return Problem(f"study/{first}{asked}/{second}{other}", question, answer, passage=passage)


def row(problem: Problem) -> Row:
    """A row in the real data's fields."""
    return {
        "QUESTION": problem.question,
        "CONTEXTS": problem.passage.split("\n"),
        "LABELS": ["OBJECTIVE", "RESULTS"],
        "MESHES": [],
        "YEAR": "2000",
        "LONG_ANSWER": problem.right,
        "final_decision": problem.right,
        "fact": problem.key,
    }


def prompt(row: Row) -> str:
    """The harness's zero-shot prompt."""
    contexts = row["CONTEXTS"]
    assert isinstance(contexts, list)
    text = "\n".join(contexts)
    return f"Abstract: {text}\nQuestion: {row['QUESTION']}\nAnswer:"


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows, the three answers balanced."""
    return {"pubmed_qa_labeled_fold0_source": {name: rows(world, s, n) for name, (s, n) in SIZES.items()}}


def rows(world: World, split: Split, n: int) -> list[Row]:
    """``n`` rows of one split, the three answers equally often (to within one)."""
    pool = sample(world, split, study, 2 * n, "pubmedqa")
    picked = [p for answer in ANSWERS for p in [q for q in pool if q.right == answer][: -(-n // 3)]]
    stream("pubmedqa order", world.seed, split).shuffle(picked)
    return [row(p) for p in picked[:n]]
