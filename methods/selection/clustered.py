"""Sources found by clustering: for data whose sources nobody wrote down.

Source: Nguyen et al. (CoLM), arXiv 2407.19580, section 5.4 and table 7: after `warmup` steps on random batches the model's hidden
states are clustered, clusters take the sources' place, and the clustering is made anew `refresh` times, evenly over the rest.

Departures:
- The hidden state of an example is what reaches the last block at its last token; which it is in the paper could not be read.
- k-means (scikit-learn, one start) on states of unit length; the paper's algorithm could not be read, and is not in its code.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.parts import Chosen, Clock, Probe, Refused, Selection, Sight, State
from methods.streams import Streams

NAME = "clusters"


@dataclass(frozen=True)
class Clustered:
    """`of` with `c` clusters in the sources' place. State: the cluster of every training example, int64 [N]."""

    of: Selection
    c: int = 8
    warmup: int = 20
    refresh: int = 4
    sees: ClassVar[Sight] = Sight.FEATURES

    def __post_init__(self) -> None:
        if self.c < 2 or self.warmup < 0 or self.refresh < 1:
            raise Refused(f"cannot use {self.c} clusters after {self.warmup} steps, made {self.refresh} times; because there "
                          "must be two clusters and one clustering at least; use c >= 2, warmup >= 0 and refresh >= 1")

    @property
    def pool(self) -> int:
        return self.of.pool

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        if clock.step < self.warmup:
            order = streams.permutation(len(probe), "selection", clock.step)[:k]
            return Chosen(order, torch.ones(len(order)))
        if clock.step in self.moments(clock.steps) or NAME not in state:
            state[NAME] = {"labels": self._labels(probe.hidden(), streams.number("clusters", clock.step))}
        return self.of(_Labelled(probe, state[NAME]["labels"].cpu()), k, state, clock, streams)

    def moments(self, steps: int) -> frozenset[int]:
        """Steps at which the clustering is made."""
        rest = max(0, steps - self.warmup)
        return frozenset(self.warmup + i * rest // self.refresh for i in range(self.refresh))

    def _labels(self, hidden: Tensor, seed: int) -> Tensor:
        """[N] int64"""
        from sklearn.cluster import KMeans  # takes a second, which every process would pay

        rows = torch.nn.functional.normalize(hidden.double(), dim=1).numpy()
        means = KMeans(n_clusters=min(self.c, len(rows)), n_init=1, random_state=seed % 2**32)
        return torch.from_numpy(means.fit_predict(rows)).long()


@dataclass(frozen=True)
class _Labelled:
    """A probe whose sources are clusters."""

    probe: Probe
    labels: Tensor

    def __len__(self) -> int:
        return len(self.probe)

    @property
    def index(self) -> Tensor:
        return self.probe.index

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.labels[self.probe.index].tolist())

    @property
    def small(self) -> frozenset[str]:
        counts = Counter(self.labels.tolist())
        return frozenset(str(label) for label, n in counts.items() if n * len(counts) < len(self.labels))

    def losses(self) -> Tensor:
        return self.probe.losses()

    def slopes(self, rows: Tensor, seeds: Sequence[int], eps: float) -> Tensor:
        return self.probe.slopes(rows, seeds, eps)

    def direction(self, seed: int) -> Tensor:
        return self.probe.direction(seed)

    def gradients(self, rows: Tensor) -> Tensor:
        return self.probe.gradients(rows)

    def hidden(self) -> Tensor:
        return self.probe.hidden()
