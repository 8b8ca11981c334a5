"""LoRA, and any other adapter of PEFT: small trainable tensors beside a frozen model.

Source: Hu et al., arXiv 2106.09685, equation 3: h = W x + (alpha / r) B A x, with W frozen, A [r, in] random, B [out, r] zero.

Departures:
- A is drawn by PEFT's default, uniform with variance 1 / (3 in) in every entry; the paper says Gaussian, which `init` =
  "gaussian" gives (standard deviation 1 / r). An adapter of an embedding has A = 0 and B Gaussian, as in the authors' code.
- `targets` = "linears" adapts every linear layer of the blocks; the paper adapts query and value ("query_value"). Where
  query, key and value are one matrix (GPT-2, GPT-NeoX, Phi-3), adapting two of them adapts all three.
- Adapters have the base model's dtype. PEFT widens them to float32 unless told not to: `autocast_adapter_dtype`.
- With `embeddings`, a head tied to the embedding gets an adapter of its own, so that the two are tied no longer; this is
  what adapting both meant where LISA's layer norms were profiled. Positions get one where they are a plain table (OPT's
  are looked up by the attention mask, which PEFT's adapter of an embedding cannot take).
"""
from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from peft import LoraConfig, PeftConfig, get_peft_config, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from methods import anatomy
from methods.anatomy import Anatomy
from methods.parts import Attached, OnSwitch, Refused, Role
from methods.streams import Streams

EXPECTED = ("fan_in_fan_out is set to", "Model with `tie_word_embeddings=True`", "Model has `tie_word_embeddings=True`",
            "`is_gradient_checkpointing` is deprecated")
"""How warnings begin that PEFT raises about what is meant here (GPT-2's transposed layers, tied embeddings adapted
apart), or about its own calls of transformers."""


@dataclass(frozen=True)
class Lora:
    """Adapters of rank `r` whose product is scaled by `alpha` / r; `options` are further fields of PEFT's LoraConfig."""

    r: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: Literal["linears", "query_value"] | tuple[str, ...] = "linears"
    """Linear layers of the blocks: all, the query and value projections, or those with the given names."""
    embeddings: bool = False
    """Whether token and position embeddings and the head get adapters too."""
    init: Literal["default", "gaussian"] = "default"
    autocast_adapter_dtype: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    on_switch: ClassVar[OnSwitch] = "keep"

    def __post_init__(self) -> None:
        if self.r < 1:
            raise Refused(f"cannot use LoRA with r = {self.r}; because an adapter has at least one direction; use r >= 1")

    def attach(self, model: nn.Module, streams: Streams) -> Attached:
        """Raises Refused where a target matches nothing or PEFT cannot take an option."""
        body = _plain(model)
        options = {name: list(value) if isinstance(value, tuple) else value for name, value in self.options}
        fields = {"r": self.r, "lora_alpha": self.alpha, "lora_dropout": self.dropout,
                  "init_lora_weights": "gaussian" if self.init == "gaussian" else True,
                  "fan_in_fan_out": body.layout.out_axis == 1, "target_modules": self._pattern(body)} | options
        try:
            config = LoraConfig(**fields)
        except (TypeError, ValueError) as error:
            raise Refused(f"cannot use LoRA with options {options}; because PEFT says: {error}; "
                          "use fields of PEFT's LoraConfig") from error
        return _wrap(model, config, streams, self.autocast_adapter_dtype)

    def _pattern(self, body: Anatomy) -> str:
        """A regular expression over module names: leaf names also occur outside the blocks (RoBERTa's `dense`)."""
        leaves = {"linears": body.linears, "query_value": body.query_value}.get(str(self.targets), self.targets)
        unknown = [leaf for leaf in leaves if leaf not in body.linears]
        if unknown or not leaves:
            raise Refused(f"cannot use LoRA on {', '.join(unknown) or 'no targets'}; because the blocks have no such linear "
                          f"layer; use some of {', '.join(body.linears)}")
        inside = rf"{re.escape(body.layout.blocks)}\.\d+\.(?:.*\.)?(?:{'|'.join(map(re.escape, leaves))})"
        return "|".join([inside, *(map(re.escape, _ends(body)) if self.embeddings else ())])


@dataclass(frozen=True)
class Adapter:
    """Any adapter of PEFT: `config` is its configuration as JSON text with `peft_type`, as in adapter_config.json."""

    config: str
    autocast_adapter_dtype: bool = False
    on_switch: ClassVar[OnSwitch] = "keep"

    @classmethod
    def of(cls, config: PeftConfig) -> Adapter:
        fields = {k: sorted(v) if isinstance(v, set) else v for k, v in config.to_dict().items()}
        return cls(json.dumps(fields, sort_keys=True))

    def attach(self, model: nn.Module, streams: Streams) -> Attached:
        """Raises Refused where the text is not a PEFT configuration or PEFT cannot put it on the model."""
        _plain(model)
        try:
            config = get_peft_config(json.loads(self.config))
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(f"cannot use Adapter({self.config!r}); because PEFT cannot read it: {error}; "
                          "use the JSON of a PEFT configuration with its peft_type") from error
        return _wrap(model, config, streams, self.autocast_adapter_dtype)


def _ends(body: Anatomy) -> list[str]:
    return [path for path in body.ends
            if path not in body.layout.position or type(body.model.get_submodule(path)) is nn.Embedding]


def _plain(model: nn.Module) -> Anatomy:
    if any(isinstance(module, BaseTunerLayer) for module in model.modules()):
        raise Refused("cannot add adapters to a model that already has some; because two sets would train as one; "
                      "use the model after merge_and_unload()")
    return anatomy.read(model)


def _wrap(model: nn.Module, config: PeftConfig, streams: Streams, autocast: bool) -> Attached:
    """Adapters drawn from the stream "init"; the global generators are left as they were."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), warnings.catch_warnings():
        torch.manual_seed(streams.number("init"))
        for start in EXPECTED:
            warnings.filterwarnings("ignore", re.escape(start))
        try:
            wrapped = get_peft_model(model, config, autocast_adapter_dtype=autocast)
        except ValueError as error:
            raise Refused(f"cannot put {config.peft_type} on {type(model).__name__}; because PEFT says: {error}; "
                          "use targets that the model has") from error
    weights = tuple(w for w in anatomy.read(wrapped).weights if w.tensor.requires_grad)
    if not any(w.role is Role.ADAPTER for w in weights):
        raise Refused(f"cannot put {config.peft_type} on {type(model).__name__}; because it adds nothing that trains; "
                      "use inference_mode=false")
    return Attached(wrapped, weights, lambda step: weights)
