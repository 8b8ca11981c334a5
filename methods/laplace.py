"""A Laplace approximation over the last block's LoRA weights, for answers that are one of K tokens.

Source: Yang et al. (Laplace-LoRA), arXiv 2308.13111, on Daxberger et al. (Laplace Redux), arXiv 2106.14806, section 2.

f(x) [K] are the logits of the answer tokens where the answer is predicted, p = softmax f, theta [d] the trained adapter
weights, J = df/dtheta [K, d], taken at theta. The curvature is the generalised Gauss-Newton matrix under a prior N(0, I/prior):
    H = sum_i J_i^T (diag(p_i) - p_i p_i^T) J_i + prior I = W^T W + prior I,
W having K - 1 rows per example, since diag(p) - p p^T has that rank. With W^T W = V diag(s) V^T, V [d, m] orthonormal:
    log evidence(prior) = log p(D | theta) - prior/2 |theta|^2 + d/2 log prior - 1/2 log det H
                        = log p(D | theta) - prior/2 |theta|^2 - 1/2 sum_j log(1 + s_j / prior),
which has one maximum (prior |theta|^2 = sum_j s_j / (s_j + prior)), looked up on a grid of 20 values per power of ten. A new
item's logits are linear in theta, f* ~ N(f(x*), C); with a = J* V and R = J* - a V^T, what the data say nothing about,
    C = J* H^-1 J*^T = a diag(1 / (s + prior)) a^T + R R^T / prior,
a sum of squares, so that no variance is negative. The answer is the mean of softmax over draws f(x*) + C^1/2 z.

The smaller of W^T W [d, d] and W W^T [N(K-1), N(K-1)] is decomposed (Woodbury); all this in float64, J in the model's type.

Departures:
- The Gaussian is over the LAST block's A and B alone; adapters elsewhere stay at their trained values. The paper's own
  method takes all layers, with one Kronecker-factored block per matrix; here the last block's matrix is whole.
- The prior is found on a grid; the authors' code takes gradient steps, or cross-validates. Their code draws 100,000 samples
  with the Cholesky factor of C + 1e-6 I; here `samples` with the symmetric root of C, an item's draws hanging on the
  seed and its position alone.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.examples import Example
from methods.jacobians import batches, bound, jacobians, size
from methods.parts import Refused
from methods.streams import Streams

GRID = torch.logspace(-6, 6, 241, dtype=torch.float64)
"""Prior precisions tried."""
NOTHING = 1e-12
"""Eigenvalues below this part of the largest are rounding."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """The Gaussian that was fitted: H = V diag(s) V^T + prior I."""

    ids: tuple[int, ...]
    pad_id: int
    samples: int
    prior: float
    evidence: float
    """log evidence of `prior`, in nats."""
    s: Tensor
    """[m]"""
    v: Tensor
    """[d, m]"""

    def logits(self, model: nn.Module, data: Sequence[Example], batch_size: int) -> tuple[Tensor, Tensor]:
        """[N, K] and [N, K, K] float64: mean and covariance of the items' logits."""
        _gold(data, self.ids)
        n, k = len(data), len(self.ids)
        mean, spread = torch.empty(n, k, dtype=torch.float64), torch.empty(n, k, k, dtype=torch.float64)
        with bound(model) as factors:
            if size(factors) != len(self.v):
                raise Refused(f"cannot answer with {size(factors)} adapter weights; because the Gaussian is over "
                              f"{len(self.v)}; use the model that it was fitted to")
            for batch in batches(model, data, self.pad_id, batch_size):
                f, jacobian = jacobians(model, factors, batch, self.ids)
                mean[batch.index.cpu()], spread[batch.index.cpu()] = f.cpu(), self._covariance(jacobian).cpu()
        return mean, spread

    def probabilities(self, model: nn.Module, data: Sequence[Example], batch_size: int, streams: Streams) -> Tensor:
        """[N, K] float64, the answers in the order of the ids."""
        mean, spread = self.logits(model, data, batch_size)
        values, vectors = torch.linalg.eigh(spread)
        roots = (vectors * values.clamp(min=0).sqrt()[:, None, :]) @ vectors.mT
        return torch.stack([torch.softmax(f + draws(streams, i, self.samples, len(f)) @ root, -1).mean(0)
                            for i, (f, root) in enumerate(zip(mean, roots, strict=True))])

    def _covariance(self, jacobian: Tensor) -> Tensor:
        """[B, K, d] -> [B, K, K]"""
        along = jacobian @ self.v
        beside = jacobian - along @ self.v.T
        return (along / (self.s + self.prior)) @ along.mT + beside @ beside.mT / self.prior


@dataclass(frozen=True)
class Laplace:
    """`prior` is the precision of the weights' Gaussian prior around 0 (None: that of the highest evidence)."""

    prior: float | None = None
    samples: int = 512

    def __post_init__(self) -> None:
        if self.samples < 1 or (self.prior is not None and not 0 < self.prior < math.inf):
            raise Refused(f"cannot use {self}; because a Gaussian needs a positive precision and an answer one sample at least; "
                          "use prior > 0 (or None) and samples >= 1")

    def fit(self, model: nn.Module, data: Sequence[Example], ids: Sequence[int], pad_id: int, batch_size: int) -> Fitted:
        """`data`: the examples that the adapters were trained on; `ids`: the answer tokens."""
        gold = _gold(data, ids)
        with bound(model) as factors:
            square = sum(float(f.weight.detach().double().square().sum()) for f in factors)
            by_rows, kept, likelihood = len(data) * (len(ids) - 1) < size(factors), list[Tensor](), 0.0
            for batch in batches(model, data, pad_id, batch_size):
                f, jacobian = jacobians(model, factors, batch, ids)
                likelihood += float(torch.log_softmax(f, -1).cpu().gather(1, gold[batch.index.cpu(), None]).sum())
                w = (_root(f) @ jacobian).flatten(0, 1)
                kept = [*kept, w] if by_rows else [w.T @ w + sum(kept)]
        s, v = of_rows(torch.cat(kept)) if by_rows else of_gram(kept[0])
        prior = GRID if self.prior is None else torch.tensor([self.prior], dtype=torch.float64)
        evidence = likelihood - prior / 2 * square - torch.log1p(s.cpu() / prior[:, None]).sum(1) / 2
        best = int(evidence.argmax())
        return Fitted(tuple(ids), pad_id, self.samples, float(prior[best]), float(evidence[best]), s, v)


def of_rows(w: Tensor) -> tuple[Tensor, Tensor]:
    """W [n, d] -> s [m] and V [d, m] of W^T W, by way of W W^T."""
    s, u = of_gram(w @ w.T)
    return s, w.T @ (u / s.sqrt())


def of_gram(gram: Tensor) -> tuple[Tensor, Tensor]:
    """W^T W [d, d] -> its s [m] > 0 and V [d, m]."""
    s, u = torch.linalg.eigh(gram)
    keep = s > NOTHING * s[-1].clamp(min=0)
    return s[keep], u[:, keep]


def _root(f: Tensor) -> Tensor:
    """[B, K] -> L [B, K-1, K] with L^T L = diag(p) - p p^T; its smallest eigenvalue, left out, is 0."""
    p = torch.softmax(f, -1)
    values, vectors = torch.linalg.eigh(torch.diag_embed(p) - p[:, :, None] * p[:, None, :])
    root: Tensor = values[:, 1:, None].clamp(min=0).sqrt() * vectors.mT[:, 1:]
    return root


def draws(streams: Streams, item: int, samples: int, k: int) -> Tensor:
    """[S, K] standard normal numbers of one item."""
    return torch.randn(samples, k, generator=streams.generator("laplace", item), dtype=torch.float64)



def _gold(data: Sequence[Example], ids: Sequence[int]) -> Tensor:
    """[N] which of the ids answers each example."""
    if len(set(ids)) < max(2, len(ids)):
        raise Refused(f"cannot choose among the tokens {tuple(ids)}; because a choice needs two different ones at least; use one "
                      "token per answer")
    if not data:
        raise Refused("cannot use a Laplace approximation on no examples; because it is made of their answers; use a data set "
                      "that is not empty")
    place = {token: k for k, token in enumerate(ids)}
    gold = [place.get(e.input_ids[e.answer_from]) if e.answer_from and e.answer_tokens == 1 else None for e in data]
    if None in gold:
        raise Refused(f"cannot use a Laplace approximation on example {gold.index(None)}; because its answer is not one of the "
                      f"tokens {tuple(ids)} behind a prompt; use examples whose answer is one of them")
    return torch.tensor(gold)
