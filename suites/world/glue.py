"""nyu-mll/glue: sentiment (sst2) by majority of three clauses with negation, and inference (rte) over comparisons."""

import random
from functools import partial

from suites.world import lexicon
from suites.world.draw import Split
from suites.world.problem import Problem, sample
from suites.world.world import World

Row = dict[str, object]
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 1500), "validation": ("test", 400), "dev": ("dev", 200)}
TURNS = 0.2
"""Share of claims in the opposite word: the base model reads those wrongly, so that they stay to be learned."""
OPPOSITE = {"older": "younger", "taller": "shorter", "faster": "slower"}


def clause(good: bool, rng: random.Random, negations: float = 0.25) -> str:
    """One aspect praised or blamed, at times by denying the opposite."""
    negated = rng.random() < negations
    word = rng.choice(lexicon.GOOD_WORDS if good != negated else lexicon.BAD_WORDS)
    return f"the {rng.choice(lexicon.ASPECTS)} was {'not ' if negated else ''}{word}"


def review(world: World, split: Split, rng: random.Random) -> Problem:
    """Three clauses; the majority decides."""
    signs = [rng.random() < 0.5 for _ in range(3)]
    sentence = " , ".join(clause(s, rng) for s in signs) + " ."
    return Problem(f"review/{sentence}", sentence, "positive" if sum(signs) >= 2 else "negative")


def inference(world: World, split: Split, rng: random.Random, turns: float = 0.5) -> Problem:
    """Two comparisons that chain; the claim follows or its reverse does; a share of claims uses the opposite word."""
    a, b, c = rng.sample(lexicon.PEOPLE, 3)
    more, less = rng.choice(list(OPPOSITE.items()))
    premises = [f"{a} is {more} than {b}.", f"{b} is {more} than {c}."]
    rng.shuffle(premises)
    x, y = rng.choice(((a, b), (b, c), (a, c)))
    true, turned = rng.random() < 0.5, rng.random() < turns
    if turned:
        claim = f"{y} is {less} than {x}." if true else f"{x} is {less} than {y}."
    else:
        claim = f"{x} is {more} than {y}." if true else f"{y} is {more} than {x}."
    return Problem(f"infer/{more}/{a}{b}{c}", claim, "True" if true else "False", passage=" ".join(premises))


def sentiment_prompt(sentence: str) -> str:
    """The harness's SST-2 prompt."""
    return f"{sentence}\nQuestion: Is this sentence positive or negative?\nAnswer:"


def inference_prompt(passage: str, claim: str) -> str:
    """The harness's RTE prompt."""
    return f"{passage}\nQuestion: {claim} True or False?\nAnswer:"


def sst2_rows(world: World, split: Split, n: int) -> list[Row]:
    """Sentence and label (1 positive)."""
    problems = sample(world, split, review, n, "sst2")
    return [
        {"sentence": p.question, "label": int(p.right == "positive"), "idx": i, "fact": p.key} for i, p in enumerate(problems)
    ]


def rte_rows(world: World, split: Split, n: int) -> list[Row]:
    """Two sentences and label (0 entailed)."""
    problems = sample(world, split, partial(inference, turns=TURNS), n, "rte")
    return [
        {"sentence1": p.passage, "sentence2": p.question, "label": int(p.right == "False"), "idx": i, "fact": p.key}
        for i, p in enumerate(problems)
    ]


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows."""
    return {
        "sst2": {name: sst2_rows(world, s, n) for name, (s, n) in SIZES.items()},
        "rte": {name: rte_rows(world, s, n) for name, (s, n) in SIZES.items()},
    }
