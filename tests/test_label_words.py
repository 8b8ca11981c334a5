"""LabelWords: the logits of the label words alone, at the answer's place, in causal and masked models."""
from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from methods.examples import Example, collate, digest
from methods.fit import fit
from methods.likelihood import answer_logits
from methods.objective.label_words import LabelWords
from methods.parts import Batch, Refused
from methods.recipe import Recipe
from methods.scope.full import Full
from methods.scope.prefix import Prefix
from methods.streams import Streams
from methods.training import Training
from methods.update.adamw import AdamW
from tests.test_anatomy import CONFIGS, build
from tests.toys import PAD, toy_gpt2, toy_llama

WORDS, MASK = (11, 12, 13), 39
IDS = torch.tensor(WORDS)


def choices(n: int = 12, masked: bool = False, seed: int = 3) -> list[Example]:
    """Prompts of different length and a label word; masked ones go on behind it."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for i in range(n):
        ids = torch.randint(14, 38, (4 + i % 4,), generator=generator).tolist()
        start = 2 if masked else len(ids)
        rows.append(Example((*ids[:start], WORDS[ids[0] % 3], *ids[start:]), start, fact=str(i),
                            answer_to=start + 1 if masked else None))
    return rows


def batch_of(rows: list[Example]) -> Batch:
    return collate(rows, range(len(rows)), PAD)


def slow(model: nn.Module, rows: list[Example], mask: int | None) -> Tensor:
    """Row by row, without padding, the softmax written out."""
    found = []
    for row in rows:
        ids = list(row.input_ids)
        if mask is None:
            logits = model(input_ids=torch.tensor([ids[:row.answer_from]])).logits[0, -1]
        else:
            logits = model(input_ids=torch.tensor([[*ids[:row.answer_from], mask, *ids[row.answer_from + 1:]]])
                           ).logits[0, row.answer_from]
        chosen = [float(logits[w]) for w in WORDS]
        right = chosen[WORDS.index(ids[row.answer_from])]
        found.append(math.log(sum(math.exp(c) for c in chosen)) - right)
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("masked", [False, True])
def test_it_is_the_cross_entropy_over_the_words_alone(masked):
    model = (build("roberta") if masked else toy_gpt2()).double().eval()
    rows, mask = choices(masked=masked), MASK if masked else None
    with torch.no_grad():
        got = LabelWords(WORDS, mask)(model, batch_of(rows), IDS)
        torch.testing.assert_close(got, slow(model, rows, mask), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [k for k in CONFIGS if k != "roberta"])
def test_the_head_is_applied_where_the_answer_is_and_nowhere_else(kind):
    model, batch = build(kind), batch_of(choices())
    with torch.no_grad():
        whole = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        place = (batch.labels != -100).int().argmax(1) - 1
        torch.testing.assert_close(answer_logits(model, batch), whole[torch.arange(len(batch)), place], rtol=1e-4, atol=1e-5)
        width = []
        hook = model.get_output_embeddings().register_forward_hook(lambda m, i, o: width.append(o.shape[1]))
        answer_logits(model, batch)
        hook.remove()
    assert width == [4]


def test_behind_a_prefix_the_place_is_the_same():
    tokens, rows = (5, 6, 7, 8, 9), choices()
    behind = [Example((*tokens, *r.input_ids), r.answer_from + 5) for r in rows]
    with torch.no_grad():
        expected = LabelWords(WORDS)(toy_gpt2().double().eval(), batch_of(behind), IDS)
        model = Prefix(tokens=tokens).attach(toy_gpt2().double(), Streams(0)).model.eval()
        torch.testing.assert_close(LabelWords(WORDS)(model, batch_of(rows), IDS), expected, rtol=1e-9, atol=1e-9)


def test_every_example_counts_one_and_micro_batches_add_up():
    model, batch, objective = toy_gpt2().double().eval(), batch_of(choices()), LabelWords(WORDS)
    with torch.no_grad():
        whole = objective(model, batch, IDS)
        parts = torch.cat([objective(model, batch.rows(i, i + 5), IDS) for i in range(0, 12, 5)])
    assert objective.mass(batch).tolist() == [1] * 12
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("masked", [False, True])
def test_training_learns_the_words(masked):
    model = build("roberta") if masked else toy_llama()
    mask = MASK if masked else None
    recipe = Recipe(scope=Full(), update=AdamW(lr=1e-2), objective=LabelWords(WORDS, mask))
    losses = [s.loss for s in fit(model, recipe, choices(masked=masked), Training(steps=25, batch_size=12), Streams(0),
                                  pad_id=PAD)]
    assert losses[1] == pytest.approx(math.log(3), abs=0.3)
    assert losses[-1] < 0.2


def test_what_stands_behind_an_answer_takes_no_loss():
    row = Example((5, 6, 7, 8), 1, answer_to=2)
    assert batch_of([row]).labels.tolist() == [[-100, 6, -100, -100]]
    assert row.answer_tokens == 1
    assert digest([row]) != digest([Example((5, 6, 7, 8), 1)])
    with pytest.raises(Refused, match="no answer token"):
        Example((5, 6, 7), 2, answer_to=2)


@pytest.mark.parametrize(("objective", "model", "rows", "why"), [
    (LabelWords(WORDS), build("roberta"), choices(), "model is masked"),
    (LabelWords(WORDS, MASK), toy_llama(), choices(masked=True), "model is causal"),
    (LabelWords(WORDS[:2]), toy_llama(), choices(), "not one of these tokens"),
    (LabelWords(WORDS), toy_llama(), [Example((3, 4, 11, 12), 2)], "not one of these tokens"),
])
def test_what_it_cannot_score_is_refused_before_the_first_step(objective, model, rows, why):
    with pytest.raises(Refused, match=why) as refusal:
        objective.prepare(model, iter([batch_of(rows)]))
    assert "because" in str(refusal.value)
    assert "use" in str(refusal.value)


@pytest.mark.parametrize("ids", [(4,), (4, 4)])
def test_a_choice_needs_two_words(ids):
    with pytest.raises(Refused, match="two different"):
        LabelWords(ids)


def test_words_that_are_not_named_are_the_answers_of_the_data():
    """The same loss as with the words named; a set with one answer cannot be chosen from."""
    rows, model = choices(), toy_gpt2().double().eval()
    found = LabelWords().prepare(model, iter([batch_of(rows[:5]), batch_of(rows[5:])]))
    assert found.tolist() == sorted({r.input_ids[r.answer_from] for r in rows})
    batch = batch_of(rows)
    torch.testing.assert_close(LabelWords()(model, batch, found), LabelWords(tuple(found.tolist()))(model, batch, found))
    alike = [r for r in rows if r.input_ids[r.answer_from] == WORDS[0]]
    with pytest.raises(Refused, match="all have one answer"):
        LabelWords().prepare(model, iter([batch_of(alike)]))
