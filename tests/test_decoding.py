"""Texts that members write together: the same tokens as without cache, stacking or padding."""
from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig

from methods.decoding import Common, generate, log_mean, vote
from methods.parts import Refused
from tests.reference import members as reference
from tests.test_stacked import GPT2, LLAMA, NAMES, team
from tests.toys import PAD, VOCABULARY, toy_gpt2, toy_llama

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def prompts(lengths=(3, 6, 1, 4)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(1, VOCABULARY, (n,), generator=generator) for n in lengths]


def left(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD, padding_side="left")
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(r) for r in rows], batch_first=True, padding_side="left")
    return ids, mask


@pytest.mark.parametrize(("make", "configs"), [(toy_llama, LLAMA), (toy_gpt2, GPT2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_tokens_as_each_prompt_alone_without_a_cache(make, configs, dtype):
    base, wrapped, members = team(make, configs, dtype)
    rows = prompts()
    expected = reference.greedy(wrapped, NAMES, rows, 8, None, PAD)
    assert torch.equal(generate(base, members, *left(rows), 8, None, PAD), expected)
    eos = int(expected[0, 3])
    ended = reference.greedy(wrapped, NAMES, rows, 8, eos, PAD)
    assert torch.equal(generate(base, members, *left(rows), 8, eos, PAD), ended)
    alone = torch.cat([generate(base, members, r[None], torch.ones_like(r[None]), 8, None, PAD) for r in rows])
    assert torch.equal(alone, expected)


def test_one_member_writes_its_own_text_and_the_order_does_not_matter():
    base, wrapped, members = team()
    rows = prompts()
    together = generate(base, members, *left(rows), 8, None, PAD)
    assert torch.equal(generate(base, [members[i] for i in (2, 0, 1)], *left(rows), 8, None, PAD), together)
    own = generate(base, members[1:2], *left(rows), 8, None, PAD)
    assert torch.equal(own, reference.greedy(wrapped, NAMES[1:2], rows, 8, None, PAD))
    assert not torch.equal(own, together)


def test_scores_are_the_mean_of_probabilities():
    logits = torch.randn(3, 4, 9, dtype=torch.float64) * 4
    expected = logits.softmax(-1).mean(0)
    torch.testing.assert_close(log_mean(logits).exp(), expected, rtol=0, atol=1e-12)
    rows = Common(3)(torch.zeros(12, 1), logits.view(12, 9)).view(3, 4, 9)
    assert all(torch.equal(row, log_mean(logits)) for row in rows)


def test_draws_follow_the_mean_and_their_generator_alone():
    logits = torch.randn(3, 1, 5) * 2
    many = logits.expand(3, 40_000, 5).reshape(-1, 5)
    scores = Common(3, torch.Generator().manual_seed(0))(torch.zeros(len(many), 1), many).view(3, -1, 5)
    assert torch.equal(scores[0], scores[2])
    assert bool(((scores[0] == 0).sum(-1) == 1).all())
    assert float(scores[0].min()) == -math.inf
    frequency = (scores[0] == 0).double().mean(0)
    torch.testing.assert_close(frequency, logits.double().softmax(-1).mean(0)[0], rtol=0, atol=0.01)


def test_sampling_repeats_with_its_seed_and_leaves_the_global_generator():
    base, _, members = team()
    rows = left(prompts())
    before = torch.get_rng_state()
    first, again, other = (generate(base, members, *rows, 8, None, PAD, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_models_own_generation_options_are_left_alone():
    base, _, members = team()
    rows = left(prompts())
    plain = generate(base, members, *rows, 6, None, PAD)
    base.generation_config = own = GenerationConfig(num_beams=4, repetition_penalty=5.0, do_sample=True, top_k=2, temperature=3.0)
    assert torch.equal(generate(base, members, *rows, 6, None, PAD), plain)
    assert base.generation_config is own
    assert not any("forward" in vars(m) for m in base.modules())


@pytest.mark.parametrize("options", [{"num_beams": 4}, {"num_return_sequences": 2, "top_k": 3}])
def test_beams_and_the_like_are_refused(options):
    base, _, members = team()
    with pytest.raises(Refused, match=", ".join(options)) as refusal:
        generate(base, members, *left(prompts()), 4, None, PAD, **options)
    assert "because" in str(refusal.value)
    assert "; use " in str(refusal.value)


def test_padding_on_the_right_is_refused():
    base, _, members = team()
    ids, mask = left(prompts())
    with pytest.raises(Refused, match="use padding on the left"):
        generate(base, members, ids.flip(1), mask.flip(1), 4, None, PAD)


def test_votes():
    assert vote([["x", "y", "p"], ["y", "x", "q"], ["y", "z", "r"]]) == ["y", "y", "p"]
    assert vote([["a", "b"], ["b", "c"], ["b", "c"], ["a", "b"]]) == ["a", "b"]
    assert vote([["only"]]) == ["only"]
    for texts in ([], [["a"], ["b", "c"]]):
        with pytest.raises(Refused, match="; use "):
            vote(texts)
