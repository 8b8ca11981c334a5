"""Named random streams: each draw comes from a generator seeded by a hash of (seed, purpose, step).

So one part's draws never depend on how often another part drew, layer draws survive a resume without a saved generator,
and every rank of a parallel run draws the same.
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Streams:
    """All randomness of a run. `own` gives single purposes a seed of their own (e.g. {"blocks": 3}: only LISA's draw differs)."""

    seed: int
    own: Mapping[str, int] = field(default_factory=dict)

    def number(self, purpose: str, step: int = 0) -> int:
        """A 63-bit seed for the purpose at the step."""
        text = f"{self.own.get(purpose, self.seed)}/{purpose}/{step}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1

    def generator(self, purpose: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
        return torch.Generator(device).manual_seed(self.number(purpose, step))

    def permutation(self, n: int, purpose: str, step: int = 0) -> torch.Tensor:
        """[n] a random order of 0..n-1."""
        return torch.randperm(n, generator=self.generator(purpose, step))
