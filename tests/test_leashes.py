"""The regularisers of LoRA ensembles: a leash to the base model's answers, and decay of one factor of the adapters."""
from __future__ import annotations

import math

import pytest
import torch

from methods import anatomy
from methods.examples import Example, collate
from methods.fit import Training, fit
from methods.likelihood import answer_logits
from methods.objective.choice_kl import ChoiceKl
from methods.objective.label_words import LabelWords
from methods.parts import Refused
from methods.recipe import Recipe
from methods.refusals import check
from methods.scope.full import Full
from methods.scope.lora import Adapter, Lora
from methods.streams import Streams
from methods.update.adamw import AdamW
from methods.update.adamw_on_factor import AdamWOnFactor
from tests.toys import PAD, toy_llama

WORDS = (5, 6, 7)


def questions(n=12):
    return [Example((*range(8 + i % 3, 12 + i % 5), WORDS[i % 3]), (4 + i % 5) - i % 3) for i in range(n)]


def trained(recipe, steps=6, seed=0):
    model = toy_llama()
    losses = [now.loss for now in fit(model, recipe, questions(), Training(steps=steps, batch_size=4), Streams(seed), pad_id=PAD)]
    return model, losses


def test_a_leash_of_nothing_is_the_plain_objective_to_the_last_bit():
    plain, leashed = (trained(Recipe(Lora(r=2), AdamW(lr=1e-2), objective=o)) for o in (LabelWords(), ChoiceKl(beta=0.0)))
    assert plain[1][1:] == leashed[1][1:]
    for a, b in zip(plain[0].parameters(), leashed[0].parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_divergence_is_that_of_its_formula(reverse):
    model, data = toy_llama().double(), questions()
    objective = ChoiceKl(beta=0.7, reverse=reverse)
    batches = [collate(data, range(i, min(i + 5, 12)), PAD) for i in (5, 10, 0)]  # in any order
    kept = objective.prepare(model, iter(batches))
    base = kept.base.clone()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)) * 0.05)
    model.requires_grad_(False)
    batch = collate(data, range(12), PAD)
    found = objective(model, batch, kept)
    for i, example in enumerate(data):
        one = collate(data, [i], PAD)
        logits = model(input_ids=one.input_ids, attention_mask=one.attention_mask).logits[0, example.answer_from - 1, list(WORDS)]
        ours, theirs = logits.log_softmax(0), base[i]
        p, q = (theirs, ours) if reverse else (ours, theirs)
        expected = -ours[i % 3] + 0.7 * (p.exp() * (p - q)).sum()
        assert float(found[i]) == pytest.approx(float(expected), abs=1e-6)


def test_a_strong_leash_keeps_the_base_models_answers():
    moved = [trained(Recipe(Lora(r=2), AdamW(lr=1e-2), objective=ChoiceKl(beta=b)), steps=20)[0] for b in (0.0, 100.0)]
    batch = collate(questions(), range(12), PAD)

    def answers(model):
        with torch.no_grad():
            return answer_logits(model.eval(), batch)[:, list(WORDS)].softmax(-1)

    base = answers(toy_llama())
    far = [float((answers(model) - base).abs().mean()) for model in moved]
    assert far[1] < 0.3 * far[0]
    with pytest.raises(Refused, match="push the model away"):
        ChoiceKl(beta=-1.0)


def factors(model):
    return {w.name: (anatomy.adapter_factor(w), w.tensor.detach().clone()) for w in anatomy.read(model).weights}


def test_decay_on_one_factor_leaves_the_other_alone():
    """One step: what decays shrinks by lr decay of what it was before, all else is AdamW's."""
    plain, on_b = trained(Recipe(Lora(r=2), AdamW(lr=1e-2)), steps=1)[0], None
    for factor in ("A", "B"):
        on_b = trained(Recipe(Lora(r=2), AdamWOnFactor(lr=1e-2, decay=10.0, factor=factor)), steps=1)[0]
        for (name, (kind, a)), (_, (_, b)) in zip(factors(plain).items(), factors(on_b).items(), strict=True):
            if kind == factor == "A":
                assert not torch.equal(a, b), name
            else:  # B starts at zero: its first step has nothing to shrink
                torch.testing.assert_close(a, b, rtol=0, atol=1e-7)


def test_decay_on_b_leads_back_to_the_base_model():
    sizes = {}
    for decay in (0.0, 90.0):
        model = trained(Recipe(Lora(r=2), AdamWOnFactor(lr=1e-2, decay=decay)), steps=20)[0]
        sizes[decay] = sum(float(t.norm()) for kind, t in factors(model).values() if kind == "B")
    assert sizes[90.0] < 0.3 * sizes[0.0]
    same = trained(Recipe(Lora(r=2), AdamWOnFactor(lr=1e-2, decay=0.0)))[0], trained(Recipe(Lora(r=2), AdamW(lr=1e-2)))[0]
    for a, b in zip(*(m.parameters() for m in same), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)


def test_decay_needs_a_product_and_a_share_below_one():
    with pytest.raises(Refused, match="less than 100"):
        AdamWOnFactor(lr=1e-2, decay=100.0)
    with pytest.raises(Refused, match=r"cannot use AdamWOnFactor.* with Full\(\); because .*; use Lora"):
        check(Recipe(Full(), AdamWOnFactor(lr=1e-2, decay=1.0)))
    check(Recipe(Adapter('{"peft_type": "LORA", "r": 2, "target_modules": ["lm_head"]}'), AdamWOnFactor(lr=1e-2, decay=1.0)))
    embedded = Lora(r=2, embeddings=True).attach(toy_llama(), Streams(0)).weights
    zero = [w for w in embedded if anatomy.adapter_factor(w) == "B"]
    assert all(math.isclose(float(w.tensor.detach().abs().max()), 0.0) for w in zero)
    assert any("embed" in w.name for w in zero)
