"""MT-Bench's answers: templates that are named, batches that change nothing, and a judge by rule."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from methods.adapters import Adapters
from methods.parts import Refused
from methods.scope.lora import Lora
from methods.streams import Streams
from repro.__main__ import app
from repro.scales import get
from suites import models
from suites.mt_bench import formats, measure, scores, world
from suites.mt_bench.answering import Drawn, answer
from suites.mt_bench.conversing import Template
from suites.mt_bench.formats import Question

BASE = get("tiny").model("tinyllama").place


@pytest.fixture(scope="module")
def tiny():
    model, tokenizer = models.load(BASE)
    return model, tokenizer, world.questions(get("tiny").source())


def said(found):
    return [a.turns for a in found.answers]


def test_the_batch_changes_no_answer_and_the_seed_does(tiny):
    model, tokenizer, questions = tiny
    some = measure.some(questions, 16)
    one, many = (answer(model, tokenizer, some, model_id="m", batch_size=b, max_new_tokens=10) for b in (1, 16))
    assert said(one) == said(many)
    assert one.template == "tokenizer"
    assert one.new_tokens > 0
    other = answer(model, tokenizer, some, model_id="m", max_new_tokens=10, seed=1)
    warm = [i for i, q in enumerate(some) if q.category in ("writing", "roleplay")]
    assert [said(other)[i] for i in warm] != [said(one)[i] for i in warm]
    cold = [i for i, q in enumerate(some) if q.category in ("math", "coding", "extraction", "reasoning")]
    assert [said(other)[i] for i in cold] == [said(one)[i] for i in cold]


def test_the_second_turn_sees_the_answer_to_the_first(tiny):
    _, tokenizer, _ = tiny
    ids = Template.of(None, tokenizer).prompt(tokenizer, ["Who?", "And now?"], ["Anna"])
    text = tokenizer.decode(ids)
    assert text.index("Who?") < text.index("Anna") < text.index("And now?")
    named = tokenizer.decode(Template.of("fastchat:zero_shot", tokenizer).prompt(tokenizer, ["Who?"], []))
    assert "### Human" in named


def test_templates_are_named_and_never_guessed(tiny):
    _, tokenizer, _ = tiny

    class Bare:
        chat_template = None

    assert Template.of(None, Bare()).name == "fastchat:zero_shot"
    assert Template.of("fastchat:zero_shot", tokenizer).ended("yes ### Human: more") == "yes"
    for name, why in (("tokenizer", "it has none"), ("fastchat:nothing", "there is none"), ("vicuna", "there is none")):
        with pytest.raises(Refused, match=why):
            Template.of(name, Bare())


def test_what_does_not_fit_is_counted(tiny):
    model, tokenizer, _ = tiny
    long = Question(1, "math", ("word " * 600, "And?"))
    found = answer(model, tokenizer, [long], model_id="m", max_new_tokens=2)
    assert found.cut == 2
    assert found.new_tokens <= 4
    short = answer(model, tokenizer, [Question(1, "math", ("What is 1 + 1?",))], model_id="m", max_new_tokens=1)
    assert (short.cut, short.unfinished) == (0, 1)  # one token, and not the end
    with pytest.raises(Refused, match="no question"):
        answer(model, tokenizer, [], model_id="m")


def test_members_answer_together_and_one_of_them_as_itself(tiny):
    _, tokenizer, questions = tiny
    some = measure.some(questions, 8)
    base, _ = models.load(BASE)
    attached = Lora(r=4).attach(base, Streams(0))
    with torch.no_grad():
        for weight in attached.weights:
            weight.tensor.add_(torch.randn(weight.tensor.shape, generator=torch.Generator().manual_seed(1)) * 0.02)
    member = Adapters.of(attached.model)
    alone = answer(attached.model, tokenizer, some, model_id="m", max_new_tokens=6)
    plain, _ = models.load(BASE)
    one, twins = (answer(plain, tokenizer, some, model_id="m", max_new_tokens=6, members=[member] * n) for n in (1, 2))
    assert said(one) == said(alone) == said(twins)


def test_a_row_draws_from_its_own_generator():
    scores_ = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    picked = [Drawn([1.0, 0.0], [torch.Generator().manual_seed(5), torch.Generator()])(None, scores_).argmax(1) for _ in range(2)]
    assert torch.equal(*picked)
    assert picked[0][1] == scores_[1].argmax()


def test_rules():
    for rule, answer_, right in (
            ({"rule": "equals", "value": "Anna"}, " anna. ", True), ({"rule": "equals", "value": "4"}, "44", False),
            ({"rule": "contains", "value": "cook"}, "I am a cook", True),
            ({"rule": "contains", "value": "cook"}, "cooking", False),
            ({"rule": "contains_all", "value": ["cat", "dog"]}, "a dog and a cat", True),
            ({"rule": "contains_all", "value": ["cat", "dog"]}, "a cat", False)):
        assert world.holds(rule, answer_) is right
    with pytest.raises(Refused, match="there is none"):
        world.holds({"rule": "magic", "value": ""}, "x")
    with pytest.raises(Refused, match="has 0 rules"):
        world.judge([Question(1, "math", ("a", "b"))], [formats.ModelAnswer(1, "m", ("x", "y"))])


def test_right_answers_get_ten_and_go_the_way_of_all_judgments(tiny, tmp_path: Path):
    _, _, questions = tiny

    def right(rule):
        return rule["value"] if isinstance(rule["value"], str) else " ".join(rule["value"])

    answers = [formats.ModelAnswer(q.question_id, "oracle", tuple(right(r) for r in q.row["answers"])) for q in questions]
    judged = world.judge(questions, answers)
    assert len(judged) == 160
    assert {j.score for j in judged} == {10.0}
    formats.write(tmp_path / "j.jsonl", judged)
    table = scores.scored(formats.read(type(judged[0]), tmp_path / "j.jsonl"), questions)
    assert float(table["score"].mean()) == 10.0


def test_the_suite_scores_by_category_with_questions_as_units(tiny):
    model, tokenizer, _ = tiny
    found = measure.evaluate(model, tokenizer, [("mt_bench", None, 16)], source=get("tiny").source(), batch_size=8)
    assert len(found.samples) == 32
    assert found.samples["fact"].nunique() == 16
    assert set(found.metrics) == {"mt_bench", *(f"mt_bench/{c}" for c in formats.CATEGORIES)}
    assert 1 <= found.metrics["mt_bench"]["score"].value <= 10
    with pytest.raises(Refused, match="need a judge that reads"):
        measure.evaluate(model, tokenizer, [("mt_bench", None, None)], source=None, batch_size=8)


def test_the_command_writes_what_a_judge_reads(tmp_path: Path):
    out = tmp_path / "a.jsonl"
    done = CliRunner().invoke(app, ["eval", "--model", BASE, "--suite", "mt_bench", "--source", "world", "--limit", "3",
                                    "--max-new-tokens", "4", "--answers", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["turns"] == 6
    assert [len(a.turns) for a in formats.read(formats.ModelAnswer, out)] == [2, 2, 2]
    for suite, option, of in (("mmlu", "--answers", "mt_bench, alone"), ("mt_bench", "--samples", "the other suites")):
        with pytest.raises(Refused, match=f"cannot use {option} with --suite {suite}; because it is of {of}"):
            CliRunner().invoke(app, ["eval", "--model", BASE, "--suite", suite, option, str(out)], catch_exceptions=False)
    with pytest.raises(Refused, match="cannot load the data HuggingFaceH4/mt_bench_prompts"):
        CliRunner().invoke(app, ["eval", "--model", BASE, "--suite", "mt_bench"], catch_exceptions=False)
