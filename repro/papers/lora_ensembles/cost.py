"""What M adapters add, by arithmetic: weights beside the base's, and the arithmetic of scoring against one model's.

n weights of one member of rank 8 on query and value; one pass over T tokens is about 2 (P + n) T.
"""
from __future__ import annotations

import functools

from torch import nn

from repro.shapes import EMBEDDED, LLAMA_2_7B, LLAMA_2_13B

SHAPES = {shapes.name: shapes for shapes in (LLAMA_2_7B, LLAMA_2_13B, EMBEDDED)}
RANK, TARGETS = 8, ("q_proj", "v_proj")


@functools.cache
def _counted(name: str) -> tuple[int, int]:
    """(weights of the base, of one member), counted on a model without numbers."""
    model = SHAPES[name].model()
    layers = (m for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in TARGETS)
    return sum(p.numel() for p in model.parameters()), sum(RANK * (m.in_features + m.out_features) for m in layers)


def weights(name: str) -> int:
    """Of one member."""
    return _counted(name)[1]


def memory(name: str, members: int = 5) -> float:
    """Weights of base and members over those of the base."""
    base, own = _counted(name)
    return 1 + members * own / base


def scoring(name: str, members: int = 5) -> float:
    """Arithmetic of scoring a prompt with all members over that of the base."""
    base, own = _counted(name)
    return members * (1 + own / base)
