"""LISA is engaged, not assumed: who moves, for how long, with which state, and drawn from what."""
from __future__ import annotations

import dataclasses
import re
from collections import Counter

import pytest
import torch
from torch.nn import functional as F

from methods import anatomy, papers
from methods.examples import collate
from methods.fit import Training, fit
from methods.parts import Refused, Role
from methods.scope.lisa import Lisa
from methods.scope.lora import Adapter, Lora
from methods.streams import Streams
from tests.reference.lisa import lisa_by_separate_jobs
from tests.toys import PAD, toy_examples, toy_gpt2, toy_llama, weights_of

TRAINING = Training(steps=12, batch_size=5)
STREAMS = Streams(3)
PARTIAL = '{"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "layers_to_transform": [0, 1]}'


def run(model, recipe, training=TRAINING, streams=STREAMS):
    """(step, names that moved in the step, state bytes, trainable parameters) after every step."""
    stream = fit(model, recipe, toy_examples(), training, streams, pad_id=PAD)
    next(stream)
    before, rows = weights_of(model), []
    for snapshot in stream:
        after = weights_of(model)
        moved = {n for n, t in after.items() if not torch.equal(t, before[n])}
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        rows.append((snapshot, moved, snapshot.state_bytes, trainable))
        before = after
    return rows


def block_of(name: str) -> int | None:
    found = re.search(r"\.(?:layers|h)\.(\d+)\.", name)
    return int(found[1]) if found else None


@pytest.mark.parametrize("gamma", [0, 1, 2, 4])
def test_exactly_gamma_whole_blocks_move_and_the_trainable_count_is_arithmetic(gamma):
    model = toy_llama(tied=False)
    sizes = {n: p.numel() for n, p in model.named_parameters()}
    block = sum(s for n, s in sizes.items() if block_of(n) == 0)
    outside = sum(s for n, s in sizes.items() if block_of(n) is None)
    for _, moved, _, trainable in run(model, papers.lisa(lr=1e-2, gamma=gamma, K=3)):
        assert trainable == outside + gamma * block
        blocks = Counter(block_of(n) for n in moved)
        assert len(set(blocks) - {None}) == gamma
        assert {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"} <= moved
        assert all(count == 9 for b, count in blocks.items() if b is not None)


def test_the_same_blocks_move_for_k_steps_and_every_block_moves_in_time():
    rows = run(toy_llama(), papers.lisa(lr=1e-2, gamma=1, K=3), Training(steps=60, batch_size=4))
    drawn = [frozenset(block_of(n) for n in moved) - {None} for _, moved, _, _ in rows]
    assert all(len(set(drawn[start:start + 3])) == 1 for start in range(0, 60, 3))
    assert frozenset().union(*drawn) == {0, 1, 2, 3}


@pytest.mark.parametrize("recipe", [papers.lisa(lr=1e-2, gamma=0), papers.lisa(lr=1e-2, gamma=1, K=3),
                                    papers.lisa_fixed(lr=1e-2, gamma=2), papers.lora(lr=1e-2)], ids=str)
def test_those_that_ever_move_are_those_that_moved(recipe):
    """Asked at the start, for the whole run; the draws are as they are unasked."""
    asking, silent = (fit(toy_llama(), recipe, toy_examples(), TRAINING, STREAMS, pad_id=PAD) for _ in range(2))
    first, _ = next(asking), next(silent)
    ever = {w.name for w in first.ever}
    drawn, unasked = ([{w.name for w in s.active} for s in stream] for stream in (asking, silent))
    assert drawn == unasked
    assert ever == set().union(*drawn)
    still = isinstance(recipe.scope, Lisa) and (recipe.scope.fixed or not recipe.scope.gamma)
    assert (len(ever) < len(first.weights)) == still


def test_a_fixed_draw_never_changes():
    rows = run(toy_llama(), papers.lisa_fixed(lr=1e-2, gamma=2))
    assert len({frozenset(moved) for _, moved, _, _ in rows}) == 1


@pytest.mark.parametrize(("on_switch", "flat"), [("keep", False), ("drop", True), ("reset", True)])
def test_state_memory_is_flat_after_the_first_interval_unless_kept(on_switch, flat):
    recipe = papers.lisa(lr=1e-2, gamma=1, K=2, on_switch=on_switch)
    held = [state for _, _, state, _ in run(toy_llama(), recipe, Training(steps=40, batch_size=4))]
    assert (len(set(held)) == 1) == flat
    whole = [state for _, _, state, _ in run(toy_llama(), papers.full(lr=1e-2), Training(steps=2, batch_size=4))][-1]
    assert (held[-1] == whole) == (not flat)
    assert held[0] < whole


def test_reset_restarts_every_moment_and_drop_only_the_frozen_blocks():
    counts = {}
    for on_switch in ("reset", "drop", "keep"):
        stream = fit(toy_llama(), papers.lisa(lr=1e-2, gamma=1, K=2, on_switch=on_switch), toy_examples(),
                     Training(steps=3, batch_size=4), Streams(3), pad_id=PAD)
        *_, last = stream
        counts[on_switch] = {n: int(s["step"]) for n, s in last._loop.state.items()}
    assert counts["reset"]["lm_head.weight"] == 1
    assert counts["drop"]["lm_head.weight"] == counts["keep"]["lm_head.weight"] == 3
    assert len(counts["reset"]) == len(counts["drop"]) < len(counts["keep"])


@pytest.mark.parametrize("on_switch", ["keep", "drop"])
def test_all_blocks_active_is_full_fine_tuning_bit_for_bit(on_switch):
    full, all_active = toy_llama(), toy_llama()
    run(full, papers.full(lr=1e-2))
    run(all_active, papers.lisa(lr=1e-2, gamma=4, K=2, on_switch=on_switch))
    assert all(torch.equal(weights_of(all_active)[n], t) for n, t in weights_of(full).items())


def test_reset_restarts_at_every_interval_even_on_the_same_blocks():
    for recipe in (papers.lisa(lr=1e-2, gamma=4, K=2), papers.lisa(lr=1e-2, gamma=0, K=2), papers.lisa_fixed(lr=1e-2, K=2)):
        stream = fit(toy_llama(), recipe, toy_examples(), Training(steps=6, batch_size=4), STREAMS, pad_id=PAD)
        next(stream)
        assert [int(s._loop.state["lm_head.weight"]["step"]) for s in stream] == [1, 2, 1, 2, 1, 2]


def test_the_draw_depends_on_seed_and_step_alone():
    lisa = Lisa(gamma=2, K=5)
    a, b, c = (lisa.attach(toy_llama(seed=s), streams) for s, streams in
               ((0, Streams(1)), (7, Streams(1)), (0, Streams(1, own={"blocks": 2}))))
    torch.manual_seed(5)
    backwards = {t: {w.layer for w in a.active(t)} for t in reversed(range(200))}
    assert backwards == {t: {w.layer for w in b.active(t)} for t in range(200)}
    assert backwards != {t: {w.layer for w in c.active(t)} for t in range(200)}


def test_only_the_blocks_stream_differs_with_a_layer_seed():
    one, other = (run(toy_llama(), papers.lisa(lr=1e-2, gamma=1, K=1), Training(steps=1, batch_size=4), s)[0][0].loss
                  for s in (Streams(1), Streams(1, own={"blocks": 5})))
    assert one == other  # same data, same initial weights: the first loss does not see the draw


def test_draw_frequencies_follow_the_shares():
    streams, n = Streams(0), 4000
    share = torch.tensor([1, 2, 3, 4], dtype=torch.float64) / 10
    exact = Counter(b for t in range(n) for b in Lisa(gamma=1).blocks(t, share, streams))
    coin = [Lisa(gamma=2, draw="bernoulli").blocks(t, torch.full((4,), 0.25, dtype=torch.float64), streams)
            for t in range(n)]
    for block, p in enumerate(share.tolist()):
        assert exact[block] / n == pytest.approx(p, abs=4 * (p * (1 - p) / n) ** 0.5)
    assert {len(c) for c in coin} == {0, 1, 2, 3, 4}
    assert sum(map(len, coin)) / n == pytest.approx(2, abs=4 * (1 / n) ** 0.5)


@pytest.mark.parametrize("kind", ["increasing", "decreasing", "norm"])
def test_unequal_probabilities_prefer_the_blocks_they_name(kind):
    model = toy_llama()
    with torch.no_grad():
        for p in model.model.layers[1].parameters():
            p.mul_(50)
    attached = Lisa(gamma=1, K=1, probabilities=kind).attach(model, Streams(0))
    drawn = Counter(w.layer for t in range(600) for w in attached.active(t)[1:2])
    favourite = {"increasing": 3, "decreasing": 0, "norm": 1}[kind]
    assert drawn.most_common(1)[0][0] == favourite


def test_reweighting_stretches_block_steps_by_one_over_p():
    plain, stretched = toy_llama(), toy_llama()
    start = weights_of(plain)
    recipe = papers.lisa(lr=1e-2, gamma=1, K=1)
    one = Training(steps=1, batch_size=5)
    run(plain, recipe, one)
    run(stretched, dataclasses.replace(recipe, scope=dataclasses.replace(recipe.scope, reweight=True)), one)
    moved = {block_of(n) for n, t in weights_of(plain).items() if not torch.equal(t, start[n])} - {None}
    assert len(moved) == 1
    for name, tensor in weights_of(stretched).items():
        factor = 4 if block_of(name) in moved else 1
        torch.testing.assert_close(tensor - start[name], factor * (weights_of(plain)[name] - start[name]))


@pytest.mark.parametrize(("off", "frozen"), [({"embeddings": False}, "model.embed_tokens.weight"),
                                             ({"head": False}, "lm_head.weight"),
                                             ({"final_norm": False}, "model.norm.weight")])
def test_what_lies_outside_the_blocks_can_be_frozen(off, frozen):
    for _, moved, _, _ in run(toy_llama(), papers.lisa(lr=1e-2, gamma=1, K=2, **off)):
        assert frozen not in moved


def test_a_tied_embedding_moves_while_either_of_its_roles_does():
    for off in ({"embeddings": False}, {"head": False}):
        for _, moved, _, _ in run(toy_llama(tied=True), papers.lisa(lr=1e-2, gamma=1, K=2, **off)):
            assert "model.embed_tokens.weight" in moved
    rows = run(toy_llama(tied=True), papers.lisa(lr=1e-2, gamma=1, K=2, embeddings=False, head=False))
    assert all("model.embed_tokens.weight" not in moved for _, moved, _, _ in rows)


def test_lisa_over_lora_samples_adapters_by_block():
    model = toy_llama()
    recipe = dataclasses.replace(papers.lisa(lr=1e-2), scope=Lisa(gamma=1, K=2, of=Lora(r=2)))
    stream = fit(model, recipe, toy_examples(), TRAINING, Streams(0), pad_id=PAD)
    next(stream)
    for snapshot in stream:
        assert {w.role for w in snapshot.active} == {Role.ADAPTER}
        assert len({w.layer for w in snapshot.active}) == 1


def test_frozen_blocks_do_not_drift_on_old_gradients_momentum_or_decay():
    recipe = dataclasses.replace(papers.lisa(lr=1e-2, gamma=1, K=1, on_switch="keep"),
                                 update=papers.full(lr=1e-2, weight_decay=0.5).update)
    for snapshot, moved, _, _ in run(toy_llama(), recipe, Training(steps=20, batch_size=4)):
        assert moved <= {w.name for w in snapshot.active}


@pytest.mark.parametrize(("scope", "why"), [
    (Lisa(gamma=5), "gamma 5 on a model of 4 blocks"), (Lisa(gamma=-1), "gamma -1"), (Lisa(K=0), "K = 0"),
    (Lisa(gamma=1, of=Adapter(PARTIAL)), "leaves a block without weights"),
    (Lisa(gamma=3, draw="bernoulli", probabilities="increasing"), "a chance of 1.20"),
    (Lisa(gamma=0, embeddings=False, head=False, final_norm=False), "nothing would move"),
    (Lisa(gamma=1, draw="bernoulli", embeddings=False, head=False, final_norm=False), "nothing would move")])
def test_impossible_choices_are_refused_in_one_sentence(scope, why):
    with pytest.raises(Refused, match=why) as refusal:
        scope.attach(toy_llama(), Streams(0))
    assert "because" in str(refusal.value)
    assert "; use " in str(refusal.value)


def test_anatomy_and_lisa_agree_on_the_blocks():
    assert anatomy.read(toy_llama(blocks=6)).n_blocks == 6


def test_reset_is_the_authors_separate_jobs_in_float64():
    data, steps, K = toy_examples(20), 9, 3
    ours, theirs = toy_gpt2().double(), toy_gpt2().double()
    recipe = papers.lisa(lr=1e-2, gamma=2, K=K)
    stream = fit(ours, recipe, data, Training(steps=steps, batch_size=20), Streams(3), pad_id=PAD)
    next(stream)
    ours.double().load_state_dict(theirs.state_dict())
    drawn = []
    for snapshot in stream:
        drawn.append({w.layer for w in snapshot.active} - {None})

    def loss_at(model, step):
        batch = collate(data, Streams(3).permutation(20, "order", step).tolist(), PAD)
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten())

    lisa_by_separate_jobs(theirs, drawn[::K], K, 1e-2, loss_at, block_of)
    for name, tensor in weights_of(theirs).items():
        torch.testing.assert_close(weights_of(ours)[name], tensor, rtol=1e-9, atol=1e-11)
