"""Members in one pass: what PEFT computes one by one, on a model that is left as it was."""
from __future__ import annotations

import copy
import gc
import warnings

import pytest
import torch
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model

from methods import stacked as module
from methods.adapters import Adapters, averaged
from methods.parts import Refused
from methods.stacked import repeated, stacked
from tests.reference import members as reference
from tests.toys import VOCABULARY, toy_gpt2, toy_llama, weights_of

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
WEIGHTS = "adapter_model.safetensors"
NAMES = ("one", "two", "three")
LLAMA = ({"r": 3, "target_modules": ["q_proj", "v_proj", "down_proj"], "rank_pattern": {"layers.1.self_attn.q_proj": 5},
          "alpha_pattern": {"v_proj": 9}},
         {"r": 2, "target_modules": ["q_proj", "o_proj"], "use_rslora": True},
         {"r": 4, "target_modules": ["gate_proj", "v_proj", "q_proj"], "init_lora_weights": "orthogonal"})
GPT2 = tuple({"r": r, "target_modules": targets, "fan_in_fan_out": True}
             for r, targets in ((2, ["c_attn"]), (3, ["c_fc", "mlp.c_proj"]), (1, ["c_attn", "c_fc"])))


def team(make=toy_llama, configs=LLAMA, dtype=torch.float64):
    """The base, a PEFT model of its own with the members one, two, ..., and these members."""
    base = make().to(dtype).eval()
    names = NAMES[:len(configs)]
    wrapped = None
    for i, (name, fields) in enumerate(zip(names, configs, strict=True)):
        torch.manual_seed(i)
        config = LoraConfig(**{"init_lora_weights": False, "lora_alpha": 6} | fields)
        if wrapped is None:
            wrapped = get_peft_model(copy.deepcopy(base), config, name, autocast_adapter_dtype=False)
        else:
            wrapped.add_adapter(name, config, autocast_adapter_dtype=False)
    wrapped = wrapped.to(dtype).eval()
    with torch.no_grad():
        for name, p in wrapped.named_parameters():
            if "lora_B" in name:
                p.normal_(0, 0.2)
    return base, wrapped, [Adapters.of(wrapped, name) for name in names]


def batch(rows=2, tokens=7):
    ids = torch.randint(1, VOCABULARY, (rows, tokens), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    mask[0, :2] = 0
    return ids, mask


def scored(base, members, ids, mask, **kw):
    with stacked(base, members), torch.no_grad():
        return base(input_ids=repeated(ids, len(members)), attention_mask=repeated(mask, len(members)), **kw).logits


@pytest.mark.parametrize(("make", "configs"), [(toy_llama, LLAMA), (toy_gpt2, GPT2)])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (9, 20)])
@pytest.mark.parametrize("at_once", [1, 2**21])
@pytest.mark.parametrize("few", [0, module.FEW])
def test_what_pefts_adapters_compute_one_by_one(make, configs, dtype, near, size, at_once, few, monkeypatch):
    """Ranks, targets and scalings differ; with few rows and many, all members at once and a few at a time."""
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    monkeypatch.setattr(module, "FEW", few)
    base, wrapped, members = team(make, configs, dtype)
    ids, mask = batch(*size)
    mask[:, -1] = 1
    expected = reference.logits(wrapped, NAMES, ids, mask)
    seen = mask.bool().repeat(3, 1)
    for kw in ({"use_cache": False}, {}):
        got = scored(base, members, ids, mask, **kw)
        torch.testing.assert_close(got[seen], expected[seen], rtol=0, atol=near)
    last = scored(base, members, ids, mask, use_cache=False, logits_to_keep=1)
    torch.testing.assert_close(last[:, 0], expected[:, -1], rtol=0, atol=near)
    assert not torch.allclose(expected[:size[0]], expected[size[0]:2 * size[0]])


def test_gradients_flow_where_they_are_asked_for(monkeypatch):
    base, wrapped, members = team()
    ids, mask = batch(6, 20)
    wrapped.set_adapter("two")
    rows = [m.get_input_embeddings().weight for m in (base, wrapped)]
    with stacked(base, members[1:2]):
        ours = torch.autograd.grad(base(input_ids=ids, attention_mask=mask).logits.square().sum(), rows[0])[0]
    rows[1].requires_grad_(True)
    theirs = torch.autograd.grad(wrapped(input_ids=ids, attention_mask=mask).logits.square().sum(), rows[1])[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_adapters_wider_than_the_base_compute_as_in_peft():
    base, wrapped, _ = team(dtype=torch.bfloat16)
    for name, p in wrapped.named_parameters():
        if "lora_" in name:
            p.data = p.data.float()
    ids, mask = batch()
    got = scored(base, [Adapters.of(wrapped, name) for name in NAMES], ids, mask)
    assert got.dtype == torch.bfloat16
    expected = reference.logits(wrapped, NAMES, ids, mask)
    seen = mask.bool().repeat(3, 1)
    torch.testing.assert_close(got[seen], expected[seen], rtol=0.05, atol=0.05)


def test_one_member_is_itself_and_the_order_of_members_is_that_of_the_rows():
    base, wrapped, members = team()
    ids, mask = batch()
    mask[:] = 1
    wrapped.set_adapter("three")
    with torch.no_grad():
        alone = wrapped(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(scored(base, members[2:], ids, mask), alone, rtol=0, atol=1e-12)
    ours = scored(base, members, ids, mask).view(3, *alone.shape)
    other = scored(base, [members[i] for i in (2, 0, 1)], ids, mask).view(3, *alone.shape)
    torch.testing.assert_close(other, ours[[2, 0, 1]], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("make", "configs"), [(toy_llama, LLAMA), (toy_gpt2, GPT2)])
def test_round_trips_through_pefts_folders(make, configs, tmp_path):
    base, wrapped, members = team(make, configs)
    ids, mask = batch()
    mask[:] = 1
    wrapped.save_pretrained(tmp_path / "peft")
    expected = reference.logits(wrapped, NAMES, ids, mask)
    read = [Adapters.read(tmp_path / "peft" / name, base) for name in NAMES]
    torch.testing.assert_close(scored(base, read, ids, mask), expected, rtol=0, atol=1e-12)
    for name, member, rows in zip(NAMES, members, expected.chunk(3), strict=True):
        folder = member.write(tmp_path / "ours" / name, "the base")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            loaded = PeftModel.from_pretrained(make().double(), folder).eval()
        assert loaded.peft_config["default"].base_model_name_or_path == "the base"
        with torch.no_grad():
            torch.testing.assert_close(loaded(input_ids=ids, attention_mask=mask).logits, rows, rtol=0, atol=1e-12)
        again = Adapters.read(folder, base)
        assert again.factors.keys() == member.factors.keys()
        assert all(torch.equal(s, t) for n in again.factors for s, t in zip(again.factors[n], member.factors[n], strict=True))


@pytest.mark.parametrize(("make", "configs"), [(toy_llama, LLAMA), (toy_gpt2, GPT2)])
def test_the_average_is_that_of_the_merged_weights(make, configs):
    base, wrapped, members = team(make, configs)
    one = averaged(members)
    for name, (a, b) in one.factors.items():
        weight = base.get_submodule(name).weight
        sum_ = b @ a if make is toy_llama else (b @ a).T
        torch.testing.assert_close(weight + sum_, reference.mean_of_merged(wrapped, NAMES, name), rtol=0, atol=1e-12)
        assert len(a) == sum(len(m.factors[name][0]) for m in members if name in m.factors)
    assert set(one.factors) == {n for m in members for n in m.factors}


def test_the_model_leaves_as_it_came_also_after_a_failure():
    base, _, members = team()
    ids, mask = batch()
    own, before = base.forward, weights_of(base)
    with torch.no_grad():
        plain = base(input_ids=ids, attention_mask=mask).logits
    base.lm_head.forward = base.lm_head.forward  # a forward of its own stays
    kept = vars(base.lm_head)["forward"]
    with pytest.raises(KeyError), stacked(base, members):
        raise KeyError
    with pytest.raises(Refused), stacked(base, [*members, Adapters({"nowhere": (torch.ones(1, 1), torch.ones(1, 1))})]):
        pass
    scored(base, members, ids, mask)
    assert [n for n, m in base.named_modules() if "forward" in vars(m)] == ["lm_head"]
    assert vars(base.lm_head)["forward"] is kept
    assert base.forward == own
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in base.modules())
    assert all(torch.equal(p, before[n]) for n, p in base.named_parameters())
    with torch.no_grad():
        assert torch.equal(base(input_ids=ids, attention_mask=mask).logits, plain)


def test_nothing_but_the_filled_up_adapters_is_held():
    base, _, members = team(dtype=torch.float32)
    ids, mask = batch()
    before = storages()
    with stacked(base, members) as held:
        scored_once = base(input_ids=repeated(ids, 3), attention_mask=repeated(mask, 3), use_cache=False).logits.shape
        extra = sum(size for place, size in storages().items() if place not in before)
    assert scored_once[0] == 6
    ranks = {n: max(len(m.factors[n][0]) for m in members if n in m.factors) for n in held}
    shapes = {n: base.get_submodule(n).weight.shape for n in held}
    assert extra == sum(3 * ranks[n] * sum(shapes[n]) * 4 for n in held) == sum(t.nbytes for both in held.values() for t in both)


def storages():
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors = [o for o in gc.get_objects() if isinstance(o, torch.Tensor)]
    return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}


def adapted(**fields):
    return get_peft_model(toy_llama(), LoraConfig(**{"r": 2, "target_modules": ["q_proj"]} | fields))


@pytest.mark.parametrize(("fields", "why"), [
    ({"use_dora": True}, "use_dora"), ({"bias": "lora_only"}, "trains biases"), ({"lora_bias": True}, "lora_bias"),
    ({"modules_to_save": ["lm_head"]}, "modules_to_save"), ({"target_modules": ["embed_tokens"]}, "is a Embedding"),
    ({"init_lora_weights": "pissa"}, "pissa has changed the base")])
@pytest.mark.filterwarnings("ignore")
def test_what_is_more_than_two_factors_is_refused(fields, why, tmp_path):
    wrapped = adapted(**fields)
    wrapped.save_pretrained(tmp_path)
    for attempt in (lambda: Adapters.of(wrapped), lambda: Adapters.read(tmp_path, toy_llama())):
        with pytest.raises(Refused, match=why) as refusal:
            attempt()
        assert "because" in str(refusal.value)
        assert "; use " in str(refusal.value)


@pytest.mark.filterwarnings("ignore")
def test_other_refusals(tmp_path):
    base, wrapped, members = team()
    ids, mask = batch()
    odd = Adapters({"model.norm": (torch.ones(1, 16), torch.ones(16, 1))})
    thin = Adapters({"lm_head": (torch.ones(1, 3), torch.ones(VOCABULARY, 1))})
    wrapped.save_pretrained(tmp_path)
    (tmp_path / "one" / WEIGHTS).write_bytes((tmp_path / "two" / WEIGHTS).read_bytes())
    attempts = {
        "no members": lambda: scored(base, [], ids, mask), "PEFT has wrapped": lambda: scored(wrapped, members, ids, mask),
        "no linear layer there": lambda: scored(base, [odd], ids, mask),
        "maps 3 numbers": lambda: scored(base, [thin], ids, mask), "no such adapter": lambda: Adapters.of(wrapped, "nobody"),
        "no adapter_config": lambda: Adapters.read(tmp_path / "x", base),
        "missing or do not have the shape": lambda: Adapters.read(tmp_path / "one", base),
        "PEFT says": lambda: Adapters.read(tmp_path / "two", toy_gpt2()), "and not LoRA": lambda: Adapters.of(
            get_peft_model(toy_llama(), IA3Config(target_modules=["k_proj"], feedforward_modules=[])))}
    for why, attempt in attempts.items():
        with pytest.raises(Refused, match=why) as refusal:
            attempt()
        assert "; use " in str(refusal.value)
    with stacked(base, members), pytest.raises(Refused, match="4 rows through 3 members"):
        base(input_ids=repeated(ids, 2))
    with stacked(base, members), pytest.raises(Refused, match="2 rows through 3 members"):
        base(ids)
