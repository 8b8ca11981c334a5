"""Seeded directions, SPSA and forward gradients: the numbers, the theory, what is restored, what is held."""
from __future__ import annotations

import math
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM, RobertaConfig, RobertaForMaskedLM

from methods import papers
from methods.directions import CHUNK, GREATEST, draw, groups_of, shift
from methods.estimator.backprop import Backprop
from methods.estimator.forward_grad import ForwardGrad
from methods.estimator.spsa import Spsa
from methods.examples import Example, collate
from methods.fit import Diverged, Training, fit
from methods.objective.label_words import LabelWords
from methods.parts import Refused
from methods.recipe import Recipe
from methods.scope.lisa import Lisa
from methods.scope.lora import Adapter, Lora
from methods.scope.prefix import Prefix
from methods.streams import Streams
from methods.update.sgd import Sgd
from tests.reference.zeroth import direction, slope
from tests.toys import PAD, VOCABULARY, toy_examples, toy_llama, weights_of
from tests.zeroth_toys import Bowl, Quadratic, copies

STREAMS = Streams(5)
UNIT = {torch.float64: 2.0**-53, torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}


def taken(estimator, model: Bowl, step: int = 0, loss: Quadratic | None = None):
    return estimator(loss or Quadratic(model), model, model.weights(), STREAMS, step)


# ------------------------------------------------------------------------------------------------ directions


def test_numbers_are_standard_normal_and_bounded():
    z = direction([torch.zeros(400_000)], 11)[0].double()
    n = len(z)
    assert abs(float(z.mean())) < 4 / math.sqrt(n)
    assert abs(float(z.square().mean()) - 1) < 4 * math.sqrt(2 / n)
    assert abs(float(z.pow(4).mean()) - 3) < 4 * math.sqrt(96 / n)
    assert float(z.abs().max()) <= GREATEST
    lag = float((z[1:] * z[:-1]).mean())
    assert abs(lag) < 4 / math.sqrt(n)


def test_a_direction_depends_on_seed_and_shapes_alone():
    tensors = [torch.zeros(3, 5), torch.zeros(CHUNK + 7), torch.zeros(2), torch.zeros(9)]
    assert groups_of(tensors) == [(0, 2), (2, 4)]
    one, again, other = direction(tensors, 1), direction(tensors, 1), direction(tensors, 2)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    many = direction(tensors, 1)
    torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))
    wide = direction([t.double() for t in tensors], 1)
    assert all(torch.equal(a.double(), b) for a, b in zip(one, wide, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_the_raw_stream_through_the_table_every_tensor_at_a_new_word(dtype):
    """Sizes that do and do not fill a word, an empty one, one longer than a piece; the slow path has one stream, no groups."""
    tensors = [torch.zeros(s, dtype=dtype) for s in ((3, 5), (4, 2), (), (0, 3), (CHUNK + 7,), (2, 2, 2), (9,))]
    n = 2**16
    normal = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    table = (normal / normal.square().mean().sqrt()).float()
    stream = np.random.SFC64(17)
    for got, tensor in zip(direction(tensors, 17), tensors, strict=True):
        lanes = stream.random_raw(-(-tensor.numel() // 4)).view(np.uint16)[:tensor.numel()]
        expected = table[torch.from_numpy(lanes.astype(np.int64))].view(tensor.shape)
        torch.testing.assert_close(got, expected.to(dtype), rtol=1e-6, atol=1e-9)


def test_sums_of_directions_are_sums():
    tensors = [torch.zeros(3, 5, dtype=torch.float64), torch.zeros(8, dtype=torch.float64)]
    both = [p.clone() for _, parts in draw(tensors, (1, 2), (0.5, -3.0)) for p in parts]
    for got, a, b in zip(both, direction(tensors, 1), direction(tensors, 2), strict=True):
        torch.testing.assert_close(got, 0.5 * a - 3 * b)


# ---------------------------------------------------------------------------------------------------- slopes


@pytest.mark.parametrize("restore", ["fused", "sweep", "exact"])
@pytest.mark.parametrize("n", [1, 3])
def test_spsa_is_its_formula(restore, n):
    model = Bowl().eval()
    before = copies(model)
    gradient = taken(Spsa(eps=1e-2, n=n, restore=restore), model, step=4)
    zs = [direction(before, STREAMS.number("directions", 4 * n + i)) for i in range(n)]
    c = [slope(Quadratic(model).of, before, z, 1e-2) for z in zs]
    assert gradient.c == pytest.approx(c, rel=1e-9)
    expected = [sum(ci * z[j] for ci, z in zip(c, zs, strict=True)) / n for j in range(len(before))]
    for _ in range(2):  # iterable more than once
        for (_, got), want in zip(gradient, expected, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-10)
    assert float(gradient.loss) == pytest.approx(float(Quadratic(model).of(before)), rel=1e-3)
    for old, now in zip(before, copies(model), strict=True):
        torch.testing.assert_close(now, old, rtol=0, atol=1e-14)


def test_the_forward_gradient_is_backpropagations_slope_and_spsas_limit():
    model = Bowl().eval()
    exact = Backprop()(Quadratic(model), model, model.weights(), STREAMS, 0)
    z = direction(copies(model), STREAMS.number("directions", 0))
    c = sum(float((g * d).sum()) for (_, g), d in zip(exact, z, strict=True))
    assert taken(ForwardGrad(), model).c[0] == pytest.approx(c, rel=1e-10)
    assert taken(Spsa(eps=1e-4, restore="exact"), model).c[0] == pytest.approx(c, rel=1e-6)


@pytest.mark.parametrize("estimator", [Spsa(eps=1e-3, restore="exact"), ForwardGrad()])
def test_example_slopes_are_the_examples_own(estimator):
    model = Bowl().eval()
    gradient = taken(estimator, model)
    alone = []
    for b in range(3):
        z = direction(copies(model), gradient.seeds[0])
        alone.append(slope(lambda w, b=b: Quadratic(model).rows(w)[b], copies(model), z, 1e-3))
    share = torch.tensor([1, 2, 3]) / 6
    assert gradient.squares[0] == pytest.approx(sum(float(s) * c * c for s, c in zip(share, alone, strict=True)), rel=1e-5)
    assert gradient.examples == 3


def test_many_directions_point_along_backpropagation_as_theory_predicts():
    """E g = grad, and with d entries the mean of n has cosine about sqrt(n / (n + d + 1))."""
    model = Bowl().eval()
    exact = torch.cat([g.flatten() for _, g in Backprop()(Quadratic(model), model, model.weights(), STREAMS, 0)])
    d = len(exact)
    found = []
    for step in range(12):
        mean = torch.cat([g.flatten() for _, g in taken(Spsa(eps=1e-3, n=200, restore="exact"), model, step)])
        found.append(float(torch.cosine_similarity(mean, exact, dim=0)))
    found_mean = sum(found) / len(found)
    error = torch.tensor(found).std().item() / math.sqrt(len(found))
    assert abs(found_mean - math.sqrt(200 / (201 + d))) < 4 * error + 0.01
    assert found_mean > 0.5


def test_the_second_moment_holds_the_norm_and_twice_the_square():
    """E[c^2 z_j^2] = |g|^2 + 2 g_j^2 within the Monte-Carlo error of each entry."""
    g = torch.zeros(12, dtype=torch.float64)
    g[0], g[1] = 2.0, 1.0
    n = 100_000
    z = direction([torch.zeros(n, 12, dtype=torch.float64)], 3)[0]
    draws = (z @ g).square()[:, None] * z.square()
    error = draws.std(0) / math.sqrt(n)
    away = (draws.mean(0) - (g.square().sum() + 2 * g.square())) / error
    assert float(away.abs().max()) < 4.5
    assert float((draws.mean(0)[0] - g.square().sum()) / error[0]) > 10  # the second term is seen


# ------------------------------------------------------------------------------------------------- restoring


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("eps", [1e-3, 1e-1])
def test_weights_come_back_within_the_stated_bound(dtype, eps):
    worst = 0.0
    for seed in range(20):
        w = torch.randn(4001, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).mul_(0.05).to(dtype)
        before, u = w.clone(), UNIT[dtype]
        for by in (eps, -2 * eps, eps):
            shift([w], seed, by)
        bound = 3 * u * (before.double().abs() + 4.33 * eps) * (1 + 4 * u)
        worst = max(worst, float(((w.double() - before.double()).abs() / bound).max()))
    assert 0.05 < worst <= 1


@pytest.mark.parametrize("restore", ["fused", "sweep", "exact"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_settling_restores_and_exact_restores_to_the_bit(restore, dtype):
    model = Bowl(dtype).eval()
    before = copies(model)
    gradient = taken(Spsa(eps=1e-2, restore=restore), model)
    away = max(float((a - b).abs().max()) for a, b in zip(before, copies(model), strict=True))
    bound = max(3 * UNIT[dtype] * (float(old.abs().max()) + 0.0433) * 1.02 for old in before)
    assert away > 5e-3 if restore == "fused" else away <= (bound if restore == "sweep" else 0.0)
    next(iter(gradient.groups()))  # begun and left
    gradient.settle()
    for old, now in zip(before, copies(model), strict=True):
        assert restore != "exact" or torch.equal(now, old)
        assert float((now - old).abs().max()) <= 3 * UNIT[dtype] * (float(old.abs().max()) + 0.0433) * 1.02


def test_fused_and_separate_restoring_take_the_same_trajectory_up_to_rounding():
    ends = []
    for restore in ("fused", "sweep", "exact"):
        model = toy_llama()
        recipe = Recipe(papers.FULL, Sgd(lr=1e-3), Spsa(restore=restore))
        list(fit(model, recipe, toy_examples(), Training(steps=5, batch_size=8), STREAMS, pad_id=PAD))
        ends.append(torch.cat([t.flatten() for t in weights_of(model).values()]))
    start = torch.cat([t.flatten() for t in weights_of(toy_llama()).values()])
    assert float((ends[0] - start).norm()) > 1e-2
    for end in ends[1:]:
        assert float((end - ends[0]).norm()) < 1e-2 * float((ends[0] - start).norm())


@pytest.mark.parametrize("estimator", [Spsa(), Spsa(restore="exact"), ForwardGrad()])
def test_every_module_keeps_its_mode_and_dropout_is_off(estimator):
    bowl = Bowl().train()
    quiet = taken(estimator, bowl)
    assert bowl.dropout.training
    assert quiet.c == taken(estimator, Bowl().eval()).c
    model = toy_llama(dropout=0.5).train()
    model.model.layers[1].eval()
    modes = [m.training for m in model.modules()]
    assert len(set(modes)) == 2
    recipe = Recipe(papers.FULL, Sgd(lr=1e-4), estimator)
    list(fit(model, recipe, toy_examples(), Training(steps=2, batch_size=4), STREAMS, pad_id=PAD))
    assert [m.training for m in model.modules()] == modes


class Failing(Quadratic):
    calls = 0

    def each(self):
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        return super().each()


@pytest.mark.parametrize("fail_at", [1, 2])
def test_a_pass_that_fails_leaves_the_weights_where_they_were(fail_at):
    model = Bowl().train()
    before, loss = copies(model), Failing(model)
    loss.fail_at = fail_at
    with pytest.raises(KeyboardInterrupt):
        taken(Spsa(eps=0.1), model, loss=loss)
    assert model.dropout.training
    for old, now in zip(before, copies(model), strict=True):
        torch.testing.assert_close(now, old, rtol=0, atol=1e-13)


def test_a_run_that_diverges_ends_on_the_weights_it_had():
    model = toy_llama()
    stream = fit(model, papers.mezo(lr=1e-4), toy_examples(), Training(steps=4, batch_size=4), STREAMS, pad_id=PAD)
    next(stream)
    next(stream)
    with torch.no_grad():
        model.lm_head.weight[0, 0] = math.nan
    before = weights_of(model)
    with pytest.raises(Diverged, match="the loss became nan at step 1"):
        next(stream)
    for name, tensor in weights_of(model).items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=1e-6, equal_nan=True)


# ----------------------------------------------------------------------------------------------- through fit

SCOPES = {"full": papers.FULL, "lora": Lora(r=2, targets="query_value"), "lisa": Lisa(gamma=1, K=2),
          "lisa reweighted": Lisa(gamma=1, K=1, reweight=True), "lisa of lora": Lisa(gamma=1, K=2, of=Lora(r=2))}


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES.keys())
@pytest.mark.parametrize("name", ["mezo", "helene"])
def test_only_the_active_weights_move(scope, name):
    model = toy_llama()
    stream = fit(model, papers.NAMED[name](lr=1e-2, scope=scope), toy_examples(), Training(steps=3, batch_size=6), STREAMS,
                 pad_id=PAD)
    first = next(stream)
    before = {w.name: w.tensor.detach().clone() for w in first.weights}
    for snapshot in stream:
        now = {w.name: w.tensor.detach().clone() for w in first.weights}
        assert {n for n in now if not torch.equal(now[n], before[n])} == {w.name for w in snapshot.active}
        before = now


@pytest.mark.parametrize("name", ["mezo", "mezo-adam", "helene", "zo-sophia", "zo-sign", "zo-conservative", "forward-grad"])
def test_same_seed_same_trajectory_and_resume_is_exact(name, tmp_path):
    recipe = papers.NAMED[name](lr=1e-3)
    training = Training(steps=5, batch_size=5, schedule="linear")

    def run(seed=5, **kw):
        model = toy_llama(dropout=0.2)
        stream = fit(model, recipe, toy_examples(), training, Streams(seed), pad_id=PAD, **kw)
        return model, stream

    straight, stream = run()
    losses = []
    for snapshot in stream:
        losses.append(snapshot.loss)
        if snapshot.step == 2:
            snapshot.save(tmp_path / "here")
    again, stream = run(resume=tmp_path / "here")
    assert [s.loss for s in stream][1:] == losses[3:]
    other, stream = run(seed=6)
    assert [s.loss for s in stream][1:] != losses[1:]
    twin, stream = run()
    list(stream)
    for model in (again, twin):
        assert all(torch.equal(weights_of(model)[n], t) for n, t in weights_of(straight).items())
    assert not all(torch.equal(weights_of(other)[n], t) for n, t in weights_of(straight).items())


class Living(TorchDispatchMode):
    """The greatest number of bytes alive at once among storages made under it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = self.largest = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        held = [args, *(kwargs or {}).values()]
        old = {t.untyped_storage()._cdata for t in torch.utils._pytree.tree_leaves(held) if isinstance(t, torch.Tensor)}
        for tensor in torch.utils._pytree.tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in old | self._seen:
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage) -> None:
        size, key = storage.nbytes(), storage._cdata
        self._seen.add(key)
        self.now += size
        self.peak, self.largest = max(self.peak, self.now), max(self.largest, size)

        def gone() -> None:
            self.now -= size
            self._seen.discard(key)
        weakref.finalize(storage, gone)


def masked():
    torch.manual_seed(0)
    return RobertaForMaskedLM(RobertaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=24, pad_token_id=1, bos_token_id=2, eos_token_id=3))


WORDS = [Example((2, 10 + i, 6 + i % 2, 3), 2, answer_to=3) for i in range(8)]


@pytest.mark.parametrize(("make", "data", "recipe"), [
    (toy_llama, toy_examples(8), papers.mezo(lr=1e-3, scope=Prefix(m=3))),
    (masked, WORDS, replace(papers.mezo(lr=1e-3), objective=LabelWords(mask=4))),
    (masked, WORDS, replace(papers.mezo(lr=1e-3, scope=Lora(r=2, alpha=64.0, options=(("init_lora_weights", False),))),
                            objective=LabelWords(mask=4)))],
    ids=["prefix", "masked", "masked with LoRA"])
def test_a_step_on_prefixes_and_masked_models_is_its_formula(make, data, recipe):
    """One whole step of `fit` against whole passes with the weights moved by hand."""
    stream = fit(make(), recipe, data, Training(steps=1, batch_size=8), Streams(3), pad_id=1)
    first = next(stream)
    weights = [w.tensor for w in first.weights]
    before = [w.detach().clone() for w in weights]
    loop = first._loop
    rows = collate(data, range(8), 1)
    z = [part.clone() for _, parts in draw(weights, (Streams(3).number("directions", 0),), (1.0,)) for part in parts]

    def loss(by: float) -> float:
        with torch.no_grad():
            for w, old, part in zip(weights, before, z, strict=True):
                w.copy_(old + by * part)
            each = loop.recipe.objective(first.model.eval(), rows, loop.prepared).double()
            mass = loop.recipe.objective.mass(rows).double()
        return float((each * mass).sum() / mass.sum())

    c = (loss(1e-3) - loss(-1e-3)) / 2e-3
    loss(0.0)
    next(stream)
    assert abs(c) > 1e-2
    for w, old, part in zip(weights, before, z, strict=True):
        torch.testing.assert_close(w.detach(), old - 1e-3 * c * part, rtol=0, atol=2e-6 + 2e-3 * 1e-3 * abs(c) * 4.4)


def test_mezo_holds_nothing_of_the_weights_size():
    """One group of numbers and a short text's activations: a tenth of the weights, where backpropagation needs them all."""
    weights, peaks, state = 0, {}, {}
    for name, recipe in {"mezo": papers.mezo(lr=1e-3), "backprop": papers.full_sgd(lr=1e-3)}.items():
        model = LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, hidden_size=128, intermediate_size=256,
                                             num_hidden_layers=4, num_attention_heads=2, tie_word_embeddings=False))
        weights = sum(p.nbytes for p in model.parameters())
        stream = fit(model, recipe, toy_examples(4), Training(steps=2, batch_size=1), STREAMS, pad_id=PAD)
        next(stream)
        with Living() as living:
            state[name] = list(stream)[-1].state_bytes
        peaks[name] = living.peak
    assert state["mezo"] == 0
    assert 4 * CHUNK <= peaks["mezo"] < 0.2 * weights
    assert peaks["backprop"] > weights


@pytest.mark.parametrize("part", [lambda: Spsa(eps=0), lambda: Spsa(n=0), lambda: ForwardGrad(n=0)])
def test_impossible_settings_are_refused(part):
    with pytest.raises(Refused, match=r"cannot use .*; because .*; use "):
        part()


def test_clipping_and_loha_are_refused():
    with pytest.raises(Refused, match="use clip_norm=None"):
        next(fit(toy_llama(), papers.mezo(lr=1e-3), toy_examples(), Training(steps=1, clip_norm=1.0), STREAMS, pad_id=PAD))
    loha = Adapter('{"peft_type": "LOHA", "r": 2, "alpha": 4, "target_modules": ["q_proj"]}')
    with pytest.raises(Refused, match="cannot use ForwardGrad with LoHa"):
        next(fit(toy_llama(), papers.forward_grad(lr=1e-3, scope=loha), toy_examples(), Training(steps=1), STREAMS, pad_id=PAD))
    empty = Quadratic(Bowl(), examples=0)
    for estimator in (Spsa(), ForwardGrad()):
        with pytest.raises(Refused, match="empty batch"):
            taken(estimator, empty.model, loss=empty)
