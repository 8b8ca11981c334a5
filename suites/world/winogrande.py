"""allenai/winogrande: who does the blank mean? Each verb sends the good side to its subject or its object.

Three topics (having, winning, knowing), verbs with a direction, endings with a polarity; the split is by (verb, ending
pair), so the test asks combinations that were never seen together, though each verb and each ending was.
"""

import random

from suites.world import lexicon
from suites.world.draw import Split
from suites.world.problem import Problem, sample
from suites.world.world import World

Row = dict[str, object]
# topic: verbs whose object gains, verbs whose subject gains, (ending of the one who gained, of the other); {o} a thing.
TOPICS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]], ...] = (
    (
        ("gave the {o} to", "lent the {o} to", "sold the {o} to", "sent the {o} to", "brought the {o} to",
         "passed the {o} to"),
        ("took the {o} from", "bought the {o} from", "got the {o} from", "stole the {o} from",
         "borrowed the {o} from", "won the {o} from"),
        (("has the {o} now.", "has no {o} now."), ("can use the {o}.", "must find a new {o}."),
         ("carries the {o} home.", "goes home without it."), ("will keep the {o}.", "will miss the {o}."),
         ("holds the {o} today.", "held the {o} before."), ("is the new owner.", "is the old owner.")),
    ),
    (
        ("lost to", "fell behind", "gave in to", "fled from", "was slower than", "was beaten by"),
        ("beat", "ran past", "won against", "chased away", "was faster than", "did better than"),
        (("is proud.", "is sad."), ("gets the prize.", "gets nothing."), ("smiles.", "cries."),
         ("came first.", "came last."), ("feels strong.", "feels weak."), ("will be champion.", "must train more.")),
    ),
    (
        ("learned from", "listened to", "copied", "asked", "studied with", "looked up to"),
        ("taught", "trained", "explained it to", "helped", "answered", "guided"),
        (("knows a lot.", "knows little."), ("is the teacher.", "is the pupil."), ("is wise.", "is young."),
         ("gave the lesson.", "took the lesson."), ("has much to tell.", "has much to learn."),
         ("is thanked.", "says thanks.")),
    ),
)  # fmt: skip
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 1200), "validation": ("test", 400)}


def choice(world: World, split: Split, rng: random.Random) -> Problem:
    """A sentence with a blank; ``wrong`` holds the other name."""
    to_object, to_subject, endings = rng.choice(TOPICS)
    verb = rng.choice(to_object + to_subject)
    pair = rng.choice(endings)
    thing = rng.choice(lexicon.THINGS)
    a, b = rng.sample(lexicon.PEOPLE[: world.people], 2)
    gains, other = (b, a) if verb in to_object else (a, b)
    good = rng.random() < 0.5
    ending = pair[0 if good else 1].format(o=thing)
    right, wrong = (gains, other) if good else (other, gains)
    sentence = f"{a} {verb.format(o=thing)} {b}, so _ {ending}"
    return Problem(f"who/{verb}/{pair[0]}", sentence, right, (wrong,), passage=f"{a} {b}")


def gainer(problem: Problem) -> str:
    """The name of the one whom the verb of a problem of ``choice`` leaves with the good side."""
    verb, (first, second) = problem.key.split("/")[1], problem.passage.split()
    return second if any(verb in to_object for to_object, _, _ in TOPICS) else first


def row(problem: Problem) -> Row:
    """A row of the real data: options in the order of the sentence, so either may be right."""
    names = problem.passage.split()
    return {
        "sentence": problem.question,
        "option1": names[0],
        "option2": names[1],
        "answer": str(names.index(problem.right) + 1),
        "fact": problem.key,
    }


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows."""
    made = {name: [row(p) for p in sample(world, s, choice, n, "winogrande")] for name, (s, n) in SIZES.items()}
    return {"winogrande_xl": made}
