"""What a step costs by arithmetic alone, in forward passes per example of the batch that is trained on."""
from __future__ import annotations

ADAPTERS, WEIGHTS = 2, 3
"""A forward pass and the backward one through the activations; with gradients of all weights, or with checkpointing, one more."""


def selecting(pool: float, scored: float, blocks: int) -> float:
    """Choosing one example of `pool` times as many, a share `scored` of which is looked at: each passes through all blocks but
    the last once, and twice through the last (head and embedding are left out)."""
    return pool * scored * (1 + 1 / blocks)


def share(pool: float, scored: float, blocks: int, training: float) -> float:
    """Of a step, that choosing takes."""
    choosing = selecting(pool, scored, blocks)
    return choosing / (choosing + training)


def speed(pool: float, scored: float, blocks: int, training: float) -> float:
    """How many times as fast a step is as one of the whole pool without a choice."""
    return pool * training / (selecting(pool, scored, blocks) + training)
