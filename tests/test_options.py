"""Lettered questions: how rows of each benchmark become one, splits that share nothing, and what a model says."""
from __future__ import annotations

import dataclasses

import pytest
import torch

from methods.parts import Refused
from methods.scope.lora import Lora
from methods.streams import Streams
from repro import scales
from suites import models
from suites.options.coded import code, log_probabilities, sampled
from suites.options.questions import FORMS, Question
from suites.options.sets import HELD_OUT, SETS, find, questions

MMLU = {"question": " How many? ", "subject": "high_school_biology", "choices": ["1", "2", "3", "4"], "answer": 2}
CQA = {"question": "Where?", "choices": {"label": ["A", "B", "C"], "text": ["x", "y", "z"]}, "answerKey": "B"}


def test_rows_of_each_benchmark():
    q = FORMS["mmlu"](MMLU)
    assert q.prompt.endswith("How many?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:")
    assert "about high school biology." in q.prompt
    assert (q.options, q.gold) == (4, 2)
    assert FORMS["by key"](CQA) == Question("Where?\nA. x\nB. y\nC. z\nAnswer:", 3, 1, "", "Where?\nA. x\nB. y\nC. z\nAnswer:")
    assert FORMS["by key"]({**CQA, "question_stem": "Why?"}).prompt.startswith("Why?")
    siqa = FORMS["social_iqa"]({"context": "C.", "question": "Q?", "answerA": "a", "answerB": "b", "answerC": "c", "label": "3"})
    assert (siqa.prompt, siqa.gold) == ("C. Q?\nA. a\nB. b\nC. c\nAnswer:", 2)
    exam = FORMS["agieval"]({"query": "Q: ... the answer is", "choices": ["(A) 1", "(B) 2"], "gold": [1], "fact": "f"})
    assert (exam.options, exam.gold, exam.fact) == (2, 1, "f")
    with pytest.raises(Refused, match="answers are public"):
        FORMS["by key"]({**CQA, "answerKey": ""})


def adapted(dropout=0.0):
    base, _ = models.load(scales.get("tiny").model("tinyllama").place)
    attached = Lora(r=4, targets="query_value", dropout=dropout).attach(base, Streams(0))
    with torch.no_grad():
        for weight in attached.weights:
            weight.tensor.add_(torch.randn(weight.tensor.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    return attached.model


@pytest.fixture(scope="module")
def tiny():
    scale = scales.get("tiny")
    model, tokenizer = models.load(scale.model("tinyllama").place)
    return model, tokenizer, scale.source()


@pytest.mark.parametrize("name", ["reading", "facts", "five-options"])
def test_splits_share_no_question_and_draws_follow_the_seed(tiny, name):
    _, _, root = tiny
    train, dev, test = (questions(name, root, split) for split in ("train", "dev", "test"))
    assert not {q.prompt for q in train} & {q.prompt for q in test}
    assert not {q.prompt for q in dev} & {q.prompt for q in test}
    assert not {q.prompt for q in dev} & {q.prompt for q in train}
    drawn = [questions(name, root, "train", limit=20, seed=s) for s in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert questions(name, root, "test", limit=9, seed=0) == questions(name, root, "test", limit=9, seed=5)
    assert len(questions(name, root, "test", limit=9)) == 9


def test_a_set_without_dev_rows_holds_some_out(tiny, monkeypatch):
    _, _, root = tiny
    whole = questions("facts", root, "train")
    monkeypatch.setitem(SETS, "bare", dataclasses.replace(find("facts"), name="bare", dev=None))
    train, dev = (questions("bare", root, split) for split in ("train", "dev"))
    assert len(dev) == round(HELD_OUT * len(whole))
    assert sorted(q.prompt for q in (*train, *dev)) == sorted(q.prompt for q in whole)
    with pytest.raises(Refused, match="there are none"):
        find("nothing")


def test_what_a_model_says_does_not_depend_on_the_batch(tiny):
    model, tokenizer, root = tiny
    asked = code(questions("five-options", root, "test", limit=12), tokenizer, 512)
    alone, together = (log_probabilities(model, asked, pad_id=2, batch_size=b) for b in (1, 5))
    torch.testing.assert_close(alone, together, rtol=0, atol=2e-5)
    assert alone.shape == (12, 5)
    assert (alone.exp().sum(1) <= 1 + 1e-6).all()
    first = asked.examples[0]
    logits = model(torch.tensor([first.input_ids[:first.answer_from]])).logits[0, -1]
    torch.testing.assert_close(alone[0], logits.log_softmax(-1)[list(asked.letters)], rtol=0, atol=2e-5)


def test_questions_with_fewer_options_and_long_ones(tiny):
    model, tokenizer, _ = tiny
    rows = [FORMS["mmlu"](MMLU), Question("Which?\nA. 1\nB. 2\nAnswer:", 2, 0, "", "g")]
    asked = code(rows, tokenizer, 512)
    found = log_probabilities(model, asked, pad_id=2, batch_size=2)
    assert torch.isneginf(found[1, 2:]).all()
    assert torch.isfinite(found[0]).all()
    short = code(rows, tokenizer, 12)
    assert short.cut == 2
    assert all(len(e.input_ids) == 12 for e in short.examples)
    shown = code(rows[1:], tokenizer, 512, shown=rows[:1])
    assert len(shown.examples[0].input_ids) > len(asked.examples[1].input_ids)


def test_letters_that_are_no_tokens_and_logits_that_are_no_numbers_are_refused(tiny):
    model, tokenizer, _ = tiny

    class Odd:
        def __call__(self, text):
            return type("E", (), {"input_ids": [ord(c) for c in text]})

    with pytest.raises(Refused, match="not one token of its own"):
        code([FORMS["mmlu"](MMLU)], Odd(), 512)
    broken = adapted()
    with torch.no_grad():
        next(p for n, p in broken.named_parameters() if "lora_B" in n).fill_(torch.nan)
    with pytest.raises(Refused, match="not a number"):
        log_probabilities(broken, code([FORMS["mmlu"](MMLU)], tokenizer, 512), pad_id=2, batch_size=2)
    with pytest.raises(Refused, match="has none"):
        sampled(model, code([FORMS["mmlu"](MMLU)], tokenizer, 512), 3, 0, pad_id=2, batch_size=2)


def test_samples_differ_follow_their_seed_and_leave_the_model_as_it_was(tiny):
    _, tokenizer, root = tiny
    model = adapted(0.5).train()
    asked = code(questions("facts", root, "test", limit=6), tokenizer, 512)
    state = torch.random.get_rng_state()
    one, again, other = (sampled(model, asked, 4, s, pad_id=2, batch_size=8) for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.shape == (4, 6, 4)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert float((one[0] - one[1]).abs().max()) > 1e-4
    assert all(m.training for m in model.modules())
