"""Prefix: at step 0 it is the tokens it starts as, it trains alone, it loads in plain peft, and it evaluates."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn

from methods.fit import fit
from methods.losses import mean_loss
from methods.parts import Attached, Refused, Role
from methods.recipe import Recipe
from methods.scope.lora import Lora
from methods.scope.prefix import Prefix
from methods.streams import Streams
from methods.training import Training
from methods.update.adamw import AdamW
from tests.test_anatomy import CONFIGS, build
from tests.toys import PAD, VOCABULARY, toy_examples, toy_gpt2, toy_llama, weights_of

CAUSAL = [kind for kind in CONFIGS if kind != "roberta"]
TOKENS, IDS = (7, 3, 9, 11, 5), torch.arange(1, 9)[None]


def attach(model: nn.Module, scope: Prefix | None = None, seed: int = 0) -> Attached:
    return (scope or Prefix()).attach(model, Streams(seed))


def behind(model: nn.Module, tokens: tuple[int, ...], ids: Tensor) -> Tensor:
    """The slow obvious way: the text is read behind the real tokens."""
    with torch.no_grad():
        return model.eval()(input_ids=torch.cat([torch.tensor([tokens]), ids], 1)).logits[:, len(tokens):]


@pytest.mark.parametrize("kind", CAUSAL)
def test_at_step_0_the_model_answers_as_behind_the_tokens(kind):
    with torch.no_grad():
        expected = behind(build(kind).double(), TOKENS, IDS)
        attached = attach(build(kind).double(), Prefix(tokens=TOKENS))
        got = attached.model.eval()(input_ids=IDS, use_cache=False).logits
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)  # norms of some round to float32
        attached.weights[0].tensor.add_(1.0)
        assert not torch.allclose(attached.model(input_ids=IDS, use_cache=False).logits, expected, rtol=1e-3, atol=1e-3)


def test_in_float64_it_is_the_same_to_the_last_digits():
    expected = behind(toy_gpt2().double(), TOKENS, IDS)
    got = attach(toy_gpt2().double(), Prefix(tokens=TOKENS)).model.eval()(input_ids=IDS).logits
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", CAUSAL)
def test_as_many_weights_move_as_arithmetic_says(kind):
    config, model = CONFIGS[kind], build(kind)
    heads = config.get("num_key_value_heads", 4)
    attached = attach(model, Prefix(m=3))
    assert sum(w.tensor.numel() for w in attached.weights) == 3 * 2 * 3 * heads * config.get("head_dim", 8)
    assert {w.role for w in attached.weights} == {Role.ADAPTER}
    assert [id(w.tensor) for w in attached.weights] == [id(p) for p in attached.model.parameters() if p.requires_grad]


def test_the_draw_depends_on_the_seed_alone():
    torch.manual_seed(1)
    models = [toy_llama() for _ in range(3)]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = attach(models[0], seed=1).weights[0].tensor
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(77)
    assert torch.equal(one, attach(models[1], seed=1).weights[0].tensor)
    assert not torch.equal(one, attach(models[2], seed=2).weights[0].tensor)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_prefix_has_the_bases_dtype(dtype):
    assert attach(toy_llama().to(dtype)).weights[0].tensor.dtype is dtype


@pytest.mark.parametrize("make", [toy_llama, toy_gpt2])
def test_training_lowers_the_loss_and_moves_the_prefix_alone(make):
    model, data = make(), toy_examples()
    before = weights_of(model)
    start, _ = mean_loss(attach(make()).model, data, pad_id=PAD, batch_size=8)
    recipe = Recipe(scope=Prefix(), update=AdamW(lr=0.3))
    run = fit(model, recipe, data, Training(steps=25, batch_size=22), Streams(0), pad_id=PAD)
    first = next(run).weights[0].tensor.detach().clone()
    last = list(run)[-1]
    losses, _ = mean_loss(last.model, data, pad_id=PAD, batch_size=8)
    assert losses.mean() < start.mean() - 0.02
    assert not torch.equal(last.weights[0].tensor, first)
    after = weights_of(last.model.get_base_model())
    assert all(torch.equal(after[n], before[n]) for n in before)


def test_a_padded_batch_is_its_rows():
    """The prefix stands before every row, however much padding follows."""
    model = attach(toy_gpt2().double()).model.eval()
    data = toy_examples(6)
    together, _ = mean_loss(model, data, pad_id=PAD, batch_size=6)
    alone, _ = mean_loss(model, data, pad_id=PAD, batch_size=1)
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("make", [toy_llama, toy_gpt2])
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_a_saved_prefix_loads_in_plain_peft(make, tmp_path: Path):
    attached = attach(make())
    with torch.no_grad():
        attached.weights[0].tensor.add_(0.3)
        expected = attached.model.eval()(input_ids=IDS).logits
        attached.model.save_pretrained(tmp_path)
        loaded = PeftModel.from_pretrained(make(), str(tmp_path)).eval()
        torch.testing.assert_close(loaded(input_ids=IDS).logits, expected)


def test_generation_reads_the_prefix():
    with torch.no_grad():
        model = toy_gpt2().eval()
        slow = model.generate(torch.cat([torch.tensor([TOKENS]), IDS], 1), max_new_tokens=4, do_sample=False, pad_token_id=PAD,
                              attention_mask=torch.ones(1, 13, dtype=torch.long))[:, 13:]
        quick = attach(toy_gpt2(), Prefix(tokens=TOKENS)).model.eval().generate(
            input_ids=IDS, attention_mask=torch.ones_like(IDS), max_new_tokens=4, do_sample=False, pad_token_id=PAD)[:, 8:]
    assert torch.equal(slow, quick)


@pytest.mark.parametrize(("make", "why"), [
    (lambda: Prefix(m=0), "m >= 1"), (lambda: Prefix(m=2, tokens=(1,)), "m tokens"),
    (lambda: attach(toy_llama(), Prefix(m=1, tokens=(VOCABULARY,))), f"from 0 to {VOCABULARY - 1}"),
    (lambda: attach(build("roberta")), "use Lora or Full"),
    (lambda: attach(Lora(r=2).attach(toy_llama(), Streams(0)).model), "merge_and_unload"),
])
def test_what_cannot_have_a_prefix_is_refused_in_one_sentence(make, why):
    with pytest.raises(Refused, match=why) as refusal:
        make()
    assert "because" in str(refusal.value)
