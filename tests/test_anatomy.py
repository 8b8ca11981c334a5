"""Anatomy: the same laws on a tiny random model of every architecture, plain and wrapped by PEFT."""
from __future__ import annotations

import functools

import pytest
import torch
from peft import IA3Config, LoraConfig, PromptTuningConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from methods import anatomy
from methods.parts import Refused, Role

PLAIN = {"vocab_size": 48, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
         "max_position_embeddings": 40, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
GROUPED = PLAIN | {"num_key_value_heads": 2}
CONFIGS = {
    "llama": GROUPED, "mistral": GROUPED, "qwen2": GROUPED, "qwen3": GROUPED | {"head_dim": 8}, "phi": GROUPED,
    "phi3": GROUPED, "gemma": GROUPED | {"head_dim": 16}, "gemma2": GROUPED | {"head_dim": 16},
    "gemma3_text": GROUPED | {"head_dim": 16},
    "gpt_neox": PLAIN, "roberta": PLAIN,
    "gpt2": {"vocab_size": 48, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 40, "bos_token_id": 1, "eos_token_id": 2},
    "opt": {"vocab_size": 48, "hidden_size": 32, "ffn_dim": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
            "max_position_embeddings": 40, "word_embed_proj_dim": 16, "bos_token_id": 1, "eos_token_id": 2},
}
VALUE_WIDTH = {kind: 32 if kind in ("gpt_neox", "roberta", "gpt2", "opt") else 2 * c.get("head_dim", 8)
               for kind, c in CONFIGS.items()}
INTO_OUTPUT = {"gpt2": "attn.c_proj", "gpt_neox": "attention.dense", "opt": "self_attn.out_proj", "phi": "self_attn.dense",
               "roberta": "attention.output.dense"}
every_architecture = pytest.mark.parametrize("kind", CONFIGS)


def build(kind: str, tied: bool | None = None, factory=None) -> PreTrainedModel:
    """A random model of three blocks; tied as its architecture usually is unless told."""
    extra = {} if tied is None else {"tie_word_embeddings": tied}
    torch.manual_seed(0)
    factory = factory or (AutoModelForMaskedLM if kind == "roberta" else AutoModelForCausalLM)
    return factory.from_config(AutoConfig.for_model(kind, **CONFIGS[kind], **extra)).eval()


@functools.cache
def taken_apart(kind: str, tied: bool | None = None) -> anatomy.Anatomy:
    return anatomy.read(build(kind, tied))


def test_every_layout_is_tested():
    assert set(CONFIGS) == set(anatomy.LAYOUTS)


@every_architecture
@pytest.mark.parametrize("tied", [False, True])
def test_every_parameter_belongs_to_exactly_one_weight(kind, tied):
    body = taken_apart(kind, tied)
    assert [id(w.tensor) for w in body.weights] == [id(p) for p in body.model.parameters()]
    assert [w.name for w in body.weights] == [n for n, _ in body.model.named_parameters()]
    assert sum(w.tensor.numel() for w in body.weights) == sum(p.numel() for p in body.model.parameters())


@every_architecture
def test_blocks_are_counted_from_the_input_and_alike(kind):
    body = taken_apart(kind)
    assert body.n_blocks == 3
    assert {w.layer for w in body.weights} == {None, 0, 1, 2}
    roles = [sorted((w.role, tuple(w.tensor.shape)) for w in body.weights if w.layer == i) for i in range(3)]
    assert roles[0] == roles[1] == roles[2]
    assert {role for role, _ in roles[0]} <= {Role.MATRIX, Role.NORM, Role.BIAS}
    own = {id(p): i for i, block in enumerate(body.blocks) for p in block.parameters()}
    assert all(own.get(id(w.tensor)) == w.layer for w in body.weights)


@every_architecture
@pytest.mark.parametrize("tied", [False, True])
def test_one_embedding_and_one_head_are_those_of_transformers(kind, tied):
    body = taken_apart(kind, tied)
    embedding, = (w for w in body.weights if w.plays(Role.EMBEDDING))
    head, = (w for w in body.weights if w.plays(Role.HEAD))
    assert embedding.tensor is body.model.get_input_embeddings().weight
    assert head.tensor is body.model.get_output_embeddings().weight
    assert (embedding is head) == tied
    assert embedding.tied == ((Role.HEAD,) if tied else ())


@every_architecture
def test_norms_biases_and_matrices_are_what_their_modules_are(kind):
    body = taken_apart(kind)
    for weight in body.weights:
        path, _, leaf = weight.name.rpartition(".")
        module = body.model.get_submodule(path)
        if "norm" in type(module).__name__.lower():
            assert weight.role in (Role.NORM, Role.FINAL_NORM)
        elif isinstance(module, nn.Embedding):
            assert weight.role in (Role.EMBEDDING, Role.POSITION)
        elif leaf == "bias":
            assert weight.role is Role.BIAS
        else:
            assert weight.role in (Role.MATRIX, Role.HEAD)
            assert weight.tensor.dim() == 2
    finals = {w.name.rpartition(".")[0] for w in body.weights if w.role is Role.FINAL_NORM}
    assert finals == {body.layout.final_norm}


@every_architecture
def test_linears_are_the_linear_modules_of_the_blocks(kind):
    body = taken_apart(kind)
    kinds = {id(m): n.rpartition(".")[2] for b in body.blocks for n, m in b.named_modules()
             if type(m).__name__ in ("Linear", "Conv1D")}
    assert set(body.linears) == set(kinds.values())
    assert set(body.query_value) <= set(body.linears)


@every_architecture
def test_the_value_slice_is_the_values(kind):
    """With its value rows (and their bias) at zero, a block's attention adds nothing up; and there are no more rows."""
    model = build(kind)
    body = anatomy.read(model)
    seen: list[Tensor] = []
    out = body.blocks[1].get_submodule(INTO_OUTPUT.get(kind, "self_attn.o_proj"))
    out.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    ids = torch.arange(1, 9)[None]
    value = body.value_projection(1)
    assert value.module == value.weight.removesuffix(".weight")
    assert sum(run.stop - run.start for run in value.rows) == VALUE_WIDTH[kind]
    with torch.no_grad():
        model(input_ids=ids)
        zero(body, value)
        model(input_ids=ids)
    assert float(seen[0].abs().min(-1).values.max()) > 0
    assert float(seen[1].abs().max()) == 0


@every_architecture
def test_queries_and_keys_are_told_apart(kind):
    """With keys at zero every score is equal, so the queries no longer matter; and the three slices share nothing."""
    model = build(kind)
    body = anatomy.read(model)
    query, key, value = (body.projection(part, 2) for part in anatomy.KINDS)
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        start = model(input_ids=ids).logits
        zero(body, key)
        without_keys = model(input_ids=ids).logits
        zero(body, query)
        without_both = model(input_ids=ids).logits
    assert not torch.equal(start, without_keys)
    torch.testing.assert_close(without_keys, without_both)
    taken = [(p.weight, row) for p in (query, key, value) for run in p.rows for row in range(run.start, run.stop)]
    assert len(taken) == len(set(taken))


def zero(body: anatomy.Anatomy, projection: anatomy.Projection) -> None:
    module = body.model.get_submodule(projection.module)
    for part in projection.parts(module.weight):
        part.zero_()
    for part in projection.parts(module.bias, 0) if module.bias is not None else ():
        part.zero_()


def test_a_block_that_is_not_there_has_no_projection():
    with pytest.raises(IndexError, match="no block 3"):
        taken_apart("llama").value_projection(3)


def test_odd_weights_have_the_right_roles():
    roles = {kind: {w.name: (w.role, w.layer) for w in taken_apart(kind).weights} for kind in ("opt", "roberta", "phi", "gpt2")}
    assert roles["opt"]["model.decoder.project_in.weight"] == (Role.MATRIX, None)
    assert roles["opt"]["model.decoder.embed_positions.weight"] == (Role.POSITION, None)
    assert roles["roberta"]["lm_head.dense.weight"] == (Role.MATRIX, None)
    assert roles["roberta"]["lm_head.layer_norm.bias"] == (Role.FINAL_NORM, None)
    assert roles["roberta"]["roberta.embeddings.LayerNorm.weight"] == (Role.NORM, None)
    assert roles["roberta"]["roberta.embeddings.token_type_embeddings.weight"] == (Role.POSITION, None)
    assert roles["roberta"]["lm_head.bias"] == (Role.BIAS, None)
    assert roles["phi"]["lm_head.bias"] == (Role.BIAS, None)
    assert roles["gpt2"]["transformer.wpe.weight"] == (Role.POSITION, None)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neox", "opt", "roberta", "phi"])
def test_sequence_classifiers_are_read_too(kind):
    body = anatomy.read(build(kind, factory=AutoModelForSequenceClassification))
    head, = (w for w in body.weights if w.plays(Role.HEAD))
    assert head.tensor.shape[0] == 2
    assert [id(w.tensor) for w in body.weights] == [id(p) for p in body.model.parameters()]


# ------------------------------------------------------------------------------------------------------ PEFT


def wrap(model: PreTrainedModel, config) -> nn.Module:
    return get_peft_model(model, config)


@every_architecture
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_a_wrapped_model_keeps_its_names_and_adapters_get_their_layer(kind):
    plain = {w.name: (w.role, w.layer, w.tied) for w in taken_apart(kind).weights}
    body = taken_apart(kind)
    config = LoraConfig(r=2, target_modules=list(body.query_value), fan_in_fan_out=kind == "gpt2", use_dora=True)
    wrapped = wrap(build(kind), config)
    again = anatomy.read(wrapped)
    assert {w.name: (w.role, w.layer, w.tied) for w in again.weights if w.role is not Role.ADAPTER} == plain
    adapters = [w for w in again.weights if w.role is Role.ADAPTER]
    assert len(adapters) == 3 * 3 * len(body.query_value)
    assert {w.layer for w in adapters} == {0, 1, 2}
    assert {id(w.tensor) for w in adapters} == {id(p) for p in wrapped.parameters() if p.requires_grad}
    assert {id(w.tensor) for w in again.weights} == {id(p) for p in wrapped.parameters()}
    assert len({w.name for w in again.weights}) == len(again.weights)
    assert again.linears == body.linears


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_adapters_outside_the_blocks_play_their_hosts_role():
    config = LoraConfig(r=2, target_modules=["embed_tokens", "lm_head", "q_proj"], modules_to_save=["norm"])
    body = anatomy.read(wrap(build("llama", tied=False), config))
    outside = {w.name: (w.tied, w.layer) for w in body.weights if w.role is Role.ADAPTER and w.layer is None}
    assert outside == {
        "model.embed_tokens.lora_embedding_A.default": ((Role.EMBEDDING,), None),
        "model.embed_tokens.lora_embedding_B.default": ((Role.EMBEDDING,), None),
        "lm_head.lora_A.default.weight": ((Role.HEAD,), None), "lm_head.lora_B.default.weight": ((Role.HEAD,), None),
        "model.norm.modules_to_save.default.weight": ((), None)}
    assert {w.role for w in body.weights if w.name == "model.norm.weight"} == {Role.FINAL_NORM}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_other_adapters_and_soft_prompts_are_adapters():
    scaled = anatomy.read(wrap(build("llama"), IA3Config(target_modules=["v_proj"], feedforward_modules=[])))
    assert [w.layer for w in scaled.weights if w.role is Role.ADAPTER] == [0, 1, 2]
    prompted = wrap(build("llama"), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    body = anatomy.read(prompted)
    prompt, = (w for w in body.weights if w.role is Role.ADAPTER)
    assert prompt.tensor.shape == (4, 32)
    assert {id(w.tensor) for w in body.weights} == {id(p) for p in prompted.parameters()}


# -------------------------------------------------------------------------------------------------- refusals


def test_what_is_not_known_is_refused_with_what_to_add():
    unknown = AutoModelForCausalLM.from_config(AutoConfig.for_model(
        "bloom", vocab_size=48, hidden_size=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2))
    with pytest.raises(Refused, match=r"BloomForCausalLM \(model type 'bloom'\).*add a Layout for 'bloom' to LAYOUTS"):
        anatomy.read(unknown)
    with pytest.raises(Refused, match="cannot read a Linear; because it is not a transformers model"):
        anatomy.read(nn.Linear(2, 2))
    with pytest.raises(Refused, match="cannot read LlamaModel"):
        anatomy.read(build("llama", factory=AutoModel))
