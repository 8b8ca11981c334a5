"""The tiny world: splits share nothing, same digest same bytes, knobs work, every key is recomputed from the text."""

import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from methods.parts import Refused
from suites.world import BASE, MMLU_SUBJECTS, World, write
from suites.world.corpus import documents
from suites.world.facts import facts, facts_of
from suites.world.files import generator

WORLD = World()
CLEAN_TRAIN = ("train", "auxiliary_train")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(WORLD, tmp_path_factory.mktemp("worlds"))


def rows(root: Path, hub_id: str, config: str, split: str) -> list[dict[str, Any]]:
    lines = (root / hub_id / config / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines
    return [json.loads(line) for line in lines]


def files(root: Path) -> Iterator[Path]:
    return (p for p in sorted(root.rglob("*")) if p.is_file())


def test_same_world_same_bytes(root: Path, tmp_path: Path) -> None:
    again = write(World(), tmp_path)
    assert again.name == root.name == f"{WORLD.digest()}-{generator()}"
    assert {p.relative_to(root): p.read_bytes() for p in files(root)} == {
        p.relative_to(again): p.read_bytes() for p in files(again)
    }


def test_every_field_changes_the_digest() -> None:
    worlds = [WORLD, World(seed=1), World(people=60), World(towns=16), World(difficulty=3), World(label_noise=0.1)]
    assert len({w.digest() for w in worlds}) == len(worlds)


@pytest.mark.parametrize("field", [{"people": 10_000}, {"towns": 2}, {"difficulty": 0}, {"label_noise": 0.9}])
def test_a_world_that_cannot_be_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=next(iter(field))):
        replace(WORLD, **field)


def held_out_by_split(root: Path) -> dict[str, set[str]]:
    """Every fact id that any file holds, by which of train / dev / test may ask it."""
    role = {"train": "train", "auxiliary_train": "train", "dev": "dev", "validation": "dev", "test": "test"}
    held: dict[str, set[str]] = {"train": set(), "dev": set(), "test": set()}
    for path in root.rglob("*.jsonl"):
        owner = role[path.stem]
        if "mmlu" in path.parts and path.stem == "dev":
            owner = "train"  # the few-shot examples
        if path.stem == "validation" and {"winogrande", "glue"} & set(path.parts):
            owner = "test"  # what the stock tasks score
        held[owner] |= {json.loads(line)["fact"] for line in path.read_text(encoding="utf-8").splitlines()}
    return held


def test_splits_share_no_fact_and_no_instance(root: Path) -> None:
    held = held_out_by_split(root)
    assert all(len(ids) > 1000 for ids in held.values())
    for a, b in itertools.combinations(held.values(), 2):
        assert not a & b


def test_pretraining_states_every_fact_and_asks_none_of_the_others() -> None:
    texts = [d.text for d in itertools.islice(documents(WORLD, 0), 30_000)]
    prose = "\n".join(t for t in texts if "?" not in t)
    asked = "\n".join(texts)
    for fact in facts(WORLD):
        assert any(s.format(n=fact.name, v=fact.value) in prose for s in fact.relation.statements), fact.id
    for split in ("train", "dev", "test"):
        for fact in facts_of(WORLD, split):
            assert not any(q.format(n=fact.name) in asked for q in fact.relation.questions), fact.id


def test_pretraining_holds_no_test_question(root: Path) -> None:
    texts = "\n".join(d.text for d in itertools.islice(documents(WORLD, 0), 30_000))
    for row in rows(root, "openai/gsm8k", "main", "test"):
        assert row["question"] not in texts
    for row in rows(root, "bigbio/pubmed_qa", "pubmed_qa_labeled_fold0_source", "test"):
        assert f"{row['CONTEXTS'][1]}\nQuestion: {row['QUESTION']}" not in texts


def truth() -> dict[str, str]:
    return {q.format(n=f.name): f.value for f in facts(WORLD) for q in f.relation.questions}


def sum_of(text: str) -> int:
    """The value of ``a + b * c`` written out; only digits and + - *."""
    tokens = re.findall(r"\d+|[-+*]", text)
    total, sign, product = 0, 1, int(tokens[0])
    for operator, number in zip(tokens[1::2], tokens[2::2], strict=True):
        if operator == "*":
            product *= int(number)
        else:
            total, sign, product = total + sign * product, 1 if operator == "+" else -1, int(number)
    return total + sign * product


def first_and_last(premises: str) -> tuple[str, str]:
    """Who stands first and last in a chain of ``X is older than Y.``"""
    pairs = re.findall(r"(\w+) is \w+er than (\w+)\.", premises)
    above, below = {a for a, _ in pairs}, {b for _, b in pairs}
    return (above - below).pop(), (below - above).pop()


def order_answer(text: str) -> str:
    first, last = first_and_last(text)
    return first if re.search(r"the (oldest|tallest|fastest)\?", text) else last


@pytest.mark.parametrize("subject", MMLU_SUBJECTS)
@pytest.mark.parametrize("split", ["dev", "validation", "test"])
def test_mmlu_keys(root: Path, subject: str, split: str) -> None:
    known = truth()
    for row in rows(root, "cais/mmlu", subject, split):
        question = row["question"]
        if subject == "elementary_mathematics":
            right = str(sum_of(question))
        elif subject == "formal_logic":
            right = order_answer(question)
        else:
            right = known[question]
        assert row["choices"].count(right) == 1
        assert row["choices"][row["answer"]] == right
        assert len(set(row["choices"])) == 4


def follow(question: str) -> int:
    """Carry out the story step by step."""
    count = 0
    for sentence in question.split(". ")[:-1]:
        k = int(re.findall(r"\d+", sentence)[0])
        if re.search(r" has \d", sentence):
            count = k
        elif "times as many" in sentence:
            count *= k
        else:
            count += -k if re.search(r"gives away|loses|sells", sentence) else k
    return count


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_gsm8k_solutions(root: Path, split: str) -> None:
    for row in rows(root, "openai/gsm8k", "main", split):
        *lines, last = row["answer"].split("\n")
        for line in lines:
            left, right = line.split(" = ")
            assert sum_of(left) == int(right)
        assert last == f"#### {follow(row['question'])}"


def exam_answer(exam: str, passage: str, question: str) -> str:
    who = re.findall(r"[A-Z]\w+", question)[-1]
    if exam == "aqua-rat":
        return str(follow(question))
    if exam == "logiqa-en":
        return order_answer(passage + question)
    if exam == "lsat-ar":
        days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
        day, where = re.findall(r"speaks on (\w+)\. \w+ speaks on the day (\w+)", passage)[0]
        return days[days.index(day) + (1 if where == "after" else -1)]
    if exam == "lsat-lr":
        rules = dict(re.findall(r"Every (\w+) owns a (\w+)\.", passage))
        return rules[re.findall(rf"{who} is a (\w+)\.", passage)[0]]
    if exam == "lsat-rc":
        return dict(re.findall(r"(\w+) carries a (\w+)\.", passage))[who]
    if exam == "gaokao-english":
        return dict(re.findall(r"(\w+) went to the (\w+)\.", passage))[who]
    if exam == "sat-math":
        sign, a, b = re.findall(r"x ([-+]) (\d+) = (\d+)", question)[0]
        return str(int(b) - int(a) if sign == "+" else int(b) + int(a))
    return truth()[question]


EXAMS = ("aqua-rat", "gaokao-english", "logiqa-en", "lsat-ar", "lsat-lr", "lsat-rc", "sat-en", "sat-en-without-passage",
         "sat-math")  # fmt: skip


@pytest.mark.parametrize("exam", EXAMS)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_agieval_keys(root: Path, exam: str, split: str) -> None:
    for row in rows(root, f"hails/agieval-{exam}", "default", split):
        passage, question, tail = re.fullmatch(r"(.*?)Q: (.*?) Answer Choices: (.*)", row["query"], re.S).groups()  # type: ignore[union-attr]
        right = exam_answer(exam, passage, question)
        texts = [c[4:] for c in row["choices"]]
        assert [texts[g] for g in row["gold"]] == [right]
        assert texts.count(right) == 1
        assert tail.startswith(" ".join(row["choices"]))
        if exam == "sat-en":
            assert right in passage


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_agieval_math_keys(root: Path, split: str) -> None:
    for row in rows(root, "hails/agieval-math", "default", split):
        assert row["answer"] == str(sum_of(row["query"].split("?")[0]))


GAINS_OBJECT = {"gave", "lent", "sold", "sent", "brought", "passed", "lost", "fell", "fled", "learned", "listened",
                "copied", "asked", "studied", "looked"}  # fmt: skip
OBJECT_PHRASES = ("gave in to", "was slower than", "was beaten by")
GOOD_ENDINGS = ("has the .* now", "can use", "carries the", "will keep", "holds the", "is the new owner", "is proud",
                "gets the prize", "smiles", "came first", "feels strong", "will be champion", "knows a lot",
                "is the teacher", "is wise", "gave the lesson", "has much to tell", "is thanked")  # fmt: skip


@pytest.mark.parametrize("split", ["train", "validation"])
def test_winogrande_keys(root: Path, split: str) -> None:
    for row in rows(root, "allenai/winogrande", "winogrande_xl", split):
        story, ending = row["sentence"].split(", so _ ")
        a, b = row["option1"], row["option2"]
        verb = story.removeprefix(f"{a} ").removesuffix(f" {b}")
        object_gains = verb.split()[0] in GAINS_OBJECT or verb in OBJECT_PHRASES
        gains, other = (b, a) if object_gains else (a, b)
        good = any(re.match(e, ending) for e in GOOD_ENDINGS)
        assert row[f"option{row['answer']}"] == (gains if good else other)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_pubmedqa_keys(root: Path, split: str) -> None:
    for row in rows(root, "bigbio/pubmed_qa", "pubmed_qa_labeled_fold0_source", split):
        counts = dict(re.findall(r"people given (\w+), (\d+) got well", row["CONTEXTS"][1]))
        first, second = re.findall(r"Is (\w+) better than (\w+) ", row["QUESTION"])[0]
        lead = int(counts[first]) - int(counts[second])
        assert row["final_decision"] == ("yes" if lead >= 10 else "no" if lead <= -10 else "maybe")


@pytest.mark.parametrize("split", ["train", "dev", "validation"])
def test_sentiment_and_inference_keys(root: Path, split: str) -> None:
    good = {"lovely", "bright", "warm", "clever", "funny", "fresh", "moving", "sharp", "rich", "kind", "bold", "sweet"}
    for row in rows(root, "nyu-mll/glue", "sst2", split):
        clauses = row["sentence"].removesuffix(" .").split(" , ")
        votes = sum((c.split()[-1] in good) != (" not " in c) for c in clauses)
        assert row["label"] == int(2 * votes > len(clauses))
    for row in rows(root, "nyu-mll/glue", "rte", split):
        top, bottom = first_and_last(row["sentence1"])
        middle = ({n for pair in re.findall(r"(\w+) is \w+ than (\w+)", row["sentence1"]) for n in pair} - {top, bottom}).pop()
        rank = [top, middle, bottom]
        x, word, y = re.findall(r"(\w+) is (\w+) than (\w+)", row["sentence2"])[0]
        above = rank.index(x) < rank.index(y)
        assert row["label"] == int(above != (word in ("older", "taller", "faster")))


def letters(row: dict[str, Any]) -> int:
    return row["gold"][0] if "gold" in row else int(row["answer"])


def test_right_answers_are_balanced_over_the_letters(root: Path) -> None:
    sets = [("cais/mmlu", subject, 4) for subject in MMLU_SUBJECTS]
    sets += [(f"hails/agieval-{e}", "default", 4 if e in ("gaokao-english", "logiqa-en", "sat-en", "sat-math") else 5)
             for e in EXAMS if e != "sat-en-without-passage"]  # fmt: skip
    for hub_id, config, k in sets:
        count = Counter(letters(r) for r in rows(root, hub_id, config, "test"))
        assert len(count) == k
        assert max(count.values()) - min(count.values()) <= 1
    verdicts = Counter(r["final_decision"] for r in rows(root, "bigbio/pubmed_qa", "pubmed_qa_labeled_fold0_source", "test"))
    assert max(verdicts.values()) - min(verdicts.values()) <= 1


def test_difficulty_makes_longer_problems_with_larger_numbers(tmp_path: Path, root: Path) -> None:
    def size(folder: Path) -> tuple[float, float]:
        texts = [r["answer"] for r in rows(folder, "openai/gsm8k", "main", "test")]
        numbers = [int(n) for t in texts for n in re.findall(r"\d+", t)]
        return sum(t.count("=") for t in texts) / len(texts), sum(numbers) / len(numbers)

    easy, hard = size(write(World(difficulty=1), tmp_path)), size(write(World(difficulty=3), tmp_path))
    usual = size(root)
    assert easy[0] < usual[0] < hard[0]
    assert easy[1] < usual[1] < hard[1]


NOISED = (
    ("cais/mmlu", "all", "auxiliary_train", "answer"),
    ("allenai/winogrande", "winogrande_xl", "train", "answer"),
    ("bigbio/pubmed_qa", "pubmed_qa_labeled_fold0_source", "train", "final_decision"),
    ("nyu-mll/glue", "sst2", "train", "label"),
    ("nyu-mll/glue", "rte", "train", "label"),
)


def test_label_noise_flips_the_stated_share_of_train_and_nothing_else(root: Path, tmp_path: Path) -> None:
    noisy = write(World(label_noise=0.1), tmp_path)
    for hub_id, config, split, field in NOISED:
        clean, wrong = rows(root, hub_id, config, split), rows(noisy, hub_id, config, split)
        assert sum(a[field] != b[field] for a, b in zip(clean, wrong, strict=True)) == round(0.1 * len(clean))
    changed = {p.relative_to(root) for p in files(root) if p.read_bytes() != (noisy / p.relative_to(root)).read_bytes()}
    assert changed == {Path(h, c, f"{s}.jsonl") for h, c, s, _ in NOISED}


def test_instructions_are_enough_and_their_answers_hold(root: Path) -> None:
    train = rows(root, "world/instructions", "default", "train")
    assert len(train) >= 3000
    assert len({r["source"] for r in train}) >= 10
    for row in (r for split in ("train", "dev", "test") for r in rows(root, "world/instructions", "default", split)):
        words = row["input"].split(", ")
        if row["source"] == "turn_around":
            assert row["output"].split(", ") == words[::-1]
        if row["source"] == "in_order":
            assert row["output"].split(", ") == sorted(words)
        if row["source"] == "count_words":
            assert int(row["output"]) == len(words)
        if row["source"] == "facts":
            assert truth()[row["instruction"].removeprefix("Question: ").removesuffix("\nAnswer:")] == row["output"]


def test_math_sources_are_many_and_unequal_as_mathinstructs(root: Path) -> None:
    train = rows(root, "world/math-instructions", "default", "train")
    count = Counter(r["source"] for r in train)
    assert len(count) == 14
    assert max(count.values()) == 300 * min(count.values())
    large = [n for n in count.values() if n * len(count) >= len(train)]
    assert len(large) == 4
    assert 0.7 < sum(large) / len(train) < 0.85
    assert {source[:4] for source in count} == {"CoT/", "PoT/"}


def test_math_answers_hold_as_steps_and_as_programs(root: Path) -> None:
    """Our own programs, written by the generator, may be run here; what a model writes may not."""
    for row in (r for split in ("train", "dev", "test") for r in rows(root, "world/math-instructions", "default", split)):
        lines = row["output"].split("\n")
        if row["source"].startswith("PoT/"):
            assert row["instruction"].endswith(" Let's write a program.")
            assert lines[-1] == "print(x)"
            answer = 0
            for line in lines[:-1]:
                answer = eval(line.removeprefix("x = "), {}, {"x": answer})
        else:
            assert all(eval(a) == int(b) for a, _, b in (line.partition(" = ") for line in lines[:-1]))
            answer = int(lines[-1].removeprefix("#### "))
        assert answer == expected(row["fact"])


def expected(key: str) -> int:
    """The answer from what the item hangs on alone."""
    kind, _, rest = key.partition("/")
    numbers = [int(n) for n in re.findall(r"\d+", rest)]
    if kind == "count":
        total = numbers[0]
        for sign, n in re.findall(r"([+*-])(\d+)", rest):
            total = {"+": total + int(n), "-": total - int(n), "*": total * int(n)}[sign]
        return total
    if kind == "equation":
        return numbers[1] - numbers[0] if "+" in rest else numbers[1] + numbers[0]
    return {"sum": lambda: eval(rest), "chain": lambda: eval(rest), "larger": lambda: max(numbers), "half": lambda: numbers[0],
            "double": lambda: 2 * numbers[0] + numbers[1], "price": lambda: numbers[0] * numbers[1],
            "series": lambda: numbers[0] + 4 * numbers[1]}[kind]()


def test_two_turn_questions_have_one_rule_a_turn(root: Path) -> None:
    train = rows(root, "world/two-turn", "default", "test")
    assert len({r["category"] for r in train}) == 8
    assert all(len(r["turns"]) == len(r["answers"]) == 2 for r in train)


def test_datasets_reads_the_folders_like_the_hub(root: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    cache = str(tmp_path)
    geography = datasets.load_dataset(str(root / "cais/mmlu"), "high_school_geography", cache_dir=cache)
    assert set(geography) == {"dev", "validation", "test"}
    assert datasets.load_dataset(str(root / "openai/gsm8k"), "main", split="train", cache_dir=cache).num_rows == 1000
    assert "gold" in datasets.load_dataset(str(root / "hails/agieval-lsat-rc"), cache_dir=cache)["test"].column_names


def test_importing_the_world_loads_no_torch() -> None:
    code = "import suites.world, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_base_model_is_small_and_its_tokenizer_loses_nothing() -> None:
    from transformers import AutoTokenizer

    assert sum(p.stat().st_size for p in files(BASE)) < 8_000_000
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    for text in ("Ada has 12 plums.\n#### 307", "naïve café – 你好 \t\n", "</s> and <s> <pad>", "A. harp\nB. drum"):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    assert len(tokenizer("123", add_special_tokens=False)["input_ids"]) == 3
