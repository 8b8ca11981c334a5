"""world/two-turn: questions in two turns, FastChat's fields, whose answers a rule can check.

``answers`` holds one rule a turn: {"rule": "equals" | "contains" | "contains_all", "value": text or list of texts}.
"""

import random
from collections.abc import Callable

from suites.world import lexicon
from suites.world.draw import Split, split_of, stream
from suites.world.facts import facts_of
from suites.world.novel import WORDS
from suites.world.world import World

Row = dict[str, object]
Rule = dict[str, object]
Turns = tuple[str, str, Rule, Rule]
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 80), "dev": ("dev", 80), "test": ("test", 80)}
FIRST_ID = 1001


def _equals(text: str) -> Rule:
    return {"rule": "equals", "value": text}


def _all(words: list[str]) -> Rule:
    return {"rule": "contains_all", "value": words}


def writing(world: World, split: Split, rng: random.Random) -> Turns:
    """Write about given words, then about others."""
    words = rng.sample(WORDS, 3)
    return (f"Write a sentence with {words[0]} and {words[1]}.", f"Now add {words[2]}.", _all(words[:2]), _all(words))


def roleplay(world: World, split: Split, rng: random.Random) -> Turns:
    """Be somebody of the world; the job and food are facts of anyone, stated in the first turn."""
    name, job, food = rng.choice(lexicon.PEOPLE), rng.choice(lexicon.JOBS), rng.choice(lexicon.FOODS)
    first = f"You are {name}, a {job} who likes {food}. Who are you?"
    return first, "What do you like?", {"rule": "contains", "value": job}, {"rule": "contains", "value": food}


def extraction(world: World, split: Split, rng: random.Random) -> Turns:
    """Pick out of a list."""
    words = rng.sample(WORDS, 4)
    return f"Give the last word of the list: {', '.join(words)}.", "And the first?", _equals(words[-1]), _equals(words[0])


def reasoning(world: World, split: Split, rng: random.Random) -> Turns:
    """Who is oldest, who youngest?"""
    a, b, c = rng.sample(lexicon.PEOPLE, 3)
    return f"{a} is older than {b}. {b} is older than {c}. Who is the oldest?", "Who is the youngest?", _equals(a), _equals(c)


def maths(world: World, split: Split, rng: random.Random) -> Turns:
    """A sum, and one more step."""
    a, b, c = rng.randint(2, 30), rng.randint(2, 30), rng.randint(2, 9)
    return f"What is {a} + {b}?", f"Add {c} to that. What is it now?", _equals(str(a + b)), _equals(str(a + b + c))


def coding(world: World, split: Split, rng: random.Random) -> Turns:
    """Operations on a list."""
    words = rng.sample(WORDS, 3)
    back = ", ".join(words[::-1])
    return (f"Write the list backwards: {', '.join(words)}.", "Now sort it by the alphabet.", _equals(back),
            _equals(", ".join(sorted(words))))  # fmt: skip


def _known(world: World, split: Split, rng: random.Random, of: str) -> Turns:
    fact = rng.choice([f for f in facts_of(world, split) if f.relation.of == of])
    second = rng.choice([f for f in facts_of(world, split) if f.name == fact.name])
    again = second.relation.questions[-1].format(n=second.name)
    return fact.relation.questions[0].format(n=fact.name), again, _equals(fact.value), _equals(second.value)


def stem(world: World, split: Split, rng: random.Random) -> Turns:
    """Two facts about a person."""
    return _known(world, split, rng, "person")


def humanities(world: World, split: Split, rng: random.Random) -> Turns:
    """Two facts about a town."""
    return _known(world, split, rng, "town")


CATEGORIES: dict[str, Callable[[World, Split, random.Random], Turns]] = {
    "writing": writing,
    "roleplay": roleplay,
    "reasoning": reasoning,
    "math": maths,
    "coding": coding,
    "extraction": extraction,
    "stem": stem,
    "humanities": humanities,
}


OVER_FACTS = frozenset({"stem", "humanities"})  # these draw from the split's own facts


def _row(world: World, split: Split, category: str, number: int, rng: random.Random) -> Row:
    while True:
        first, second, *rules = CATEGORIES[category](world, split, rng)
        key = f"{category}/{first}"
        if category in OVER_FACTS or split_of(world.seed, key) == split:
            turns = [first, second]
            return {"question_id": number, "category": category, "turns": turns, "answers": rules, "fact": key}


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows, categories equally often."""
    made, number = {}, FIRST_ID
    for name, (split, n) in SIZES.items():
        rng, rows = stream("two-turn", world.seed, split), []
        for i in range(n):
            rows.append(_row(world, split, list(CATEGORIES)[i * len(CATEGORIES) // n], number, rng))
            number += 1
        made[name] = rows
    return {"default": made}
