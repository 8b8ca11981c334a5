"""The training loop: accumulation, order, resume, divergence, precision, objectives."""
from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import RobertaConfig, RobertaForMaskedLM

from methods import papers
from methods.examples import Example, collate
from methods.fit import Diverged, Snapshot, Training, fit
from methods.losses import mean_loss
from methods.objective.kl import KlToBase
from methods.objective.nll import Nll
from methods.parts import Refused
from methods.recipe import Recipe
from methods.selection.uniform import Uniform
from methods.streams import Streams
from tests.toys import PAD, VOCABULARY, toy_examples, toy_llama, weights_of

STREAMS = Streams(3)


def run(model, recipe: Recipe, training: Training, data=None, streams: Streams = STREAMS, **kw) -> list[Snapshot]:
    return list(fit(model, recipe, toy_examples() if data is None else data, training, streams, pad_id=PAD, **kw))


@pytest.mark.parametrize("mean", ["token", "example"])
@pytest.mark.parametrize("micro", [1, 3, 5])
def test_micro_batches_add_up_to_the_big_batch(mean, micro):
    big, small = toy_llama().double(), toy_llama().double()
    recipe = dataclasses.replace(papers.full_sgd(lr=0.1), objective=Nll(mean=mean))
    one = fit_in_double(big, recipe, Training(steps=4, batch_size=8))
    many = fit_in_double(small, recipe, Training(steps=4, batch_size=8, micro_batch=micro))
    assert one[-1].loss == pytest.approx(many[-1].loss, abs=1e-12)
    for name, tensor in weights_of(big).items():
        torch.testing.assert_close(weights_of(small)[name], tensor, rtol=0, atol=1e-12)


def fit_in_double(model, recipe, training, data=None):
    """fit converts to float32; parity wants float64, so the conversion is undone before the first step."""
    stream = fit(model, recipe, toy_examples() if data is None else data, training, STREAMS, pad_id=PAD)
    original = toy_llama().double().state_dict()
    first = next(stream)
    first.model.double()
    first.model.load_state_dict(original)
    return [first, *stream]


def test_the_loss_is_the_textbook_one():
    model, data = toy_llama().double(), toy_examples(6)
    losses, counts = mean_loss(model, data, pad_id=PAD, batch_size=4)
    for row, loss, count in zip(data, losses, counts, strict=True):
        logits = model(input_ids=torch.tensor([row.input_ids])).logits[0].detach().log_softmax(-1)
        picks = [t for t in range(1, len(row.input_ids)) if t >= row.answer_from]
        expected = -sum(float(logits[t - 1, row.input_ids[t]]) for t in picks) / len(picks)
        assert int(count) == len(picks)
        assert float(loss) == pytest.approx(expected, rel=1e-9)


def test_an_epoch_sees_every_example_once_and_keeps_the_last_partial_batch(monkeypatch):
    seen: list[int] = []
    monkeypatch.setattr("methods.fit.collate", lambda data, index, pad: seen.extend(index) or collate(data, index, pad))
    snapshots = run(toy_llama(), papers.full(lr=1e-3), Training(epochs=2, batch_size=8))
    assert snapshots[-1].steps == 6  # 22 examples: 8 + 8 + 6, twice
    trained = seen[-44:]
    assert sorted(trained[:22]) == list(range(22)) == sorted(trained[22:])
    assert trained[:22] != trained[22:]


@pytest.mark.parametrize("name", ["full", "lora", "lisa", "galore", "full-sgd"])
@pytest.mark.parametrize("stop", [0, 1, 3, 4])
def test_a_resumed_run_is_the_undisturbed_run_to_the_last_bit(name, stop, tmp_path: Path):
    extra = {"lisa": {"K": 2, "on_switch": "drop"}, "lora": {"r": 2, "dropout": 0.3}, "galore": {"rank": 4}}.get(name, {})
    recipe = papers.NAMED[name](lr=1e-2, **extra)
    training = Training(steps=6, batch_size=5, schedule="cosine", warmup_steps=2, clip_norm=1.0)
    straight = toy_llama(dropout=0.2)
    losses = [s.loss for s in run(straight, recipe, training)]
    for snapshot in fit(toy_llama(dropout=0.2), recipe, toy_examples(), training, STREAMS, pad_id=PAD):
        if snapshot.step == stop:
            snapshot.save(tmp_path / "here")
            break
    torch.manual_seed(999)
    resumed = toy_llama(dropout=0.2)
    again = run(resumed, recipe, training, resume=tmp_path / "here")
    assert [s.loss for s in again[1:]] == losses[stop + 1:]
    assert all(torch.equal(weights_of(resumed)[n], t) for n, t in weights_of(straight).items())


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path):
    training = Training(steps=2, batch_size=4)
    next(fit(toy_llama(), papers.full(lr=1e-3), toy_examples(), training, STREAMS, pad_id=PAD)).save(tmp_path / "c")
    with pytest.raises(Refused, match="its recipe is"):
        run(toy_llama(), papers.full(lr=2e-3), training, resume=tmp_path / "c")
    with pytest.raises(Refused, match="its data is"):
        run(toy_llama(), papers.full(lr=1e-3), training, data=toy_examples(seed=9), resume=tmp_path / "c")


def test_nan_loss_stops_before_the_update_and_names_step_and_batch():
    model = toy_llama()
    stream = fit(model, papers.full(lr=1e-3), toy_examples(), Training(steps=4, batch_size=4), STREAMS, pad_id=PAD)
    next(stream)
    next(stream)
    with torch.no_grad():
        model.lm_head.weight[0, 0] = math.nan
    before = weights_of(model)
    with pytest.raises(Diverged, match=r"became nan at step 1 on the examples \[") as stop:
        next(stream)
    assert stop.value.step == 1
    assert len(stop.value.index) == 4
    assert all(torch.equal(t, before[n]) or n == "lm_head.weight" for n, t in weights_of(model).items())


def test_a_gradient_that_is_no_number_never_ends_a_run_as_done():
    model = toy_llama()
    stream = fit(model, papers.full(lr=1e-3), toy_examples(), Training(steps=1, batch_size=4), STREAMS, pad_id=PAD)
    next(stream)
    model.lm_head.weight.requires_grad_().register_hook(lambda g: g * math.nan)
    with pytest.raises(Diverged, match=r"weight .* became nan at step 0"):
        next(stream)


def test_a_callers_old_gradients_do_not_leak_into_the_run():
    clean, stale = toy_llama(), toy_llama()
    for p in stale.parameters():
        p.grad = torch.ones_like(p)
    for model in (clean, stale):
        run(model, papers.full(lr=1e-2), Training(steps=2, batch_size=4))
    assert all(torch.equal(weights_of(stale)[n], t) for n, t in weights_of(clean).items())


def test_models_that_do_not_predict_the_next_token_are_refused():
    config = RobertaConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                           intermediate_size=24, max_position_embeddings=40, bos_token_id=0, eos_token_id=2, pad_token_id=1)
    with pytest.raises(Refused, match="RobertaForMaskedLM does not predict one"):
        run(RobertaForMaskedLM(config), papers.full(lr=1e-2), Training(steps=1))


def test_clipping_equals_torchs():
    ours, theirs = toy_llama(), toy_llama()
    training = Training(steps=3, batch_size=22, clip_norm=0.05)
    run(ours, papers.full_sgd(lr=1.0), training)
    batch = collate(toy_examples(), range(22), PAD)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        logits = theirs(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        F.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
        optimizer.step()
    for name, tensor in weights_of(theirs).items():
        torch.testing.assert_close(weights_of(ours)[name], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_schedules_warm_up_and_fall(schedule):
    training = Training(steps=10, schedule=schedule, warmup_steps=3)
    scales = [training.lr_scale(t, 10) for t in range(10)]
    assert scales[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert scales[3] == 1
    assert all(a >= b > 0 for a, b in itertools.pairwise(scales[3:]))
    assert (scales[-1] < 0.2) == (schedule != "constant")


@pytest.mark.parametrize("precision", ["bf16", "bf16-mixed"])
def test_lower_precision_learns_and_keeps_its_dtype(precision):
    model = toy_llama()
    snapshots = run(model, papers.full(lr=1e-2), Training(steps=12, batch_size=22, precision=precision))
    assert snapshots[-1].loss < snapshots[1].loss - 0.1
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16 if precision == "bf16" else torch.float32}


def test_gradient_checkpointing_changes_nothing_even_when_low_blocks_are_frozen():
    plain, saved = toy_llama(), toy_llama()
    recipe = papers.lisa(lr=1e-2, gamma=1, K=1, embeddings=False)
    calls = {"plain": 0, "saved": 0}
    for name, model in (("plain", plain), ("saved", saved)):
        model.model.layers[3].mlp.register_forward_pre_hook(lambda *_, name=name: calls.update({name: calls[name] + 1}))
        run(model, recipe, Training(steps=5, batch_size=6, gradient_checkpointing=name == "saved"))
    assert calls == {"plain": 5, "saved": 10}
    for name, tensor in weights_of(plain).items():
        torch.testing.assert_close(weights_of(saved)[name], tensor)


def test_kl_to_the_base_is_zero_at_the_base_and_holds_the_model_near_it():
    data = toy_examples()
    batch = collate(data, range(8), PAD)
    model = toy_llama()
    objective = KlToBase(beta=1.0)
    prepared = objective.prepare(model, iter([batch]))
    torch.testing.assert_close(objective(model, batch, prepared), Nll()(model, batch, None))
    distances = []
    for beta in (0.0, 20.0):
        moved, start = toy_llama(), weights_of(toy_llama())
        run(moved, dataclasses.replace(papers.full(lr=1e-2), objective=KlToBase(beta=beta)), Training(steps=15), data)
        distances.append(sum(float((t - start[n]).norm()) for n, t in weights_of(moved).items()))
    assert distances[1] < distances[0]


def test_kl_refuses_a_cache_over_its_limit():
    recipe = dataclasses.replace(papers.full(lr=1e-2), objective=KlToBase(cache_limit_bytes=1000))
    with pytest.raises(Refused, match="in 1000 bytes"):
        run(toy_llama(), recipe, Training(steps=1))


def test_a_pool_larger_than_the_batch_is_drawn_from():
    recipe = dataclasses.replace(papers.full(lr=1e-3), selection=Uniform(pool=2))
    snapshots = run(toy_llama(), recipe, Training(epochs=1, batch_size=4))
    assert snapshots[-1].steps == 3  # 22 examples in pools of 8


@pytest.mark.parametrize("bad", [{}, {"steps": 3, "epochs": 1}, {"steps": 0}, {"steps": 3, "batch_size": 0},
                                 {"steps": 3, "micro_batch": 0}, {"steps": 3, "clip_norm": 0.0}])
def test_impossible_training_is_refused(bad):
    with pytest.raises(Refused, match="cannot train with"):
        Training(**bad)


def test_empty_data_and_empty_answers_are_refused():
    with pytest.raises(Refused, match="empty data set"):
        run(toy_llama(), papers.full(lr=1e-3), Training(steps=1), data=[])
    with pytest.raises(Refused, match="empty data set"):
        mean_loss(toy_llama(), [], pad_id=PAD, batch_size=2)
    for ids, start in (((1, 2, 3), 3), ((5,), 0), ((), 0), ((1, 2), -1)):
        with pytest.raises(Refused, match="no answer token is left"):
            Example(ids, start)


def test_padding_and_neighbours_do_not_change_a_loss():
    model, data = toy_llama().double(), toy_examples()
    alone, _ = mean_loss(model, data, pad_id=PAD, batch_size=1)
    together, _ = mean_loss(model, data, pad_id=PAD, batch_size=22)
    torch.testing.assert_close(alone, together, rtol=1e-10, atol=1e-12)
