"""One member of an ensemble as a value: the factors of a LoRA adapter, from and to PEFT's formats.

Plain LoRA on linear layers alone: W x + s B A x, the scaling s multiplied into B. What PEFT can do
beyond that is refused by name.
"""
from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, load_peft_weights
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from methods import atomic
from methods.parts import Refused

CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq", "mica", "lora_ga")
"""Initialisations of PEFT that move a part of W into the adapter, so that the adapter is wrong beside the W it came from."""
UNUSUAL = ("use_dora", "lora_bias", "modules_to_save", "trainable_token_indices", "layer_replication", "target_parameters",
           "alora_invocation_tokens", "use_qalora", "velora_config", "monteclora_config", "arrow_config", "kasa_config",
           "use_bdlora")
FILES = ("adapter_config.json", "adapter_model.safetensors")
Factors = tuple[Tensor, Tensor]
"""One member's A [r, d_in] and B [d_out, r], or all members' [M, r, d_in] and [M, d_out, r]."""


@dataclass(frozen=True, eq=False)
class Adapters:
    """One member: module name in the base model -> its factors, with the scaling multiplied into B."""

    factors: Mapping[str, Factors]
    fan_in_fan_out: bool = False
    """Whether the modules keep W transposed (GPT-2's Conv1D), as PEFT's configuration calls it."""

    @classmethod
    def of(cls, model: PeftModel, adapter_name: str = "default") -> Adapters:
        """A copy of what a live PEFT model holds. Raises Refused where it is more than plain LoRA on linear layers."""
        config = model.peft_config.get(adapter_name)
        if why := "there is no such adapter" if config is None else _unusual(config):
            raise _refused(adapter_name, why)
        return cls({name: (_factor(layer.lora_A, adapter_name).clone(),
                           _factor(layer.lora_B, adapter_name) * layer.scaling[adapter_name])
                    for name, layer in _layers(model, adapter_name)}, bool(config.fan_in_fan_out))

    @classmethod
    def read(cls, folder: str | Path, base: nn.Module) -> Adapters:
        """From a folder that PEFT wrote: its weights beside what PEFT makes of its configuration on a weightless `base`.

        Half-precision adapters are widened to float32, as by PEFT.
        """
        if lacks := [name for name in FILES if not (Path(folder) / name).is_file()]:
            raise _refused(str(folder), f"it holds no {lacks[0]}")
        config = PeftConfig.from_pretrained(str(folder))
        if why := _unusual(config):
            raise _refused(str(folder), why)
        plain(base)
        wrapped, stored = _weightless(base, config), load_peft_weights(str(folder), device="cpu")
        found: dict[str, Factors] = {}
        for name, layer in _layers(wrapped, "default"):
            a, b = (stored.get(f"base_model.model.{name}.lora_{kind}.weight", torch.empty(0)) for kind in "AB")
            if (a.shape, b.shape) != (_factor(layer.lora_A, "default").shape, _factor(layer.lora_B, "default").shape):
                raise _refused(str(folder), f"its weights for {name} are missing or do not have the shape it states")
            a, b = (t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for t in (a, b))
            found[name] = (a, b * layer.scaling["default"])
        return cls(found, bool(config.fan_in_fan_out))

    def write(self, folder: Path, base: str | None = None) -> Path:
        """In PEFT's format, the folder whole or not at all; `base` is the base model's name for those who load it."""
        ranks = {re.escape(name): len(a) for name, (a, _) in self.factors.items()}
        config = LoraConfig(r=max(ranks.values()), lora_alpha=max(ranks.values()), rank_pattern=ranks, alpha_pattern=ranks,
                            target_modules=list(self.factors), fan_in_fan_out=self.fan_in_fan_out, inference_mode=True,
                            base_model_name_or_path=base)
        tensors = {f"base_model.model.{name}.lora_{kind}.weight": t.contiguous().clone()
                   for name, both in self.factors.items() for kind, t in zip("AB", both, strict=True)}
        with atomic.folder(folder) as fresh:
            config.save_pretrained(str(fresh))
            save_file(tensors, fresh / FILES[1], {"format": "pt"})
        return folder


def averaged(members: Sequence[Adapters]) -> Adapters:
    """sum_m (1/M) B_m A_m as one member: factors side by side, its rank the sum of theirs. Exact."""
    some(members)
    names = dict.fromkeys(name for member in members for name in member.factors)
    both = {name: [m.factors[name] for m in members if name in m.factors] for name in names}
    return Adapters({name: (torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs], 1) / len(members))
                     for name, pairs in both.items()}, members[0].fan_in_fan_out)


def _factor(both: Any, adapter: str) -> Tensor:
    weight: Tensor = both[adapter].weight
    return weight.detach()


def _empty(tensor: Tensor) -> Tensor:
    bare = torch.empty_like(tensor, device="meta")
    return nn.Parameter(bare, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else bare


def some(members: Sequence[Adapters]) -> None:
    if not members:
        raise Refused("cannot stack no members; because an ensemble has at least one; use one Adapters for each member")


def plain(model: nn.Module) -> None:
    if any(isinstance(module, BaseTunerLayer) for module in model.modules()):
        raise Refused("cannot stack members on a model that PEFT has wrapped; because its own adapters would be added to theirs; "
                      "use the base model as it was before, or after unload()")


def _refused(what: str, why: str) -> Refused:
    return Refused(f"cannot stack the adapter {what}; because {why}; use plain LoRA on linear layers, or PEFT's set_adapter")


def _unusual(config: Any) -> str | None:
    """Why a configuration is not plain LoRA."""
    if config.peft_type != "LORA":
        return f"it is {config.peft_type} and not LoRA"
    if config.bias != "none":
        return f"it trains biases too (bias={config.bias!r})"
    if isinstance(config.init_lora_weights, str) and config.init_lora_weights.startswith(CHANGES_THE_BASE):
        return f"its initialisation {config.init_lora_weights} has changed the base's weights"
    return next((f"its configuration has {name}" for name in UNUSUAL if getattr(config, name, None)), None)


def _layers(model: PeftModel, adapter: str) -> Iterator[tuple[str, Any]]:
    """The linear layers that an adapter is on, by their names in the base. Raises Refused where it is on others too."""
    for name, layer in model.get_base_model().named_modules():
        if isinstance(layer, BaseTunerLayer) and any(adapter in getattr(layer, n) for n in layer.adapter_layer_names):
            if not isinstance(layer, LoraLinear) or type(layer.base_layer) not in (nn.Linear, Conv1D):
                raise _refused(adapter, f"{name} is a {type(layer.get_base_layer()).__name__}")
            if adapter in layer.lora_variant or layer.lora_bias.get(adapter, False):
                raise _refused(adapter, f"{name} has more than two factors")
            yield name, layer


def _weightless(base: nn.Module, config: Any) -> PeftModel:
    """What PEFT makes of `base` without any tensor of its own or of PEFT's."""
    skeleton = copy.deepcopy(base, {id(t): _empty(t) for t in (*base.parameters(), *base.buffers())})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # PEFT asks transformers
        try:
            return PeftModel(skeleton, copy.copy(config), low_cpu_mem_usage=True)
        except ValueError as error:
            raise Refused(f"cannot stack adapters on this {type(base).__name__}; because PEFT says: {error}; use the base model "
                          "that they were trained on") from error
