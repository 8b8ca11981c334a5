"""Tasks that the base model never saw: what instruction tuning has to teach (question: instruction, passage: input)."""

import random

from suites.world import lexicon
from suites.world.draw import Split
from suites.world.facts import facts_of
from suites.world.problem import Maker, Problem
from suites.world.world import World

WORDS = sorted({*lexicon.FOODS, *lexicon.PETS, *lexicon.THINGS, *lexicon.GOODS, *lexicon.SIGHTS, *lexicon.INSTRUMENTS})
KINDS = {"foods": lexicon.FOODS, "animals": lexicon.PETS, "instruments": lexicon.INSTRUMENTS, "places": lexicon.SIGHTS}
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def _few(rng: random.Random, low: int = 3, high: int = 5) -> list[str]:
    return rng.sample(WORDS, rng.randint(low, high))


def _task(name: str, instruction: str, given: str, output: str) -> Problem:
    return Problem(f"{name}/{instruction}/{given}", instruction, output, passage=given)


def _joined(words: list[str]) -> str:
    return ", ".join(words)


def turn_around(world: World, split: Split, rng: random.Random) -> Problem:
    """Reverse a list."""
    words = _few(rng)
    return _task("turn_around", "Write the list backwards.", _joined(words), _joined(words[::-1]))


def in_order(world: World, split: Split, rng: random.Random) -> Problem:
    """Sort by alphabet."""
    words = _few(rng, 3, 4)
    return _task("in_order", "Sort the words by the alphabet.", _joined(words), _joined(sorted(words)))


def last_word(world: World, split: Split, rng: random.Random) -> Problem:
    """Pick the last."""
    words = _few(rng)
    return _task("last_word", "Give the last word of the list.", _joined(words), words[-1])


def count_words(world: World, split: Split, rng: random.Random) -> Problem:
    """How many?"""
    words = _few(rng, 2, 7)
    return _task("count_words", "How many words are in the list?", _joined(words), str(len(words)))


def leave_out(world: World, split: Split, rng: random.Random) -> Problem:
    """Remove one word."""
    words = _few(rng)
    gone = rng.choice(words)
    return _task("leave_out", f"Remove {gone} from the list.", _joined(words), _joined([w for w in words if w != gone]))


def replace(world: World, split: Split, rng: random.Random) -> Problem:
    """Swap one word for another."""
    words = _few(rng)
    old, new = rng.choice(words), rng.choice([w for w in WORDS if w not in words])
    return _task("replace", f"Replace {old} by {new}.", _joined(words), _joined([new if w == old else w for w in words]))


def twice(world: World, split: Split, rng: random.Random) -> Problem:
    """Say every word twice."""
    words = _few(rng, 2, 4)
    return _task("twice", "Write every word twice.", _joined(words), _joined([f"{w} {w}" for w in words]))


def only_kind(world: World, split: Split, rng: random.Random) -> Problem:
    """Keep what belongs to a kind."""
    kind, members = rng.choice(list(KINDS.items()))
    rest = [w for w in WORDS if w not in members]
    words = [*rng.sample(members, rng.randint(1, 2)), *rng.sample(rest, 3)]
    rng.shuffle(words)
    return _task("only_kind", f"Keep only the {kind}.", _joined(words), _joined([w for w in words if w in members]))


def spelled(world: World, split: Split, rng: random.Random) -> Problem:
    """Digits as words."""
    digits = [rng.randrange(10) for _ in range(rng.randint(3, 5))]
    return _task("spelled", "Write the digits as words.", " ".join(map(str, digits)), " ".join(NUMBERS[d] for d in digits))


def profile(world: World, split: Split, rng: random.Random) -> Problem:
    """Say in one sentence what the world knows: only facts of the split."""
    fact = rng.choice(facts_of(world, split))
    sentence = fact.relation.statements[0].format(n=fact.name, v=fact.value)
    return Problem(fact.id, f"Write one sentence about the {fact.relation.name} of {fact.name}.", sentence)


TASKS: dict[str, Maker] = {
    "turn_around": turn_around,
    "in_order": in_order,
    "last_word": last_word,
    "count_words": count_words,
    "leave_out": leave_out,
    "replace": replace,
    "twice": twice,
    "only_kind": only_kind,
    "spelled": spelled,
    "profile": profile,
}
