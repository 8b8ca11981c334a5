"""Every weight's layer and role: the only file that reads parameter names.

A model is recognised by its `config.model_type`. A new architecture is one more `Layout` in `LAYOUTS`.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import AuxiliaryTrainingWrapper
from torch import Tensor, nn
from transformers import PreTrainedModel

from methods.parts import Refused, Role, Weight

Kind = Literal["query", "key", "value"]
KINDS: tuple[Kind, ...] = ("query", "key", "value")
WRAPPED = frozenset({"base_layer", "original_module"})
"""Where PEFT keeps the module it replaced."""


@dataclass(frozen=True)
class Layout:
    """Where an architecture keeps its parts: paths of modules from the model, projections from a block."""

    blocks: str
    embedding: str
    final_norm: str
    attention: tuple[str, ...]
    """Paths of the query, key and value projection in a block; one path where they are one matrix."""
    heads: tuple[str, ...] = ("lm_head", "score")
    position: tuple[str, ...] = ()
    packing: Literal["separate", "stacked", "per head"] = "separate"
    """How one matrix holds all three: queries, keys, values one after another, or so within every head."""
    key_heads: str = "num_key_value_heads"
    """The name in the config of the number of key and value heads."""
    out_axis: int = 0
    """The axis of a projection's weight that is its output: 0 in nn.Linear, 1 in Conv1D."""
    causal: bool = True
    """Whether a token sees only what stands before it."""
    mlp: str | None = "mlp"
    """Path in a block of the module that maps every position by itself; None where no one module does."""
    output: str | None = "self_attn.o_proj"
    """Path in a block of the projection of what attention gives."""


_SEPARATE = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_LLAMA = Layout("model.layers", "model.embed_tokens", "model.norm", _SEPARATE)
LAYOUTS = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"), _LLAMA),
    "phi": Layout("model.layers", "model.embed_tokens", "model.final_layernorm", _SEPARATE, output="self_attn.dense"),
    "phi3": Layout("model.layers", "model.embed_tokens", "model.norm", ("self_attn.qkv_proj",), packing="stacked"),
    "gpt2": Layout("transformer.h", "transformer.wte", "transformer.ln_f", ("attn.c_attn",), packing="stacked",
                   position=("transformer.wpe",), key_heads="num_attention_heads", out_axis=1, output="attn.c_proj"),
    "gpt_neox": Layout("gpt_neox.layers", "gpt_neox.embed_in", "gpt_neox.final_layer_norm",
                       ("attention.query_key_value",), packing="per head", output="attention.dense"),
    "opt": Layout("model.decoder.layers", "model.decoder.embed_tokens", "model.decoder.final_layer_norm", _SEPARATE,
                  position=("model.decoder.embed_positions",), mlp=None, output="self_attn.out_proj"),
    "roberta": Layout("roberta.encoder.layer", "roberta.embeddings.word_embeddings", "lm_head.layer_norm",
                      ("attention.self.query", "attention.self.key", "attention.self.value"),
                      heads=("lm_head.decoder", "classifier.out_proj", "classifier"),
                      position=("roberta.embeddings.position_embeddings", "roberta.embeddings.token_type_embeddings"),
                      causal=False, mlp=None, output=None),
}


@dataclass(frozen=True)
class Projection:
    """The query, key or value projection of one block: a module, its weight, and the part of its output that is meant."""

    module: str
    weight: str
    rows: tuple[slice, ...]
    """Output indices in runs; one run unless every head keeps its own (GPT-NeoX)."""
    axis: int
    """The axis of the weight that `rows` index: 0 in nn.Linear, 1 in Conv1D. Activations have it last, biases first."""

    def parts(self, tensor: Tensor, axis: int | None = None) -> tuple[Tensor, ...]:
        """Views of the meant part of the weight (or, by `axis`, of an activation or a bias), one per run."""
        where = self.axis if axis is None else axis
        return tuple(tensor.narrow(where, run.start, run.stop - run.start) for run in self.rows)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A model taken apart. Laws: every parameter belongs to exactly one Weight; names are unique; every block has weights.

    Names are those of the plain model, also where PEFT wraps it; an adapter also plays the role of what it adapts.
    """

    model: PreTrainedModel
    """The transformers model, inside PEFT's wrapper where there is one."""
    layout: Layout
    weights: tuple[Weight, ...]
    blocks: tuple[nn.Module, ...]

    @property
    def n_blocks(self) -> int:
        return len(self.blocks)

    @property
    def ends(self) -> tuple[str, ...]:
        """Paths of the modules outside the blocks that are embedding, position embedding or head, tied or not."""
        places = {self.layout.embedding, *self.layout.position, *self.layout.heads}
        return tuple(path for path, module in self.model.named_modules()
                     if path in places and next(module.parameters(recurse=False), None) is not None)

    @property
    def predicts_next(self) -> bool:
        """Whether the model is a causal language model: what it gives at a position is about the next token."""
        return self.layout.causal and type(self.model).__name__.endswith(("ForCausalLM", "LMHeadModel"))

    @property
    def linears(self) -> tuple[str, ...]:
        """Names (without their path) of every linear module in the blocks, which is what "all linear layers" means."""
        inside = (w.name for w in self.weights if w.role is Role.MATRIX and w.layer is not None)
        return tuple(dict.fromkeys(name.split(".")[-2] for name in inside))

    @property
    def query_value(self) -> tuple[str, ...]:
        """Names of the query and value projections; the one name where query, key and value are one matrix."""
        paths = (self.layout.attention[0], self.layout.attention[-1])
        return tuple(dict.fromkeys(path.rpartition(".")[2] for path in paths))

    def projection(self, kind: Kind, block: int) -> Projection:
        """The projection of a block, counted from the input. Raises IndexError outside 0..n_blocks-1."""
        if not 0 <= block < self.n_blocks:
            raise IndexError(f"there is no block {block} in a model of {self.n_blocks} blocks")
        number, axis = KINDS.index(kind), self.layout.out_axis
        path = self.layout.attention[number if self.layout.packing == "separate" else 0]
        name = f"{self.layout.blocks}.{block}.{path}"
        size = next(w.tensor.shape[axis] for w in self.weights if w.name == f"{name}.weight")
        return Projection(name, f"{name}.weight", self._rows(number, int(size)), axis)

    def value_projection(self, block: int) -> Projection:
        return self.projection("value", block)

    def _rows(self, number: int, size: int) -> tuple[slice, ...]:
        if self.layout.packing == "separate":
            return (slice(0, size),)
        heads = int(self.model.config.num_attention_heads)
        if self.layout.packing == "per head":
            width = size // (3 * heads)
            return tuple(slice((3 * head + number) * width, (3 * head + number + 1) * width) for head in range(heads))
        groups = [heads] + [int(getattr(self.model.config, self.layout.key_heads))] * 2
        width = size // sum(groups)
        return (slice(sum(groups[:number]) * width, sum(groups[:number + 1]) * width),)


def adapter_factor(weight: Weight) -> Literal["A", "B"] | None:
    """Which factor of a LoRA product B A the weight is; None for another weight.

    B is the factor that starts at zero, so that shrinking it leads back to the base model; PEFT calls an embedding's so "A".
    """
    leaf = next((part for part in weight.name.split(".") if part.startswith("lora_")), "")
    return {"lora_A": "A", "lora_B": "B", "lora_embedding_A": "B", "lora_embedding_B": "A"}.get(leaf)  # type: ignore[return-value]


def read(model: nn.Module) -> Anatomy:
    """Takes a transformers model, plain or wrapped by PEFT, apart. Raises Refused for an architecture not known here."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    layout = _layout(base)
    weights = tuple(_weights(model, base, layout))
    for role in (Role.EMBEDDING, Role.HEAD):
        if not any(w.plays(role) for w in weights):
            raise Refused(f"cannot read {type(base).__name__}; because it has no {role.value} where its architecture keeps "
                          "one; use a model loaded with AutoModelForCausalLM, or AutoModelForMaskedLM for RoBERTa")
    return Anatomy(base, layout, weights, tuple(base.get_submodule(layout.blocks).children()))


def _layout(base: nn.Module) -> Layout:
    if not isinstance(base, PreTrainedModel):
        raise Refused(f"cannot read a {type(base).__name__}; because it is not a transformers model; "
                      "use one loaded with transformers")
    kind = base.config.model_type
    if kind not in LAYOUTS:
        raise Refused(f"cannot read {type(base).__name__} (model type {kind!r}); because its layers are not known; use one of "
                      f"{', '.join(sorted(LAYOUTS))}, or add a Layout for {kind!r} to LAYOUTS in methods/anatomy.py: the "
                      "paths of its block list, embedding, final norm, head and query, key and value projections")
    return LAYOUTS[kind]


def _weights(model: nn.Module, base: nn.Module, layout: Layout) -> Iterator[Weight]:
    """In the model's order, tied tensors where they come first."""
    found: dict[int, tuple[str, nn.Parameter, list[Role]]] = {}
    wrappers = {n for n, m in base.named_modules() if isinstance(m, (BaseTunerLayer, AuxiliaryTrainingWrapper))}
    for raw, tensor in base.named_parameters(remove_duplicate=False):
        name = ".".join(part for part in raw.split(".") if part not in WRAPPED)
        host = _adapts(raw, wrappers)
        roles = [_role(name, tensor, layout)] if host is None else [Role.ADAPTER, *_outside(host, layout)]
        known = found.setdefault(id(tensor), (name, tensor, []))[2]
        known.extend(role for role in roles if role not in known)
    for raw, tensor in model.named_parameters():  # what PEFT keeps outside the model, such as a soft prompt
        found.setdefault(id(tensor), (raw, tensor, [Role.ADAPTER]))
    for name, tensor, roles in found.values():
        yield Weight(name, tensor, roles[0], _layer(name, layout), tuple(roles[1:]))


def _adapts(raw: str, wrappers: set[str]) -> str | None:
    """The module that an adapter's parameter sits on; None for a parameter of the model itself."""
    parts = raw.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if (host := ".".join(parts[:end])) in wrappers:
            return None if parts[end] in WRAPPED else host
    return None


def _outside(module: str, layout: Layout) -> tuple[Role, ...]:
    """The role of a module outside the blocks, by its path."""
    if module == layout.embedding:
        return (Role.EMBEDDING,)
    if module in layout.position:
        return (Role.POSITION,)
    return (Role.HEAD,) if module in layout.heads else ()


def _role(name: str, tensor: Tensor, layout: Layout) -> Role:
    module, _, leaf = name.rpartition(".")
    last = module.rpartition(".")[2].lower()
    if module == layout.final_norm:
        return Role.FINAL_NORM
    if "norm" in last or last.startswith("ln_"):
        return Role.NORM
    if leaf == "bias":
        return Role.BIAS
    if tensor.dim() != 2:
        raise Refused(f"cannot read the weight {name}; because a tensor of {tensor.dim()} dimensions that is neither norm "
                      "nor bias has no role yet; use another model, or give it one in methods/anatomy.py")
    return next(iter(_outside(module, layout)), Role.MATRIX)


def _layer(name: str, layout: Layout) -> int | None:
    prefix = layout.blocks + "."
    return int(name[len(prefix):].partition(".")[0]) if name.startswith(prefix) else None
