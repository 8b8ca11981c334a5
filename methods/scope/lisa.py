"""LISA: embeddings, head and a few blocks move; the blocks are drawn anew every K steps.

Source: Pan et al., arXiv 2403.17919, algorithm 1 and section 3.2. At step t with t mod K = 0 a set S of gamma blocks is
drawn from the N_L blocks; until the next draw theta_l moves by the update for l in S and for embedding and head, and
every other block is frozen (no gradient, no new optimizer state).

Departures:
- The paper's "importance" p = (LoRA norm) / (full norm) is never measured by its authors: they set p = 1 for embedding
  and head, gamma / N_L for every block. `probabilities` = "uniform" is that; the others are for comparison, "norm" being
  the norm of a block's weights before training, as in OwLore (arXiv 2405.18380).
- `draw`: the camera-ready draws exactly gamma blocks; the first two arXiv versions drew each block by a coin of its own.
- `on_switch`: the text is silent. The first author says each interval ran as a separate job that saved and loaded the
  model (LMFlow issue 729), which restarts all moments: "reset", the default. The public code keeps all moments for ever
  ("keep"), so its memory grows to full AdamW's; "drop" frees the moments of blocks that freeze and keeps the rest.
  "reset" restarts at every interval, also where the same blocks are drawn again.
- `fixed`: the first draw stays for the whole run while intervals (and their restarts) go on, so that the draw alone differs;
  the paper's one draw, K = T, has no restarts either: that is `K` = None.
- `final_norm`: not mentioned in the paper, always trainable in the authors' code; what else lies outside the blocks
  (position embeddings, projections, a head's bias) moves with embedding or head.
- `reweight`: not in the paper. Stretches a drawn block's step by 1 / p, so that its expected step under SGD is full
  tuning's (under Adam only roughly).
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn

from methods import anatomy
from methods.parts import Attached, OnSwitch, Refused, Role, Scope, Weight
from methods.streams import Streams


@dataclass(frozen=True)
class Lisa:
    """gamma blocks out of N_L for K steps at a time; `K` = None draws once for the whole run."""

    gamma: int = 2
    K: int | None = 20
    embeddings: bool = True
    head: bool = True
    final_norm: bool = True
    draw: Literal["exactly", "bernoulli"] = "exactly"
    on_switch: OnSwitch = "reset"
    fixed: bool = False
    probabilities: Literal["uniform", "increasing", "decreasing", "norm"] = "uniform"
    reweight: bool = False
    of: Scope | None = None
    """The scope whose weights are sampled (None: the full model); `Lisa(of=Lora(...))` samples adapters by block."""

    def attach(self, model: nn.Module, streams: Streams) -> Attached:
        """Refuses a gamma that the model cannot give, and a choice under which nothing would move."""
        inner = self.of.attach(model, streams) if self.of else None
        body = inner.model if inner else model
        weights = inner.weights if inner else anatomy.read(model).weights
        n_blocks = anatomy.read(body).n_blocks
        self._check(weights, n_blocks)
        outside = frozenset(w.name for w in weights if w.layer is None and self._always(w))
        share = _shares(self.probabilities, weights, n_blocks)
        self._check_shares(share)

        @lru_cache(maxsize=4)
        def members(period: int) -> tuple[Weight, ...]:
            blocks = self.blocks(0 if self.fixed else period, share, streams)
            return tuple(w for w in weights if w.name in outside or w.layer in blocks)

        def active(step: int) -> tuple[Weight, ...]:
            return members(self.period(step))

        stretch = _stretch(weights, self.gamma / n_blocks) if self.reweight else {}
        return Attached(body, weights, active, stretch)

    def period(self, step: int) -> int:
        return 0 if self.K is None else step // self.K

    def blocks(self, period: int, share: Tensor, streams: Streams) -> frozenset[int]:
        """The blocks that move in a period; `share` [N_L] sums to 1. A function of (streams, period) alone."""
        generator = streams.generator("blocks", period)
        if self.draw == "bernoulli":
            coin = torch.rand(len(share), generator=generator, dtype=torch.float64)
            return frozenset(torch.nonzero(coin < self.gamma * share).flatten().tolist())
        if self.gamma == 0:
            return frozenset()
        return frozenset(torch.multinomial(share, self.gamma, generator=generator).tolist())

    def _always(self, weight: Weight) -> bool:
        """Whether a weight outside the blocks moves. A tied embedding is also the head."""
        moves = (weight.plays(Role.EMBEDDING) and self.embeddings) or (weight.plays(Role.HEAD) and self.head)
        if weight.plays(Role.EMBEDDING) or weight.plays(Role.HEAD):
            return moves
        if weight.role is Role.FINAL_NORM:
            return self.final_norm
        return self.head if weight.role is Role.BIAS else self.embeddings

    def _check(self, weights: tuple[Weight, ...], n_blocks: int) -> None:
        if not 0 <= self.gamma <= n_blocks:
            raise Refused(f"cannot use LISA with gamma {self.gamma} on a model of {n_blocks} blocks; "
                          f"because it draws gamma different blocks; use gamma between 0 and {n_blocks}")
        if self.K is not None and self.K < 1:
            raise Refused(f"cannot use LISA with K = {self.K}; because an interval has at least one step; use K >= 1")
        if self.gamma and {w.layer for w in weights} - {None} != set(range(n_blocks)):
            raise Refused("cannot use LISA with a scope that leaves a block without weights; because it samples by block; "
                          "use Full or LoRA on linear layers of every block inside it")
        certain = self.gamma > 0 and self.draw == "exactly"
        if not certain and not any(w.layer is None and self._always(w) for w in weights):
            raise Refused("cannot use LISA with neither embedding, head nor norm and no certain block; because at some "
                          "steps nothing would move; use gamma >= 1 drawn exactly, or leave the embeddings on")

    def _check_shares(self, share: Tensor) -> None:
        if self.draw == "bernoulli" and float(self.gamma * share.max()) > 1 + 1e-9:
            raise Refused(f"cannot use LISA with gamma {self.gamma} by coins of {self.probabilities!r} probabilities; because "
                          f"a block would have a chance of {float(self.gamma * share.max()):.2f}; use a smaller gamma or "
                          "draw='exactly'")


def _shares(kind: str, weights: tuple[Weight, ...], n_blocks: int) -> Tensor:
    """[N_L] float64, sums to 1: the chance of each block to be the first one drawn."""
    rising = torch.arange(1, n_blocks + 1, dtype=torch.float64)
    if kind == "norm":
        square = torch.zeros(n_blocks, dtype=torch.float64)
        for weight in weights:
            if weight.layer is not None:
                square[weight.layer] += weight.tensor.detach().cpu().double().square().sum()
        share = square.sqrt()
    else:
        share = {"uniform": torch.ones_like(rising), "increasing": rising, "decreasing": rising.flip(0)}[kind]
    return share / share.sum()


def _stretch(weights: tuple[Weight, ...], p: float) -> Mapping[str, float]:
    return {w.name: 1 / p for w in weights if w.layer is not None} if p else {}
