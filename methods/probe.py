"""The pool of a step as selections see it: losses, slopes, gradients and hidden states, example by example.

Source: Nguyen et al. (CoLM), arXiv 2407.19580, equations 5 and 6: one pass through all blocks but the last, then two
passes of the last block for each direction, on the last value projection.

Departures from the authors' code:
- An example's loss is the mean over its own answer tokens; theirs is divided by the padded width, so that it changes
  with the neighbours in its micro-batch.
- The last block, norm and head compute in float32 whatever training computes in; theirs follow the path that is taken.
- The perturbation is added to the projection's output, not to its weights, which are never written to.
- Architectures are not hard-coded; a fused query-key-value matrix takes part with its value rows.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn

from methods import directions
from methods.examples import IGNORE, Example, collate
from methods.merged import adapters, merged
from methods.modes import evaluating
from methods.parts import Batch, Objective, Prepared
from methods.tail import Kept, Tail


def small_sources(data: Sequence[Example]) -> frozenset[str]:
    """Sources with fewer examples than the mean over sources (CoLM, section 4.1)."""
    counts = Counter(e.source for e in data)
    return frozenset(s for s, n in counts.items() if n * len(counts) < len(data))


@dataclass
class Pool:
    """A `methods.parts.Probe` over the examples `index` of `data`. `positions` may be changed from step to step."""

    data: Sequence[Example]
    positions: Sequence[int]
    few: frozenset[str]
    """Small sources."""
    objective: Objective
    model: nn.Module
    prepared: Prepared
    pad_id: int
    micro_batch: int
    device: torch.device
    _last: tuple[int, Tensor] = field(default=(-1, torch.empty(0)), init=False, repr=False)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def index(self) -> Tensor:
        return torch.tensor(self.positions)

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self.data[i].source for i in self.positions)

    @property
    def small(self) -> frozenset[str]:
        return self.few

    def losses(self) -> Tensor:
        out = torch.zeros(len(self), dtype=torch.float64)
        with torch.no_grad(), evaluating(self.model):
            for rows, batch in self._batches(range(len(self))):
                out[rows] = self._loss(self.model, batch).cpu().double()
        return out

    def slopes(self, rows: Tensor, seeds: Sequence[int], eps: float) -> Tensor:
        out = torch.zeros(len(rows), len(seeds), dtype=torch.float64)
        matrices = [self.direction(seed).view(self._tail.shape).to(self.device) for seed in seeds]
        with torch.inference_mode(), evaluating(self.model), merged(self._adapters), self._tail.widened():
            for where, batch in self._batches(rows.tolist()):
                kept = self._keep(batch)
                for j, z in enumerate(matrices):
                    plus, minus = self._both_ways(batch, kept, eps * z)
                    out[where, j] = (plus - minus) / (2 * eps)
        return out

    def direction(self, seed: int) -> Tensor:
        """The last one asked for is kept: with one direction for a whole run it is every step's."""
        if self._last[0] != seed:
            like = torch.empty(self._tail.shape)
            self._last = seed, next(directions.draw([like], (seed,), (1.0,)))[1][0].flatten().clone()
        return self._last[1].clone()

    def gradients(self, rows: Tensor) -> Tensor:
        out = torch.zeros(len(rows), self._tail.shape[0] * self._tail.shape[1])
        with evaluating(self.model), self._tail.widened():
            for where, batch in self._batches(rows.tolist()):
                out[where] = self._per_example(batch).flatten(1).cpu().float()
        return out

    @torch.no_grad()
    def hidden(self) -> Tensor:
        found: list[Tensor] = [torch.empty(0)] * len(self.data)
        with evaluating(self.model):
            for positions, batch in self._of(range(len(self.data))):
                last = batch.attention_mask.sum(1) - 1
                kept = self._keep(batch).hidden
                rows = kept[torch.arange(len(kept)), last - batch.input_ids.shape[1]].cpu().float()  # behind a soft prompt
                for position, row in zip(positions, rows, strict=True):
                    found[position] = row
        return torch.stack(found)

    @cached_property
    def _tail(self) -> Tail:
        return Tail(self.model)

    @cached_property
    def _adapters(self) -> tuple[LoraLinear, ...]:
        return adapters(self.model)

    def _keep(self, batch: Batch) -> Kept:
        return self._tail.keep(lambda model: self._loss(model, batch))

    def _loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return self.objective(model, batch, self.prepared)

    def _both_ways(self, batch: Batch, kept: Kept, step: Tensor) -> tuple[Tensor, Tensor]:
        """[B] float64 losses with the matrix moved by `step` and by -`step`, in one call of twice the batch."""
        twice = Batch(*(torch.cat([t, t]) for t in (batch.input_ids, batch.attention_mask, batch.labels, batch.index)))

        def move(u: Tensor, v: Tensor) -> Tensor:
            change = u[:len(batch)] @ step.t().to(u)
            return v + torch.cat([change, -change])

        with self._tail.starting_from(kept.twice(), move, _predicting(batch)) as model:
            plus, minus = self._loss(model, twice).cpu().double().chunk(2)
        return plus, minus

    def _per_example(self, batch: Batch) -> Tensor:
        """[B, d_out, d_in]"""
        seen: list[Tensor] = []

        def watch(u: Tensor, v: Tensor) -> Tensor:
            seen.extend((u.detach(), v.detach().requires_grad_()))
            return seen[1]

        with torch.enable_grad(), self._tail.starting_from(self._keep(batch), watch, _predicting(batch)) as model:
            (slope,) = torch.autograd.grad(self._loss(model, batch).sum(), seen[1])
        return torch.einsum("bto,bti->boi", slope, seen[0])

    def _batches(self, rows: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
        return self._of([self.positions[r] for r in rows])

    def _of(self, positions: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
        """(places in `positions`, their batch) in micro-batches of like length."""
        order = sorted(range(len(positions)), key=lambda i: len(self.data[positions[i]].input_ids))
        lengths = [len(self.data[positions[i]].input_ids) for i in order]
        start = 0
        for size in cut(lengths, 2 * self.micro_batch):
            where = order[start:start + size]
            start += size
            yield where, collate(self.data, [positions[i] for i in where], self.pad_id).to(self.device)


def cut(lengths: Sequence[int], most: int, overhead: int = 64) -> list[int]:
    """Sizes of the batches into which examples, in order of their lengths, are cut at the least cost.

    A batch costs its examples times the longest of them, and `overhead` tokens. No batch holds more than `most` examples:
    twice those that are trained on at once, as a pass that keeps no graph needs a fraction of a training pass's memory.
    """
    best, size = [0], [0]
    for end, longest in enumerate(lengths, start=1):
        costs = [(best[end - n] + n * longest + overhead, n) for n in range(1, min(end, most) + 1)]
        cost, n = min(costs)
        best.append(cost)
        size.append(n)
    cuts: list[int] = []
    while sum(cuts) < len(lengths):
        cuts.append(size[len(lengths) - sum(cuts)])
    return cuts[::-1]


def _predicting(batch: Batch) -> Tensor:
    """[K] the positions, counted from the end, from which some row's answer tokens are predicted."""
    columns = (batch.labels[:, 1:] != IGNORE).any(0).nonzero()[:, 0]
    return columns - batch.labels.shape[1]
