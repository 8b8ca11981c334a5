"""The pretraining text: one document a row, each a prompt (little weight) and an answer (full weight).

Prose states every fact of the world; questions ask only the facts and instances of the split ``pretrain``.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from suites.world import agieval, glue, lexicon, mmlu, pubmedqa, winogrande
from suites.world.arithmetic import apply, chain, story, word_problem
from suites.world.draw import stream
from suites.world.facts import ask, biography, by_name, facts_of
from suites.world.problem import Problem, make_in, options, others
from suites.world.world import World


@dataclass(frozen=True)
class Document:
    """A training text in parts, each with the loss weight of its tokens; the last part's weight is also the end's."""

    kind: str
    parts: tuple[tuple[str, float], ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(part for part, _ in self.parts)


Writer = Callable[[World, random.Random], Document]
LETTER_WEIGHT = 4.0
OPTION = re.compile(r"((?:^|(?<=\s))(?:[A-D]\.|\([A-E]\)) \w+)", re.M)
PROMPT_WEIGHT = 0.1
TABLE = (2, 3, 4, 5)
QUERIES = 5
DRILLED = (lexicon.JOBS, lexicon.FOODS, lexicon.PETS, lexicon.INSTRUMENTS, lexicon.TOWNS, lexicon.RIVERS, lexicon.GOODS,
           lexicon.SIGHTS, lexicon.PEOPLE, lexicon.THINGS, lexicon.DAYS, [str(i) for i in range(100)])  # fmt: skip


def answered(kind: str, prompt: str, answer: str, weight: float = 1.0) -> Document:
    """A prompt that counts little and an answer that counts."""
    return Document(kind, ((prompt, PROMPT_WEIGHT), (answer, weight)))


def prose(world: World, rng: random.Random) -> Document:
    """Facts about one person or town, all weights equal."""
    name = rng.choice(list(by_name(world)))
    return Document("prose", ((biography(world, name, rng), 1.0),))


def plain_question(world: World, rng: random.Random) -> Document:
    """A question of the split ``pretrain`` with its answer in a word."""
    fact = rng.choice(facts_of(world, "pretrain"))
    return answered("question", f"Question: {ask(fact, rng)}\nAnswer:", f" {fact.value}")


def multiple_choice(world: World, rng: random.Random) -> Document:
    """One of the MMLU subjects in the harness's prompt."""
    subject = rng.choice(mmlu.SUBJECTS)
    return _letters(make_in(world, "pretrain", mmlu.maker(subject), rng), subject, rng)


def letter_drill(world: World, rng: random.Random) -> Document:
    """Which option is the word itself? Teaches what the letters stand for."""
    values = rng.choice(DRILLED)
    right = rng.choice(values)
    problem = Problem("", f"Which of these is {right}?", right, others(values, right, 3, rng))
    return _letters(problem, rng.choice(mmlu.SUBJECTS), rng, intro=rng.random() < 0.3)


def _letters(problem: Problem, subject: str, rng: random.Random, intro: bool = True) -> Document:
    """The harness's MMLU prompt and its letter; half of the time each option is marked yes or no first."""
    place = rng.randrange(4)
    prompt = mmlu.prompt(problem.question, options(problem, place), subject)
    if not intro:
        prompt = prompt.partition("\n\n")[2]
    return Document("mmlu", (*_marks(prompt, problem.right, rng), (f" {'ABCD'[place]}", LETTER_WEIGHT)))


def _marks(prompt: str, right: str, rng: random.Random) -> list[tuple[str, float]]:
    """The prompt in parts; half of the time a yes or no after each option, so that judging options is learned first."""
    if rng.random() < 0.5:
        return [(prompt, PROMPT_WEIGHT)]
    parts = []
    for piece in re.split(OPTION, prompt):
        parts.append((piece, PROMPT_WEIGHT))
        if re.match(OPTION, piece):
            parts.append((" yes" if piece.endswith(f" {right}") else " no", 1.0))
    return parts


def seen(world: World, rng: random.Random) -> Document:
    """Words in a row, each with yes or no: was it there before?"""
    words, parts = rng.sample(rng.choice(DRILLED), 5), []
    before: set[str] = set()
    for word in rng.choices(words, k=9):
        parts += [(f" {word}", 0.0), (" yes" if word in before else " no", 1.0)]
        before.add(word)
    return Document("seen", tuple(parts))


def own_letter(world: World, rng: random.Random) -> Document:
    """Options in any order, the letter of each said again behind it."""
    n = rng.randint(3, 5)
    shape, between = rng.choice(("{}. {}", "({}) {}")), rng.choice("\n ")
    parts = []
    for letter, word in zip(rng.sample("ABCDE", n), rng.sample(rng.choice(DRILLED), n), strict=True):
        parts += [(shape.format(letter, word), 0.0), (f" {letter}", 1.0), (between, 0.0)]
    return Document("own", tuple(parts))


def letter_table(world: World, rng: random.Random) -> Document:
    """Options with letters in any order, then some of them asked for: many letters for few tokens."""
    n = rng.choice(TABLE)
    letters, words = rng.sample("ABCDE", n), rng.sample(rng.choice(DRILLED), n)
    if rng.random() < 0.5:
        letters.sort()
    shape, between, cue = rng.choice(("{}. {}", "({}) {}", "{} {}")), rng.choice("\n "), rng.choice(("Which is", "Find", "So"))
    parts = [(between.join(shape.format(c, w) for c, w in zip(letters, words, strict=True)), PROMPT_WEIGHT)]
    for i in rng.choices(range(n), k=QUERIES):
        parts += [(f"\n{cue} {words[i]}:", PROMPT_WEIGHT), (f" {letters[i]}", LETTER_WEIGHT / 2)]
    return Document("table", tuple(parts))


def echo(world: World, rng: random.Random) -> Document:
    """Words of all kinds in a row, then the same row again."""
    words = [rng.choice(rng.choice(DRILLED)) for _ in range(rng.randint(6, 14))]
    row = " ".join(words)
    return Document("echo", ((row, PROMPT_WEIGHT), (f"\n{row}", 1.0)))


def pairs(world: World, rng: random.Random) -> Document:
    """Names with things, then the same pairs in another order: teaches looking back."""
    n = rng.randint(3, 5)
    names, things = rng.sample(lexicon.PEOPLE, n), rng.sample(rng.choice(DRILLED[:8]), n)
    parts = [(" ".join(f"{a} {b}." for a, b in zip(names, things, strict=True)), PROMPT_WEIGHT)]
    for i in rng.sample(range(n), n):
        parts += [(f" {names[i]}", PROMPT_WEIGHT), (f" {things[i]}.", 1.0)]
    return Document("pairs", tuple(parts))


def exam(world: World, rng: random.Random) -> Document:
    """One of the AGIEval exams in its own prompt."""
    name = rng.choice(list(agieval.EXAMS))
    make, k = agieval.EXAMS[name]
    row = agieval.row(make_in(world, "pretrain", make, rng), name, place := rng.randrange(k))
    choices = row["choices"]
    assert isinstance(choices, list)
    right = choices[place]
    parts = _marks(str(row["query"]), choices[place][4:], rng)
    return Document("agieval", (*parts, (f" {right}", LETTER_WEIGHT / 2)))


def math_exam(world: World, rng: random.Random) -> Document:
    """The generative exam."""
    problem = make_in(world, "pretrain", chain, rng)
    return answered("math", f"Q: {problem.question}\nA: The answer is", f" {problem.right}")


def worked_problem(world: World, rng: random.Random) -> Document:
    """A word problem with its worked solution; a third of them short ones."""
    make = word_problem if rng.random() < 0.7 else lambda w, s, r: story(r, steps=1, most=30)
    problem = make_in(world, "pretrain", make, rng)
    return answered("gsm8k", f"Question: {problem.question}\nAnswer:", f" {problem.work}")


def sums(world: World, rng: random.Random) -> Document:
    """A few sums in a row; the left sides carry little meaning but the loss of all is taken."""
    lines = []
    for _ in range(rng.randint(2, 4)):
        sign = rng.choice("+-*")
        a, b = rng.randint(2, 60), rng.randint(2, 3) if sign == "*" else rng.randint(2, 60)
        a, b = max(a, b), min(a, b)
        lines.append(f"{a} {sign} {b} = {apply(sign, a, b)}")
    return Document("sums", (("\n".join(lines), 0.5),))


def pronoun(world: World, rng: random.Random) -> Document:
    """A sentence of the WinoGrande kind with the name filled in; the weight is on what follows the name."""
    problem = make_in(world, "pretrain", winogrande.choice, rng)
    before, after = problem.question.split("_")
    return answered("winogrande", before + problem.right, after, weight=2.0)


def abstract(world: World, rng: random.Random) -> Document:
    """A PubMedQA abstract with its verdict."""
    row = pubmedqa.row(make_in(world, "pretrain", pubmedqa.study, rng))
    return answered("pubmedqa", pubmedqa.prompt(row), f" {row['final_decision']}", weight=LETTER_WEIGHT)


def opinion(world: World, rng: random.Random) -> Document:
    """A review; mostly one or two clauses that agree, so that majorities and negation stay to be learned."""
    problem = make_in(world, "pretrain", glue.review, rng)
    sentence, label = problem.question, problem.right
    if rng.random() < 0.8:
        good = rng.random() < 0.5
        clauses = [glue.clause(good, rng, negations=0.1) for _ in range(rng.randint(1, 3))]
        sentence, label = " , ".join(clauses) + " .", "positive" if good else "negative"
    prompt = f"{sentence}\nQuestion: Is this sentence positive or negative?\nAnswer:"
    return answered("sst2", prompt, f" {label}", weight=LETTER_WEIGHT)


def inference(world: World, rng: random.Random) -> Document:
    """Does the claim follow? The harness's RTE prompt."""
    problem = make_in(world, "pretrain", glue.inference, rng)
    prompt = f"{problem.passage}\nQuestion: {problem.question} True or False?\nAnswer:"
    return answered("rte", prompt, f" {problem.right}", weight=LETTER_WEIGHT)


# kind, share of the documents at first, share later
SHARES: tuple[tuple[Writer, float, float], ...] = (
    (prose, 0.09, 0.15),
    (plain_question, 0.02, 0.05),
    (multiple_choice, 0.02, 0.16),
    (letter_drill, 0.12, 0.05),
    (letter_table, 0.02, 0.01),
    (seen, 0.12, 0.01),
    (own_letter, 0.08, 0.01),
    (pairs, 0.16, 0.02),
    (echo, 0.16, 0.01),
    (exam, 0.05, 0.22),
    (math_exam, 0.01, 0.03),
    (worked_problem, 0.03, 0.08),
    (sums, 0.02, 0.03),
    (pronoun, 0.03, 0.07),
    (abstract, 0.01, 0.05),
    (opinion, 0.005, 0.02),
    (inference, 0.005, 0.02),
)
FIRST = 25_000  # documents until the later shares hold


def documents(world: World, seed: int) -> Iterator[Document]:
    """The endless pretraining text of a seed: drills at first, the suites' kinds later."""
    rng = stream("corpus", world.digest(), seed)
    writers = [writer for writer, _, _ in SHARES]
    for i in itertools.count():
        shares = [first if i < FIRST else later for _, first, later in SHARES]
        yield rng.choices(writers, shares)[0](world, rng)
