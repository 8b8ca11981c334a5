"""Laplace over the last block's adapters: parity with whole matrices in float64, laws, refusals, an untouched model."""
from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import RobertaConfig, RobertaForMaskedLM

from methods.examples import Example, collate
from methods.jacobians import jacobians, last_factors
from methods.laplace import GRID, Laplace, draws, of_gram, of_rows
from methods.parts import Refused
from methods.scope.lora import Lora
from methods.streams import Streams
from tests.reference import laplace as slow
from tests.toys import PAD, VOCABULARY, toy_examples, toy_gpt2, toy_llama, weights_of

IDS = [5, 9, 17]
NEAR = {"rtol": 1e-8, "atol": 1e-10}


def adapted(base=None, blocks=2, wake=0.3, **lora):
    """Adapters as after training: B is not zero. GPT-2 by default, whose float64 is float64 throughout."""
    model = Lora(**{"r": 2, "alpha": 4.0, "targets": "query_value"} | lora).attach(
        (base or toy_gpt2(blocks)).double(), Streams(0)).model.double()
    torch.manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.normal_(0, wake)
            elif "lora_" not in name and p.dim() == 2:
                p.mul_(8)  # so that answers differ from each other
    return model.eval()


def items(n, seed=1):
    """Prompts of different length, the answer one token of the three."""
    return [Example((*e.input_ids, IDS[i % 3]), len(e.input_ids)) for i, e in enumerate(toy_examples(n, seed))]


def llama():
    return adapted(toy_llama(2), targets="linears")


@pytest.mark.parametrize(("make", "near"), [(adapted, NEAR), (llama, {"rtol": 2e-4, "atol": 1e-5})])
def test_jacobians_are_those_of_one_backward_pass_per_logit(make, near):
    model, data = make(), items(7)
    f, j = jacobians(model, last_factors(model), collate(data, range(7), PAD), IDS)
    assert j.shape == (7, 3, sum(p.numel() for p in slow.weights(model)))
    for i, example in enumerate(data):
        torch.testing.assert_close(f[i], slow.logits(model, example, IDS).detach(), **near)
        torch.testing.assert_close(j[i], slow.jacobian(model, example, IDS), **near)


@pytest.mark.parametrize("n", [6, 60])
def test_the_posterior_is_that_of_whole_matrices_whichever_is_smaller(n):
    model, data, new, prior = adapted(r=1), items(n), items(5, seed=8), 0.7
    d = sum(p.numel() for p in slow.weights(model))
    assert (n * 2 < d) == (n == 6)
    fitted = Laplace(prior, samples=40).fit(model, data, IDS, PAD, batch_size=4)
    h = slow.hessian(model, data, IDS, prior)
    torch.testing.assert_close((fitted.v * fitted.s) @ fitted.v.T + prior * torch.eye(d, dtype=torch.float64), h, **NEAR)
    assert fitted.evidence == pytest.approx(slow.evidence(model, data, IDS, prior), rel=1e-9)
    mean, spread = fitted.logits(model, new, batch_size=2)
    found = fitted.probabilities(model, new, 2, Streams(4))
    for i, example in enumerate(new):
        f = slow.logits(model, example, IDS).detach()
        cov = slow.covariance(model, h, example, IDS)
        torch.testing.assert_close(mean[i], f, **NEAR)
        torch.testing.assert_close(spread[i], cov, **NEAR)
        torch.testing.assert_close(found[i], slow.probabilities(f, cov, draws(Streams(4), i, 40, 3)), rtol=1e-6, atol=1e-7)


def test_the_prior_has_the_highest_evidence_and_solves_its_equation():
    model, data = adapted(r=1), items(12)
    fitted = Laplace().fit(model, data, IDS, PAD, 5)
    assert float(GRID[0]) < fitted.prior < float(GRID[-1])
    around = [fitted.prior * 10 ** (i / 20) for i in (-20, -1, 1, 20)]
    assert fitted.evidence == pytest.approx(slow.evidence(model, data, IDS, fitted.prior), rel=1e-9)
    assert all(slow.evidence(model, data, IDS, p) < fitted.evidence for p in around)
    square = sum(float(p.detach().square().sum()) for p in slow.weights(model))

    def excess(prior):
        return prior * square - float((fitted.s / (fitted.s + prior)).sum())
    assert excess(around[1]) < 0 < excess(around[2])


def test_both_forms_agree():
    w = torch.randn(9, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = torch.cat([w, w[:2] * 3])  # some rows say nothing new
    (s, v), (t, u) = of_rows(w), of_gram(w.T @ w)
    assert len(s) == len(t) == 9
    torch.testing.assert_close(s, t)
    torch.testing.assert_close(v @ v.T, u @ u.T)
    torch.testing.assert_close((v * s) @ v.T, w.T @ w)


def test_a_sure_prior_gives_back_the_plain_answers():
    model, data = adapted(), items(8)
    fitted = Laplace(prior=1e14).fit(model, data, IDS, PAD, 4)
    plain = torch.stack([torch.softmax(slow.logits(model, e, IDS).detach(), 0) for e in data])
    torch.testing.assert_close(fitted.probabilities(model, data, 4, Streams(0)), plain, rtol=1e-5, atol=1e-6)


def test_the_less_sure_the_prior_the_less_confident_the_answers():
    model, data, new = adapted(), items(20), items(20, seed=5)
    sure = [float(Laplace(prior=p).fit(model, data, IDS, PAD, 8).probabilities(model, new, 8, Streams(0)).amax(1).mean())
            for p in (1e14, 1.0, 0.01)]
    assert sure[0] > sure[1] + 0.01 > sure[2] + 0.02


@pytest.mark.parametrize("prior", [1e-6, 1.0])
def test_no_variance_is_negative_and_data_make_it_smaller(prior):
    model, data, new = adapted(), items(20), items(9, seed=5)
    few, many = (Laplace(prior=prior).fit(model, data[:n], IDS, PAD, 8).logits(model, new, 8)[1] for n in (4, 20))
    for spread in (few, many):
        assert bool((torch.linalg.eigvalsh(spread)[:, 0] >= -1e-9 * spread.diagonal(dim1=1, dim2=2).amax(1)).all())
        assert bool((spread.diagonal(dim1=1, dim2=2) >= 0).all())
    assert bool((torch.linalg.eigvalsh(few - many)[:, 0] >= -1e-7 * few.diagonal(dim1=1, dim2=2).amax(1)).all())


def test_batches_do_not_matter_and_the_seed_does():
    model, data, new = adapted(), items(11), items(7, seed=5)
    one, other = (Laplace(1.0).fit(model, data, IDS, PAD, b) for b in (1, 11))
    p = one.probabilities(model, new, 3, Streams(0))
    torch.testing.assert_close(p, other.probabilities(model, new, 7, Streams(0)), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(p[:4], one.probabilities(model, new[:4], 2, Streams(0)), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(p.sum(1), torch.ones(7, dtype=torch.float64))
    assert not torch.equal(p, one.probabilities(model, new, 3, Streams(1)))


def test_the_model_and_the_random_state_are_left_as_they_were():
    model, data = adapted(dropout=0.5), items(6)
    model.train()
    model.base_model.model.lm_head.eval()
    modes = [m.training for m in model.modules()]
    flags, before, state = [p.requires_grad for p in model.parameters()], weights_of(model), torch.get_rng_state()
    with torch.no_grad():
        first = Laplace().fit(model, data, IDS, PAD, 4).probabilities(model, data, 4, Streams(0))
    assert torch.equal(torch.get_rng_state(), state)
    assert modes == [m.training for m in model.modules()]
    assert flags == [p.requires_grad for p in model.parameters()]
    assert all(p.grad is None and torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert not any(m._forward_hooks for m in model.modules())
    again = Laplace().fit(model.eval(), data, IDS, PAD, 4).probabilities(model, data, 4, Streams(0))
    assert torch.equal(first, again)


def test_the_other_blocks_adapters_stay_out_and_several_adapters_count():
    model = llama()
    d = sum(f.weight.numel() for f in last_factors(model))
    assert d == sum(p.numel() for n, p in model.named_parameters() if "layers.1." in n and "lora_" in n)
    model.add_adapter("second", LoraConfig(r=3, target_modules=["q_proj"], init_lora_weights=False))
    assert sum(f.weight.numel() for f in last_factors(model)) == d
    model.base_model.set_adapter(["default", "second"])
    assert sum(f.weight.numel() for f in last_factors(model)) == d + 3 * (16 + 16)


def one_layer(layers):
    return get_peft_model(toy_llama(2), LoraConfig(r=2, target_modules=["q_proj"], layers_to_transform=layers)).double()


def broken():
    model = adapted()
    with torch.no_grad():
        last_factors(model)[0].weight[0, 0] = math.nan
    return model


def merged():
    model = adapted()
    model.merge_adapter()
    return model


def masked():
    return RobertaForMaskedLM(RobertaConfig(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
                                            num_attention_heads=2, max_position_embeddings=34))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "data", "ids", "why"), [
    (lambda: one_layer([0]), items(3), IDS, "no active LoRA adapter"),
    (toy_llama, items(3), IDS, "no active LoRA adapter"),
    (masked, items(3), IDS, "does not predict"),
    (merged, items(3), IDS, "merged or rescaled"),
    (lambda: adapted(options=(("use_dora", True),)), items(3), IDS, "merged or rescaled"),
    (adapted, [], IDS, "no examples"),
    (adapted, [*items(3), Example((1, 2, 3), 2)], IDS, "example 3; because its answer is not one of"),
    (adapted, [*items(3), Example((1, 5, 9), 1)], IDS, "example 3; because its answer is not one of"),
    (adapted, [Example((5, 9), 0)], IDS, "example 0; because its answer is not one of"),
    (adapted, items(3), [5], "two different ones"),
    (adapted, items(3), [5, 5, 9], "two different ones"),
    (broken, items(3), IDS, "not a finite number"),
])
def test_what_cannot_be_fitted_is_refused(make, data, ids, why):
    model = make()
    flags = [p.requires_grad for p in model.parameters()]
    with pytest.raises(Refused, match=why) as refused:
        Laplace().fit(model, data, ids, PAD, 4)
    assert str(refused.value).count(";") == 2
    assert flags == [p.requires_grad for p in model.parameters()]


def test_what_cannot_be_answered_is_refused():
    fitted = Laplace(1.0).fit(adapted(), items(4), IDS, PAD, 4)
    for model, data, why in ((adapted(), [], "no examples"), (adapted(r=3), items(2), "adapter weights"),
                             (adapted(), [Example((1, VOCABULARY - 1), 1)], "not one of"), (broken(), items(2), "finite")):
        with pytest.raises(Refused, match=why):
            fitted.probabilities(model, data, 4, Streams(0))


@pytest.mark.parametrize("change", [{"prior": 0.0}, {"prior": -1.0}, {"prior": math.nan}, {"prior": math.inf}, {"samples": 0}])
def test_settings_that_mean_nothing_are_refused(change):
    with pytest.raises(Refused, match="positive precision"):
        dataclasses.replace(Laplace(), **change)
