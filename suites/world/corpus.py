"""The pretraining text: one document a row, each a prompt (little weight) and an answer (full weight).

Prose states every fact of the world; questions ask only the facts and instances of the split ``pretrain``. Prompts are the
suites' own. At some places the loss asks not for the next token but for a judgement on what was just read (is this option
right? has this person gained?), so that the steps of an answer are learned one by one; the text itself never holds them.
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
class Part:
    """A piece of text and the loss weight of its tokens.

    ``judged`` is what the loss asks for behind the piece's last token, with weight 1, in place of the token that follows.
    """

    text: str
    weight: float
    judged: str = ""


@dataclass(frozen=True)
class Document:
    """A training text in parts; the last part's weight is also that of the end of the text."""

    kind: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(part.text for part in self.parts)


Writer = Callable[[World, random.Random], Document]
LETTER_WEIGHT = 4.0
OPTION = re.compile(r"((?:^|(?<=\s))(?:[A-D]\.|\([A-E]\)) \w+)", re.M)
PROMPT_WEIGHT = 0.1
DRILLED = (lexicon.JOBS, lexicon.FOODS, lexicon.PETS, lexicon.INSTRUMENTS, lexicon.TOWNS, lexicon.RIVERS, lexicon.GOODS,
           lexicon.SIGHTS, lexicon.PEOPLE, lexicon.THINGS, lexicon.DAYS, [str(i) for i in range(100)])  # fmt: skip


def answered(kind: str, prompt: str, answer: str, weight: float = 1.0) -> Document:
    """A prompt that counts little and an answer that counts."""
    return Document(kind, (Part(prompt, PROMPT_WEIGHT), Part(answer, weight)))


def prose(world: World, rng: random.Random) -> Document:
    """Facts about one person or town, all weights equal."""
    name = rng.choice(list(by_name(world)))
    return Document("prose", (Part(biography(world, name, rng), 1.0),))


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


def exam_drill(world: World, rng: random.Random) -> Document:
    """The same drill in the prompt of the exams."""
    values, k = rng.choice(DRILLED), rng.choice((4, 5))
    right, place = rng.choice(values), rng.randrange(k)
    problem = Problem("", f"Which of these is {right}?", right, others(values, right, k - 1, rng))
    texts = [f"({letter}) {text}" for letter, text in zip("ABCDE", options(problem, place), strict=False)]
    return _exam(agieval.query(problem, texts, passage=False), problem.question, right, texts[place])


def _letters(problem: Problem, subject: str, rng: random.Random, intro: bool = True) -> Document:
    """The harness's MMLU prompt and its letter."""
    place = rng.randrange(4)
    prompt = mmlu.prompt(problem.question, options(problem, place), subject)
    if not intro:
        prompt = prompt.partition("\n\n")[2]
    return Document("mmlu", (*_judged(prompt, problem.question, problem.right), Part(f" {'ABCD'[place]}", LETTER_WEIGHT)))


def _exam(prompt: str, question: str, right: str, answer: str) -> Document:
    """An exam's prompt and its answer, which repeats letter and text of the option."""
    return Document("agieval", (*_judged(prompt, question, right), Part(f" {answer}", LETTER_WEIGHT / 2)))


def _judged(prompt: str, question: str, right: str) -> list[Part]:
    """The prompt in parts; the loss asks behind the question for the answer, behind each option whether it is that."""
    before, options = prompt.split(question)
    parts = [Part(before + question, PROMPT_WEIGHT, right)]
    for piece in re.split(OPTION, options):
        judged = ("yes" if piece.endswith(f" {right}") else "no") if re.match(OPTION, piece) else ""
        parts.append(Part(piece, PROMPT_WEIGHT, judged))
    return parts


def echo(world: World, rng: random.Random) -> Document:
    """Words of all kinds in a row, then the same row again."""
    words = [rng.choice(rng.choice(DRILLED)) for _ in range(rng.randint(6, 14))]
    row = " ".join(words)
    return answered("echo", row, f"\n{row}")


def pairs(world: World, rng: random.Random) -> Document:
    """Names with things, then the same pairs in another order: teaches looking back."""
    n = rng.randint(3, 5)
    names, things = rng.sample(lexicon.PEOPLE, n), rng.sample(rng.choice(DRILLED[:8]), n)
    parts = [Part(" ".join(f"{a} {b}." for a, b in zip(names, things, strict=True)), PROMPT_WEIGHT)]
    for i in rng.sample(range(n), n):
        parts += [Part(f" {names[i]}", PROMPT_WEIGHT), Part(f" {things[i]}.", 1.0)]
    return Document("pairs", tuple(parts))


def exam(world: World, rng: random.Random) -> Document:
    """One of the AGIEval exams in its own prompt."""
    name = rng.choice(list(agieval.EXAMS))
    make, k = agieval.EXAMS[name]
    problem = make_in(world, "pretrain", make, rng)
    row = agieval.row(problem, name, place := rng.randrange(k))
    choices = row["choices"]
    assert isinstance(choices, list)
    return _exam(str(row["query"]), problem.question, problem.right, choices[place])


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
    """A few sums in a row; the weight is on the results."""
    parts = []
    for _ in range(rng.randint(2, 4)):
        sign = rng.choice("+-*")
        a, b = rng.randint(2, 60), rng.randint(2, 3) if sign == "*" else rng.randint(2, 60)
        a, b = max(a, b), min(a, b)
        parts += [Part(f"{a} {sign} {b} =", PROMPT_WEIGHT / 2), Part(f" {apply(sign, a, b)}\n", 1.0)]
    return Document("sums", tuple(parts))


def pronoun(world: World, rng: random.Random) -> Document:
    """A sentence of the WinoGrande kind with the name filled in; the weight is on what follows the name.

    Half of the time the loss asks at the names who has gained, so that the verb's direction is learned before the endings.
    """
    problem = make_in(world, "pretrain", winogrande.choice, rng)
    before, after = problem.question.split("_")
    if rng.random() < 0.5:
        return answered("winogrande", before + problem.right, after, weight=2.0)
    gained, (first, second) = winogrande.gainer(problem), problem.passage.split()
    middle = before.removeprefix(first).removesuffix(f" {second}, so ")
    has = {name: "yes" if name == gained else "no" for name in (first, second)}
    named = rng.choice((first, second))
    parts = (Part(first + middle, PROMPT_WEIGHT), Part(f" {second}", PROMPT_WEIGHT, has[second]), Part(", so", PROMPT_WEIGHT),
             Part(f" {named}", PROMPT_WEIGHT, has[named]))  # fmt: skip
    return Document("winogrande", parts)


def abstract(world: World, rng: random.Random) -> Document:
    """A PubMedQA abstract with its verdict; at each herb in the question the loss asks for the tens of its count."""
    problem = make_in(world, "pretrain", pubmedqa.study, rng)
    row = pubmedqa.row(problem)
    tens = {herb: counted[0] for herb, counted in re.findall(r"given (\w+), (\d+)", problem.passage)}
    text, question = pubmedqa.prompt(row).split("\nQuestion:")
    parts = [Part(f"{text}\nQuestion:", PROMPT_WEIGHT)]
    parts += [Part(p, PROMPT_WEIGHT, tens.get(p.strip(), "")) for p in re.split(rf"( (?:{'|'.join(tens)})\b)", question) if p]
    return Document("pubmedqa", (*parts, Part(f" {row['final_decision']}", LETTER_WEIGHT)))


def opinion(world: World, rng: random.Random) -> Document:
    """A review of one to three clauses that agree and deny nothing: majorities and negation stay to be learned."""
    good = rng.random() < 0.5
    text = " , ".join(glue.clause(good, rng, negations=0.0) for _ in range(rng.randint(1, 3)))
    label = "positive" if good else "negative"
    return answered("sst2", glue.sentiment_prompt(f"{text} ."), f" {label}", weight=LETTER_WEIGHT)


def inference(world: World, rng: random.Random) -> Document:
    """Does the claim follow? Mostly from one premise alone, in its own word, so that chains stay to be learned.

    In these the loss asks at the claim's subject whether it is the one that is more.
    """
    if rng.random() < 0.3:
        problem = make_in(world, "pretrain", glue.inference, rng)
        prompt = glue.inference_prompt(problem.passage, problem.question)
        return answered("rte", prompt, f" {problem.right}", weight=LETTER_WEIGHT)
    a, b = rng.sample(lexicon.PEOPLE, 2)
    more, (x, y) = rng.choice(list(glue.OPPOSITE)), rng.choice(((a, b), (b, a)))
    prompt = glue.inference_prompt(f"{a} is {more} than {b}.", f"{x} is {more} than {y}.")
    before, after = prompt.rsplit(f" {x} is", 1)
    subject = Part(f" {x}", PROMPT_WEIGHT, "yes" if x == a else "no")
    rest = Part(f" is{after}", PROMPT_WEIGHT)
    return Document("rte", (Part(before, PROMPT_WEIGHT), subject, rest, Part(f" {x == a}", LETTER_WEIGHT)))


# kind, share of the documents at first, share later
SHARES: tuple[tuple[Writer, float, float], ...] = (
    (prose, 0.20, 0.20),
    (plain_question, 0.02, 0.05),
    (multiple_choice, 0.05, 0.07),
    (letter_drill, 0.26, 0.06),
    (exam_drill, 0.06, 0.02),
    (pairs, 0.04, 0.02),
    (echo, 0.02, 0.01),
    (exam, 0.08, 0.15),
    (math_exam, 0.02, 0.04),
    (worked_problem, 0.06, 0.07),
    (sums, 0.03, 0.05),
    (pronoun, 0.07, 0.13),
    (abstract, 0.02, 0.03),
    (opinion, 0.02, 0.03),
    (inference, 0.05, 0.07),
)
FIRST = 25_000  # documents until the later shares hold


def documents(world: World, seed: int) -> Iterator[Document]:
    """The endless pretraining text of a seed: drills at first, the suites' kinds later."""
    rng = stream("corpus", world.digest(), seed)
    writers = [writer for writer, _, _ in SHARES]
    for i in itertools.count():
        shares = [first if i < FIRST else later for _, first, later in SHARES]
        yield rng.choices(writers, shares)[0](world, rng)
