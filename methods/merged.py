"""Adapters multiplied into their matrix for as long as a pass needs it: one product where PEFT's layer takes three.

y = W x + sum_a s_a B_a A_a x  is computed as  (W + sum_a s_a B_a A_a) x  wherever that is less arithmetic: n rows of x cost
n r (d_in + d_out) multiplications apart and r d_in d_out merged. The sum is made anew in every call and kept by nobody, so
that the memory needed is that of the largest matrix, and no weight is written to.

Departures from PEFT's `merge_adapter`, which writes the sum into W: undoing that leaves W rounded.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional as F

WIDE = (torch.float32, torch.float64)
"""Types in which the sum loses nothing that matters; in half precision a small adapter would vanish beside W."""


def adapters(model: nn.Module) -> tuple[LoraLinear, ...]:
    """The model's LoRA layers on linear modules."""
    return tuple(module for module in model.modules() if isinstance(module, LoraLinear))


@contextmanager
def merged(layers: Iterable[LoraLinear]) -> Iterator[None]:
    """In it, plain LoRA layers compute merged; others (DoRA, with a bias, half precision, in training mode) as ever."""
    with ExitStack() as undo:
        for layer in layers:
            if _plain(layer):
                undo.enter_context(_replaced(layer))
        yield


def _plain(layer: LoraLinear) -> bool:
    adapters = layer.active_adapters
    return (type(layer.base_layer) is nn.Linear and layer.base_layer.weight.dtype in WIDE and not layer.training
            and not layer.merged and not layer.disable_adapters
            and not any(a in layer.lora_variant or layer.lora_bias.get(a, False) for a in adapters))


@contextmanager
def _replaced(layer: LoraLinear) -> Iterator[None]:
    own = vars(layer).get("forward")
    vars(layer)["forward"] = _forward(layer, layer.forward)
    try:
        yield
    finally:
        if own is None:
            del vars(layer)["forward"]
        else:
            vars(layer)["forward"] = own


def _forward(layer: LoraLinear, apart: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    base = layer.base_layer
    assert isinstance(base, nn.Linear)
    worth = base.in_features * base.out_features / (base.in_features + base.out_features)

    def forward(x: Tensor) -> Tensor:
        if x.numel() // x.shape[-1] <= worth:
            return apart(x)
        weight = base.weight
        for name in layer.active_adapters:
            if name in layer.lora_A:
                weight = torch.addmm(weight, layer.lora_B[name].weight, layer.lora_A[name].weight, alpha=layer.scaling[name])
        return F.linear(x, weight, base.bias)
    return forward
