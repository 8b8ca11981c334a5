"""SGD with momentum, one weight at a time, as the formulas read."""
from __future__ import annotations

from torch import Tensor


def sgd(weight: Tensor, grads: list[Tensor], lr: float, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False) -> Tensor:
    """The weight after one step per gradient; nothing is changed in place."""
    buffer = None
    for grad in grads:
        g = grad + weight_decay * weight
        buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
        weight = weight - lr * (g + momentum * buffer if nesterov else buffer if momentum else g)
    return weight
