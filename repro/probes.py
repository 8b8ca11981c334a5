"""What is watched while a model trains: the norm of each layer's weights, and of their change since the start."""
from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from methods.parts import Role, Weight

LAYERS_OUTSIDE = {"embedding": (Role.EMBEDDING, Role.POSITION), "head": (Role.HEAD, Role.FINAL_NORM)}


@dataclass(frozen=True)
class Norms:
    """L2 norms by layer: of the tensors that are trained, and of the change of the weights the model computes with."""

    trained: Mapping[str, float]
    change: Mapping[str, float]


def layer_of(weight: Weight) -> str:
    """"embedding", a block's number, or "head" (with the final norm). A tied embedding is the embedding."""
    if weight.layer is not None:
        return str(weight.layer)
    return next((name for name, roles in LAYERS_OUTSIDE.items() if any(weight.plays(r) for r in roles)), "outside")


class NormProbe:
    """Measures against `start`, the weights by name before any training (so that a resumed run measures the same).

    Adapters count by what they add to the weights: the change of a LoRA layer is its scaled product B A.
    """

    def __init__(self, start: Mapping[str, Tensor], model: nn.Module, weights: Sequence[Weight]) -> None:
        self._start, self._model, self._weights = start, model, weights
        self._adapted = isinstance(model, PeftModel)
        self._places = {id(w.tensor): layer_of(w) for w in weights}

    @torch.no_grad()
    def __call__(self) -> Norms:
        trained = root_of_sums((layer_of(w), w.tensor) for w in self._weights)
        return Norms(trained, root_of_sums(self._changes()))

    def _changes(self) -> Iterator[tuple[str, Tensor]]:
        for weight in self._weights if not self._adapted else ():
            yield layer_of(weight), weight.tensor - self._start[weight.name]
        for module in self._model.modules() if self._adapted else ():
            if isinstance(module, LoraLayer):
                place = next(self._places[id(p)] for p in module.parameters() if id(p) in self._places)
                for adapter in module.active_adapters:
                    yield place, module.get_delta_weight(adapter)


def root_of_sums(tensors: Iterator[tuple[str, Tensor]]) -> dict[str, float]:
    """The L2 norm of all tensors of each layer together."""
    squares: dict[str, float] = defaultdict(float)
    for layer, tensor in tensors:
        squares[layer] += float(tensor.double().square().sum())
    return {layer: math.sqrt(total) for layer, total in squares.items()}
