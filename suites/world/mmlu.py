"""cais/mmlu: eight of the real subjects, about the world's facts; the format of the real benchmark."""

import random

from suites.world.arithmetic import sum_of_two
from suites.world.draw import Split, balanced, stream
from suites.world.facts import Fact, ask, facts_of
from suites.world.problem import Maker, Problem, options, others, sample
from suites.world.reading import order
from suites.world.world import World

Row = dict[str, object]
SUBJECTS = (
    "elementary_mathematics",
    "formal_logic",
    "high_school_biology",
    "high_school_geography",
    "high_school_world_history",
    "miscellaneous",
    "nutrition",
    "sociology",
)
SIZES: dict[Split, int] = {"train": 120, "dev": 24, "test": 48}


def fact_problem(subject: str) -> Maker:
    """A maker of questions about the facts of one subject."""

    def make(world: World, split: Split, rng: random.Random) -> Problem:
        fact: Fact = rng.choice([f for f in facts_of(world, split) if f.relation.subject == subject])
        return Problem(fact.id, ask(fact, rng), fact.value, others(fact.relation.values, fact.value, 3, rng))

    return make


def logic(world: World, split: Split, rng: random.Random) -> Problem:
    """An order puzzle with its premises in the question."""
    p = order(world, split, rng)
    return Problem(p.key, f"{p.passage} {p.question}", p.right, p.wrong)


def maker(subject: str) -> Maker:
    """The maker of one subject's questions."""
    return {"elementary_mathematics": sum_of_two, "formal_logic": logic}.get(subject) or fact_problem(subject)


def row(problem: Problem, subject: str, place: int) -> Row:
    """A row of the real benchmark, and the fact it hangs on."""
    return {
        "question": problem.question,
        "subject": subject,
        "choices": options(problem, place),
        "answer": place,
        "fact": problem.key,
    }


def prompt(question: str, choices: list[str], subject: str) -> str:
    """The harness's zero-shot prompt, for training rows in the suite's style."""
    lines = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCD", choices, strict=True))
    about = subject.replace("_", " ")
    intro = f"The following are multiple choice questions (with answers) about {about}.\n\n"
    return f"{intro}{question}\n{lines}\nAnswer:"


def rows(world: World, subject: str, split: Split, n: int) -> list[Row]:
    """``n`` questions of one subject and split, right answers balanced over the letters."""
    problems = sample(world, split, maker(subject), n, f"mmlu/{subject}")
    places = balanced(n, 4, stream("mmlu places", world.seed, subject, split))
    return [row(p, subject, place) for p, place in zip(problems, places, strict=True)]


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows. ``dev`` holds the five few-shot examples (training facts), ``validation`` the dev facts."""
    configs: dict[str, dict[str, list[Row]]] = {}
    train: list[Row] = []
    for subject in SUBJECTS:
        own = rows(world, subject, "train", SIZES["train"])
        train += own[5:]
        dev, test = rows(world, subject, "dev", SIZES["dev"]), rows(world, subject, "test", SIZES["test"])
        configs[subject] = {"dev": own[:5], "validation": dev, "test": test}
    splits = ("dev", "validation", "test")
    configs["all"] = {s: [r for c in SUBJECTS for r in configs[c][s]] for s in splits}
    configs["all"]["auxiliary_train"] = train
    return configs
