"""What is true in the world: people and towns, how a fact is stated in prose, and how it is asked."""

import random
from dataclasses import dataclass
from functools import lru_cache

from suites.world import lexicon
from suites.world.draw import Split, split_of, stream
from suites.world.world import World


@dataclass(frozen=True)
class Relation:
    """A kind of fact; ``{n}`` stands for who or what it is about, ``{v}`` for the value."""

    name: str
    of: str
    subject: str
    values: tuple[str, ...]
    statements: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """One true statement: the value of a relation for one person or town."""

    relation: Relation
    name: str
    value: str

    @property
    def id(self) -> str:
        """The id that items asking this fact carry, e.g. ``job/Ada``."""
        return f"{self.relation.name}/{self.name}"


def _relation(name: str, of: str, subject: str, values: list[str], statements: str, questions: str) -> Relation:
    return Relation(name, of, subject, tuple(values), tuple(statements.split("|")), tuple(questions.split("|")))


@lru_cache(maxsize=8)
def relations(world: World) -> tuple[Relation, ...]:
    """Every kind of fact, with its MMLU subject."""
    people, towns = lexicon.PEOPLE[: world.people], lexicon.TOWNS[: world.towns]
    return (
        _relation("job", "person", "sociology", lexicon.JOBS,
                  "{n} works as a {v}.|{n} is a {v} by trade.|People know {n} as a {v}.",
                  "What is the job of {n}?|What does {n} work as?"),
        _relation("food", "person", "nutrition", lexicon.FOODS,
                  "{n} likes to eat {v}.|The favourite food of {n} is {v}.|{n} eats {v} every day.",
                  "What does {n} like to eat?|What is the favourite food of {n}?"),
        _relation("tool", "person", "miscellaneous", lexicon.INSTRUMENTS,
                  "{n} plays the {v}.|In the evening {n} plays the {v}.|{n} learned to play the {v}.",
                  "What does {n} play?|Which instrument does {n} play?"),
        _relation("pet", "person", "high_school_biology", lexicon.PETS,
                  "{n} keeps a {v}.|The pet of {n} is a {v}.|{n} has a {v} at home.",
                  "Which animal does {n} keep?|What is the pet of {n}?"),
        _relation("home", "person", "high_school_geography", towns,
                  "{n} lives in {v}.|The home of {n} is in {v}.|{n} has a house in {v}.",
                  "Where does {n} live?|In which town is the home of {n}?"),
        _relation("river", "town", "high_school_geography", lexicon.RIVERS,
                  "{n} lies on the river {v}.|The river {v} flows through {n}.|In {n} boats go on the river {v}.",
                  "Which river flows through {n}?|On which river does {n} lie?"),
        _relation("goods", "town", "high_school_geography", lexicon.GOODS,
                  "{n} makes {v}.|The {v} of {n} is sold far away.|People in {n} trade in {v}.",
                  "What is made in {n}?|What do people in {n} trade in?"),
        _relation("sight", "town", "high_school_world_history", lexicon.SIGHTS,
                  "{n} has an old {v}.|Visitors of {n} see the old {v}.|The old {v} stands in {n}.",
                  "What do visitors see in {n}?|Which old building stands in {n}?"),
        _relation("founder", "town", "high_school_world_history", people,
                  "{n} was founded by {v}.|Long ago {v} founded {n}.|The founder of {n} was {v}.",
                  "Who founded {n}?|Who was the founder of {n}?"),
    )  # fmt: skip


@lru_cache(maxsize=8)
def facts(world: World) -> tuple[Fact, ...]:
    """Every fact of the world, in a fixed order."""
    rng = stream("facts", world.seed)
    names = {"person": lexicon.PEOPLE[: world.people], "town": lexicon.TOWNS[: world.towns]}
    return tuple(Fact(r, name, rng.choice(r.values)) for r in relations(world) for name in names[r.of])


@lru_cache(maxsize=32)
def facts_of(world: World, split: Split) -> tuple[Fact, ...]:
    """The facts that only this split may ask; prose states them all."""
    return tuple(f for f in facts(world) if split_of(world.seed, f.id) == split)


@lru_cache(maxsize=8)
def by_name(world: World) -> dict[str, tuple[Fact, ...]]:
    """All facts about each person and town."""
    names = dict.fromkeys(f.name for f in facts(world))
    return {n: tuple(f for f in facts(world) if f.name == n) for n in names}


def state(fact: Fact, rng: random.Random) -> str:
    """The fact in prose, in one of its wordings."""
    return rng.choice(fact.relation.statements).format(n=fact.name, v=fact.value)


def ask(fact: Fact, rng: random.Random) -> str:
    """A question whose answer is the fact's value."""
    return rng.choice(fact.relation.questions).format(n=fact.name)


def biography(world: World, name: str, rng: random.Random, most: int = 4) -> str:
    """A paragraph stating a few facts about one person or town, in random order."""
    known = by_name(world)[name]
    chosen = rng.sample(known, rng.randint(2, min(most, len(known))))
    return " ".join(state(f, rng) for f in chosen)
