"""Watching a choice among label words: equal to reading one example at a time, and refused where nothing is to choose."""
from __future__ import annotations

import pytest
import torch

from methods.examples import Example
from methods.parts import Refused
from suites.glue.choosing import choice
from tests.toys import PAD, toy_examples, toy_llama

WORDS = (1, 2, 5)


def rows(n: int = 11) -> list[Example]:
    """Prompts of the toy examples, each answered by one of three words."""
    found = []
    for i, e in enumerate(toy_examples(n)):
        start = max(1, e.answer_from)
        found.append(Example((*e.input_ids[:start], WORDS[i % 3]), start, fact=str(i // 2)))
    return found


def test_accuracy_and_loss_are_those_of_one_example_at_a_time() -> None:
    model, examples = toy_llama().double().train(), rows()
    right, loss = choice(model, examples, mask=None, pad_id=PAD, batch_size=4)
    assert model.training
    model.eval()
    hits, losses = [], []
    with torch.no_grad():
        for e in examples:
            logits = model(torch.tensor([e.input_ids[:e.answer_from]])).logits[0, -1]
            chosen = logits[list(WORDS)].log_softmax(0)
            gold = WORDS.index(e.input_ids[e.answer_from])
            hits.append(float(int(chosen.argmax()) == gold))
            losses.append(-float(chosen[gold]))
    assert (right.n, loss.n) == (11, 11)
    assert right.value == pytest.approx(sum(hits) / 11)
    assert loss.value == pytest.approx(sum(losses) / 11, rel=1e-9)
    assert loss.stderr > 0


def test_it_is_refused_where_there_is_no_choice() -> None:
    model = toy_llama()
    alike = [e for e in rows() if e.input_ids[-1] == WORDS[0]]
    with pytest.raises(Refused, match="do not differ"):
        choice(model, alike, mask=None, pad_id=PAD, batch_size=4)
    with pytest.raises(Refused, match="more than one token"):
        choice(model, toy_examples(4), mask=None, pad_id=PAD, batch_size=4)
