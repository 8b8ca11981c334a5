"""What M adapters add, by arithmetic: bytes beside the base, and the arithmetic of scoring against one model's.

n = blocks r ((d + d) + (d + d_kv)) weights of one member on query and value; one pass over T tokens is about 2 (P + n) T.
"""
from __future__ import annotations

SHAPES: dict[str, tuple[int, int, int, int, float]] = {
    "LLaMA-2-7B": (32, 4096, 4096, 8, 6.738e9), "LLaMA-2-13B": (40, 5120, 5120, 8, 13.016e9),
    "embedded model": (6, 96, 96, 8, 0.97e6)}
"""Blocks, width, width of keys and values, r, weights of the base."""


def weights(shape: str) -> int:
    """Of one member."""
    blocks, d, kv, r, _ = SHAPES[shape]
    return blocks * r * ((d + d) + (d + kv))


def memory(shape: str, members: int = 5) -> float:
    """Weights of base and members over those of the base."""
    return 1 + members * weights(shape) / SHAPES[shape][-1]


def scoring(shape: str, members: int = 5) -> float:
    """Arithmetic of scoring a prompt with all members over that of the base."""
    return members * (1 + weights(shape) / SHAPES[shape][-1])
