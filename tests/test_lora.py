"""LoRA and other adapters: sizes by arithmetic, a start that changes nothing, reproducible draws, loading in plain PEFT."""
from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import pytest
import torch
from peft import IA3Config, LoraConfig, LoraModel, PeftModel
from torch import Tensor, nn

from methods import anatomy
from methods.parts import Attached, Refused, Role
from methods.scope.lora import Adapter, Lora
from methods.streams import Streams
from tests.test_anatomy import CONFIGS, build, every_architecture
from tests.toys import toy_gpt2, toy_llama

IDS = torch.arange(1, 9)[None]


def attach(scope: Lora | Adapter, model: nn.Module | None = None, seed: int = 0) -> Attached:
    return scope.attach(toy_llama() if model is None else model, Streams(seed))


def drawn(attached: Attached) -> dict[str, Tensor]:
    return {w.name: w.tensor.detach().clone() for w in attached.weights}


def shape(module: nn.Module) -> tuple[int, int]:
    rows, columns = module.weight.shape
    return int(rows), int(columns)


@every_architecture
@pytest.mark.parametrize("targets", ["linears", "query_value"])
@pytest.mark.parametrize("ends", [False, True])
def test_as_many_weights_train_as_arithmetic_says(kind, targets, ends):
    model = build(kind)
    body = anatomy.read(model)
    leaves = body.linears if targets == "linears" else body.query_value
    inside = [m for b in body.blocks for n, m in b.named_modules() if n.rpartition(".")[2] in leaves]
    adapted = [m for m in inside if type(m).__name__ in ("Linear", "Conv1D")]
    if ends:
        tables = [m for m in model.modules() if isinstance(m, nn.Embedding) and "OPTLearned" not in type(m).__name__]
        adapted += [*tables, model.get_output_embeddings()]
    expected = sum(3 * sum(shape(m)) for m in adapted)
    attached = attach(Lora(r=3, targets=targets, embeddings=ends), model)
    assert sum(w.tensor.numel() for w in attached.weights) == expected > 0
    assert {w.role for w in attached.weights} == {Role.ADAPTER}
    assert {id(w.tensor) for w in attached.weights} == {id(p) for p in attached.model.parameters() if p.requires_grad}
    assert attached.active(0) == attached.active(7) == attached.weights


@every_architecture
@pytest.mark.parametrize("ends", [False, True])
def test_at_step_0_the_wrapped_model_is_the_base(kind, ends):
    with torch.no_grad():
        plain = build(kind)(input_ids=IDS).logits
        attached = attach(Lora(r=3, embeddings=ends, dropout=0.1), build(kind))
        assert torch.equal(attached.model.eval()(input_ids=IDS).logits, plain)
        for weight in attached.weights:
            weight.tensor.add_(0.1)
        assert not torch.allclose(attached.model(input_ids=IDS).logits, plain)


@pytest.mark.parametrize("scope", [Lora(r=2, embeddings=True), Lora(r=2, init="gaussian"),
                                   Adapter.of(LoraConfig(r=2, target_modules=["q_proj"]))])
def test_the_draw_depends_on_the_seed_alone_and_touches_no_global_generator(scope):
    models = [toy_llama(seed=seed) for seed in (1, 2, 3)]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = drawn(attach(scope, models[0], seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = drawn(attach(scope, models[1], seed=3)), drawn(attach(scope, models[2], seed=4))
    random = [n for n, t in first.items() if bool(t.any())]
    assert random
    assert all(torch.equal(first[n], again[n]) for n in first)
    assert not any(torch.equal(first[n], other[n]) for n in random)


def test_an_own_seed_for_init_changes_only_the_draw():
    one = Lora(r=2).attach(toy_llama(), Streams(0, {"init": 8}))
    two = Lora(r=2).attach(toy_llama(), Streams(5, {"init": 8}))
    assert all(torch.equal(t, drawn(two)[n]) for n, t in drawn(one).items())


def test_norms_at_step_0_are_those_of_the_initialisation():
    """sqrt(r d) for an embedding, sqrt(n r / 3) for n linear layers: what LISA's layer norms look like untrained."""
    r, n, repeats = 16, 7, 8
    squares = {"embedding": 0.0, "block": 0.0, "head": 0.0}
    for seed in range(repeats):
        for weight in attach(Lora(r=r, embeddings=True), seed=seed).weights:
            place = "embedding" if weight.plays(Role.EMBEDDING) else "head" if weight.plays(Role.HEAD) else "block"
            if place != "block" or weight.layer == 1:
                squares[place] += float(weight.tensor.detach().square().sum()) / repeats
    assert math.sqrt(squares["embedding"]) == pytest.approx(math.sqrt(r * 16), rel=0.05)
    assert math.sqrt(squares["block"]) == pytest.approx(math.sqrt(n * r / 3), rel=0.05)
    assert math.sqrt(squares["head"]) == pytest.approx(math.sqrt(r / 3), rel=0.05)


def test_gaussian_initialisation_has_another_norm():
    squares = [float(w.tensor.detach().square().mean()) for w in attach(Lora(r=8, init="gaussian")).weights if "lora_A" in w.name]
    assert sum(squares) / len(squares) == pytest.approx(1 / 8**2, rel=0.1)


@pytest.mark.parametrize("make", [toy_llama, toy_gpt2])
@pytest.mark.parametrize("scope", [Lora(r=2, alpha=4.0), Lora(r=2, targets="query_value", options=(("use_dora", True),))])
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_a_saved_adapter_loads_in_plain_peft(make, scope, tmp_path: Path):
    attached = attach(scope, make())
    with torch.no_grad():
        for weight in attached.weights:
            weight.tensor.add_(0.05)
        expected = attached.model.eval()(input_ids=IDS).logits
        attached.model.save_pretrained(tmp_path)
        loaded = PeftModel.from_pretrained(make(), str(tmp_path)).eval()
        torch.testing.assert_close(loaded(input_ids=IDS).logits, expected)
        merged = loaded.merge_and_unload()
        torch.testing.assert_close(merged(input_ids=IDS).logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "roberta", "opt"])
def test_only_layers_of_the_blocks_are_adapted(kind):
    """RoBERTa's head has a layer called as those of its blocks; OPT has projections beside them."""
    body = anatomy.read(attach(Lora(r=2), build(kind)).model)
    assert {w.layer for w in body.weights if w.role is Role.ADAPTER} == {0, 1, 2}


@pytest.mark.parametrize(("autocast", "dtype"), [(False, torch.bfloat16), (True, torch.float32)])
def test_adapters_have_the_bases_dtype_unless_told(autocast, dtype):
    attached = attach(Lora(r=2, autocast_adapter_dtype=autocast), toy_llama().bfloat16())
    assert {w.tensor.dtype for w in attached.weights} == {dtype}


def test_options_reach_peft():
    attached = attach(Lora(r=2, options=(("bias", "lora_only"), ("use_rslora", True), ("layers_to_transform", (0, 2)),
                                         ("target_modules", ("q_proj",)))))
    config = attached.model.peft_config["default"]
    assert config.use_rslora
    assert {w.layer for w in attached.weights} == {0, 2}
    biased = attach(Lora(r=2, options=(("bias", "lora_only"),)), toy_gpt2())
    assert {w.role for w in biased.weights} == {Role.ADAPTER, Role.BIAS}


def test_any_peft_configuration_is_an_adapter():
    scope = Adapter.of(IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]))
    attached = attach(scope)
    assert len(attached.weights) == 3 * 4
    assert scope == Adapter(scope.config)
    assert hash(scope) == hash(Adapter(scope.config))
    assert json.loads(scope.config)["peft_type"] == "IA3"
    low = attach(Adapter('{"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"]}'))
    assert isinstance(low.model.base_model, LoraModel)


def test_no_warning_gets_through_that_means_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (toy_gpt2(), toy_llama(tied=True)):
            attach(Lora(r=2, embeddings=True), model)


@pytest.mark.parametrize(("scope", "why"), [
    (Lora(targets=("q_proj", "nowhere")), "no such linear layer"), (Lora(targets=()), "no such linear layer"),
    (Lora(options=(("rnak", 4),)), "PEFT says"), (Lora(options=(("target_modules", ("nowhere",)),)), "PEFT says"),
    (Adapter("{}"), "PEFT cannot read it"), (Adapter("no json"), "PEFT cannot read it"),
    (Adapter('{"peft_type": "LORA", "target_modules": ["nowhere"]}'), "PEFT says"),
    (Adapter('{"peft_type": "LORA", "target_modules": ["q_proj"], "inference_mode": true}'), "adds nothing that trains")])
def test_what_cannot_be_adapted_is_refused_in_one_sentence(scope, why):
    with pytest.raises(Refused, match=why) as refusal:
        attach(scope)
    assert "because" in str(refusal.value)
    assert "; use " in str(refusal.value)


def test_a_second_set_of_adapters_and_a_rank_of_zero_are_refused():
    once = attach(Lora(r=2))
    with pytest.raises(Refused, match="already has some"):
        attach(Lora(r=2), once.model)
    with pytest.raises(Refused, match="r = 0"):
        Lora(r=0)


def test_every_architecture_has_a_configuration_here():
    assert set(CONFIGS) == set(anatomy.LAYOUTS)
