"""Puzzles that can be answered from the text alone: order, rules, look-up, whereabouts (LogiQA, LSAT, SAT, Gaokao)."""

import random

from suites.world import lexicon
from suites.world.draw import Split
from suites.world.facts import Fact, ask, by_name, facts_of, state
from suites.world.problem import Problem, others
from suites.world.world import World

COMPARED = (("older", "oldest", "youngest"), ("taller", "tallest", "shortest"), ("faster", "fastest", "slowest"))


def order(world: World, split: Split, rng: random.Random) -> Problem:
    """Three comparisons of four people in random order; who is first or last?"""
    a, b, c, d = rng.sample(lexicon.PEOPLE, 4)
    more, most, least = rng.choice(COMPARED)
    lines = [f"{x} is {more} than {y}." for x, y in ((a, b), (b, c), (c, d))]
    rng.shuffle(lines)
    first = rng.random() < 0.5
    right = a if first else d
    wrong = others((a, b, c, d), right, 3, rng)
    question = f"Who is the {most if first else least}?"
    return Problem(f"order/{more}/{a}{b}{c}{d}", question, right, wrong, " ".join(lines))


def week(world: World, split: Split, rng: random.Random) -> Problem:
    """Two people speak on neighbouring days; on which day does the second speak? Five days as options."""
    a, b = rng.sample(lexicon.PEOPLE, 2)
    i, after = rng.randrange(1, 4), rng.random() < 0.5
    right = lexicon.DAYS[i + 1 if after else i - 1]
    where = "after" if after else "before"
    passage = f"{a} speaks on {lexicon.DAYS[i]}. {b} speaks on the day {where} {a}."
    wrong = others(lexicon.DAYS, right, 4, rng)
    return Problem(f"week/{a}{b}{i}{where}", f"On which day does {b} speak?", right, wrong, passage)


def rule(world: World, split: Split, rng: random.Random) -> Problem:
    """Every baker owns a goat; one person's job is given; what does that person own? Five options."""
    jobs, pets, names = rng.sample(lexicon.JOBS, 2), rng.sample(lexicon.PETS, 5), rng.sample(lexicon.PEOPLE, 2)
    rules = [f"Every {job} owns a {pet}." for job, pet in zip(jobs, pets, strict=False)]
    i = rng.randrange(2)
    passage = f"{rules[0]} {rules[1]} {names[i]} is a {jobs[i]}."
    wrong = others(pets, pets[i], 4, rng)
    key = f"rule/{jobs[i]}{pets[i]}{names[i]}"
    return Problem(key, f"What does {names[i]} own?", pets[i], wrong, passage)


def lookup(world: World, split: Split, rng: random.Random) -> Problem:
    """Three people and what they carry today; what does one of them carry? Five options, three of them from the text."""
    names, things = rng.sample(lexicon.PEOPLE, 3), rng.sample(lexicon.THINGS, 5)
    i = rng.randrange(3)
    passage = " ".join(f"{n} carries a {t}." for n, t in zip(names, things, strict=False))
    wrong = others(things, things[i], 4, rng)
    return Problem(f"lookup/{names[i]}{things[i]}", f"What does {names[i]} carry?", things[i], wrong, passage)


def journey(world: World, split: Split, rng: random.Random) -> Problem:
    """Two people walk about; where is one of them at the end? Four options."""
    a, b = rng.sample(lexicon.PEOPLE, 2)
    places = rng.sample(lexicon.SIGHTS, 4)
    walks = [(a, places[0]), (b, places[1]), (rng.choice((a, b)), places[2])]
    end = dict(walks)
    who = rng.choice((a, b))
    passage = " ".join(f"{n} went to the {p}." for n, p in walks)
    wrong = others(places, end[who], 3, rng)
    return Problem(f"journey/{who}{end[who]}{places[2]}", f"Where is {who} now?", end[who], wrong, passage)


def passage_fact(world: World, split: Split, rng: random.Random) -> Problem:
    """A true paragraph about one person or town, and a question about it; SAT English, with and without the passage."""
    fact: Fact = rng.choice(facts_of(world, split))
    rest = [f for f in by_name(world)[fact.name] if f != fact]
    told = [fact, *rng.sample(rest, min(2, len(rest)))]
    rng.shuffle(told)
    passage = " ".join(state(f, rng) for f in told)
    wrong = others(fact.relation.values, fact.value, 3, rng)
    return Problem(fact.id, ask(fact, rng), fact.value, wrong, passage)
