"""The pool as selections see it, against passes of the whole model with each example alone."""
from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from methods import anatomy
from methods.examples import Example
from methods.objective.label_words import LabelWords
from methods.objective.nll import Nll
from methods.parts import Refused
from methods.probe import Pool, cut, small_sources
from methods.scope.lora import Lora
from methods.streams import Streams
from methods.tail import Tail
from tests.reference import probe as slow
from tests.test_anatomy import CONFIGS, build
from tests.toys import toy_examples, toy_llama

every_causal_architecture = pytest.mark.parametrize("kind", [k for k in CONFIGS if k != "roberta"])
peft_warns = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
SEEDS = (5, 6)


def pool_of(model, data, positions=None, micro=3, objective=None, prepared=None, **kw):
    where = list(range(len(data))) if positions is None else positions
    return Pool(data, where, frozenset(), objective or Nll(), model, prepared, 0, micro, torch.device("cpu"), **kw)


def wake(model):
    """LoRA's B starts at zero, which would hide half of what is tested."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def adapted(kind: str):
    return wake(Lora(r=3, alpha=6.0).attach(build(kind).double(), Streams(0)).model.eval())


@every_causal_architecture
@pytest.mark.parametrize("lora", [False, True])
def test_slopes_and_gradients_are_those_of_the_whole_model(kind, lora):
    model, data = adapted(kind) if lora else build(kind).double(), toy_examples(7)
    pool, rows = pool_of(model, data), torch.arange(7)
    reference = slow.losses(model, data, Nll(), None, 0)
    torch.testing.assert_close(pool.losses(), reference, rtol=0, atol=1e-6)
    eps = 1e-2
    found = pool.slopes(rows, SEEDS, eps)
    assert found.shape == (7, 2)
    for j, seed in enumerate(SEEDS):
        expected = slow.slopes(model, data, Nll(), None, 0, pool.direction(seed), eps)
        torch.testing.assert_close(found[:, j], expected.double(), rtol=1e-3, atol=2e-5)
    exact = slow.gradients(model, data, Nll(), None, 0)
    torch.testing.assert_close(pool.gradients(rows), exact.float(), rtol=1e-4, atol=1e-6)
    assert exact.abs().max() > 1e-3
    along = exact.double() @ pool.direction(5).double()
    torch.testing.assert_close(pool.slopes(rows, (5,), 1e-3)[:, 0], along, rtol=2e-2, atol=5e-3)


def test_a_masked_models_label_words_are_seen_too():
    model = build("roberta")
    data = [Example((4, 9, i, 7 + i % 2, 5), 3, answer_to=4) for i in range(6, 12)]
    objective = LabelWords((7, 8), mask=3)
    prepared = torch.tensor([7, 8])
    pool = pool_of(model, data, objective=objective, prepared=prepared)
    exact = slow.gradients(model, data, objective, prepared, 0)
    torch.testing.assert_close(pool.gradients(torch.arange(6)), exact, rtol=1e-4, atol=1e-6)
    expected = slow.slopes(model, data, objective, prepared, 0, pool.direction(5), 1e-2)
    torch.testing.assert_close(pool.slopes(torch.arange(6), (5,), 1e-2)[:, 0], expected.double(), rtol=1e-2, atol=1e-4)


def test_what_an_example_scores_does_not_depend_on_its_neighbours():
    model, data = toy_llama(), toy_examples(12)
    alone = torch.cat([pool_of(model, data, [i]).slopes(torch.tensor([0]), SEEDS, 1e-2) for i in range(12)])
    for micro in (2, 5, 12):
        torch.testing.assert_close(pool_of(model, data, micro=micro).slopes(torch.arange(12), SEEDS, 1e-2), alone,
                                   rtol=0, atol=1e-4)  # two losses of 1e-6 apart over 2 eps
        torch.testing.assert_close(pool_of(model, data, micro=micro).losses(),
                                   torch.cat([pool_of(model, data, [i]).losses() for i in range(12)]), rtol=0, atol=1e-6)
    some = torch.tensor([7, 2, 9])
    torch.testing.assert_close(pool_of(model, data).gradients(some), pool_of(model, data).gradients(torch.arange(12))[some],
                               rtol=0, atol=1e-6)


def test_nothing_is_left_behind_in_the_model():
    model, data = toy_llama(dropout=0.5).train(), toy_examples(5)
    model.model.layers[1].eval()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    modes = [m.training for m in model.modules()]
    flags = [p.requires_grad for p in model.parameters()]
    logits = model.eval()(torch.tensor([[1, 2, 3]])).logits
    model.train()
    model.model.layers[1].eval()
    pool = pool_of(model, data)
    state = torch.random.get_rng_state()
    pool.slopes(torch.arange(5), SEEDS, 1e-3), pool.gradients(torch.arange(5)), pool.losses(), pool.hidden()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(torch.equal(p, before[n]) and p.grad is None for n, p in model.named_parameters())
    assert not any("forward" in vars(m) or m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(model.eval()(torch.tensor([[1, 2, 3]])).logits, logits)


def test_a_failing_pass_leaves_the_model_whole():
    model = toy_llama()
    tail = Tail(model)

    class Broken(Exception):
        pass

    def breaks(u, v):
        raise Broken

    kept = tail.keep(lambda m: m(torch.tensor([[1, 2, 3]])))
    with pytest.raises(Broken), tail.widened(), tail.starting_from(kept, breaks) as starts:
        starts(torch.tensor([[1, 2, 3]]))
    assert not any("forward" in vars(m) or m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(RuntimeError, match="did not come"):
        tail.keep(lambda m: None)


@pytest.mark.parametrize("kind", ["llama", "phi"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_does_not_touch_the_derivative(dtype, kind):
    """The tail computes in float32: what differs from a float32 model is what reaches it, not the tiny difference of losses."""
    half, data = build(kind).to(dtype), toy_examples(8)
    wide = build(kind).to(dtype).float()
    rows, eps = torch.arange(8), 1e-3
    exact = pool_of(wide, data).gradients(rows).double() @ pool_of(wide, data).direction(5).double()
    found = pool_of(half, data).slopes(rows, (5,), eps)[:, 0]
    assert all(p.dtype is dtype for p in half.parameters())
    error = (found - exact).abs().median() / exact.abs().median()
    naive = slow.slopes(half, data, Nll(), None, 0, pool_of(half, data).direction(5), eps).double()
    assert error < 0.1
    assert (naive - exact).abs().median() / exact.abs().median() > 2 * error


def test_training_in_mixed_precision_is_not_seen(monkeypatch):
    from methods import papers
    from methods.fit import Training, fit
    seen = []

    class Watching:
        sees, pool = 1, 1

    from methods.selection import uniform
    original = uniform.Uniform.__call__

    def call(self, probe, k, state, clock, streams):
        seen.append((probe.losses().tolist(), torch.is_autocast_enabled("cpu")))
        return original(self, probe, k, state, clock, streams)

    monkeypatch.setattr(uniform.Uniform, "__call__", call)
    for precision in ("fp32", "bf16-mixed"):
        list(fit(toy_llama(), papers.full(lr=1e-3), toy_examples(), Training(steps=1, batch_size=4, precision=precision),
                 Streams(0), pad_id=0))
    assert seen[0] == seen[1]


def test_hidden_states_are_those_that_reach_the_last_block():
    model, data = toy_llama(), toy_examples(6)
    found = pool_of(model, data, [3, 1]).hidden()
    for i, example in enumerate(data):
        states = model(torch.tensor([example.input_ids]), output_hidden_states=True).hidden_states
        torch.testing.assert_close(found[i], states[-2][0, -1].detach(), rtol=0, atol=1e-5)


@peft_warns
def test_one_block_alone_and_two_adapters_at_once():
    data = toy_examples(4)
    for model in (toy_llama(blocks=1), wake(two_adapters())):
        pool = pool_of(model, data)
        if len(anatomy.read(model).blocks) == 1:
            exact = slow.gradients(model, data, Nll(), None, 0)
            torch.testing.assert_close(pool.gradients(torch.arange(4)), exact, rtol=1e-4, atol=1e-6)
        else:
            assert pool.gradients(torch.arange(4)).shape == (4, 8 * (2 + 3))


def two_adapters():
    model = get_peft_model(toy_llama(), LoraConfig(r=2, target_modules=["v_proj"]))
    model.add_adapter("more", LoraConfig(r=3, target_modules=["v_proj"]))
    model.base_model.set_adapter(["default", "more"])
    return model


@peft_warns
def test_dora_is_refused():
    model = get_peft_model(toy_llama(), LoraConfig(r=2, target_modules=["v_proj"], use_dora=True))
    with pytest.raises(Refused, match="use_dora"):
        pool_of(model, toy_examples(3)).slopes(torch.arange(3), (1,), 1e-3)


def test_small_sources_have_fewer_than_the_mean():
    def rows(**counts):
        return [Example((1, 2), 1, source=s) for s, n in counts.items() for _ in range(n)]
    assert small_sources(rows(a=300, b=1, c=20)) == {"b", "c"}
    assert small_sources(rows(a=5, b=5)) == frozenset()
    assert small_sources(rows(a=5)) == frozenset()
    assert small_sources(rows(a=4, b=5, c=6)) == {"a"}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=9), st.integers(1, 5), st.integers(0, 30))
def test_batches_are_cut_at_the_least_cost(lengths, most, overhead):
    lengths = sorted(lengths)

    def cost(sizes):
        ends = list(itertools.accumulate(sizes))
        return sum(n * lengths[end - 1] + overhead for n, end in zip(sizes, ends, strict=True))

    found = cut(lengths, most, overhead)
    assert sum(found) == len(lengths)
    assert max(found) <= most
    every = (sizes for parts in range(1, len(lengths) + 1)
             for sizes in itertools.product(range(1, most + 1), repeat=parts) if sum(sizes) == len(lengths))
    if len(lengths) <= 6:
        assert cost(found) == min(map(cost, every))


def test_the_tail_widens_half_precision_only_where_asked():
    tail = Tail(toy_llama().to(torch.bfloat16))
    kept = tail.keep(lambda m: m(torch.tensor([[1, 2, 3]])))
    with pytest.raises(RuntimeError, match="outside widened"), tail.starting_from(kept, lambda u, v: v):
        pass
