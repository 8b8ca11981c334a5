"""GradMatch: few examples whose weighted gradients add up to the pool's, by orthogonal matching pursuit.

Source: Killamsetty et al., arXiv 2103.00123, section 3 and algorithm 2.

    b = (1/P) sum_i g_i,  r = b - sum_{s in S} w_s g_s
    S += argmax_i <g_i, r>;  w = argmin_{w >= 0} ||b - sum_s w_s g_s||^2 + lambda G ||w||^2,  G = (1/P) sum_i ||g_i||^2

until |S| = k or no <g_i, r> is above 0. Examples of weight 0 are left out; the places left are filled at random.

**Departures**: lambda counts in mean squared gradients, so that it means the same for any size of them; the penalty does not
enter the search, as in the authors' code. Gradients of the last value projection, anew at every step, in place of the last
layer's every R epochs. Weights found are scaled to mean 1, which keeps the direction of their sum and not its length; filled
places weigh 1. Ties by place in the training set.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import solve_triangular
from scipy.optimize import nnls
from torch import Tensor

from methods.parts import Chosen, Clock, Probe, Refused, Sight, State
from methods.ranking import broken, ordered, unweighted
from methods.streams import Streams

NOTHING = 1e-12
"""Of G: an inner product below this is taken for 0."""


@dataclass(frozen=True)
class GradMatch:
    """Out of `pool` times the batch; `lam` is the ridge lambda."""

    pool: int = 2
    lam: float = 0.5
    sees: Sight = Sight.GRADIENTS

    def __post_init__(self) -> None:
        if not self.lam > 0:
            raise Refused(f"cannot use GradMatch with lam {self.lam}; because equal gradients then have no unique weights; "
                          "use lam > 0, 1e-6 for almost none")

    def __call__(self, probe: Probe, k: int, state: State, clock: Clock, streams: Streams) -> Chosen:
        if k >= len(probe):
            return unweighted(torch.arange(len(probe)))
        positions = ordered(probe)
        gradients = probe.gradients(positions)
        stopped = broken(gradients, positions, k)
        if stopped is not None:
            return stopped
        found, weight = self.pursue(gradients, k)
        taken = set(found.tolist())
        order = streams.permutation(len(probe), "selection", clock.step).tolist()
        fill = [i for i in order if i not in taken][:k - len(found)]
        index = torch.cat([found, torch.tensor(fill, dtype=torch.long)])
        return Chosen(positions[index], torch.cat([weight, torch.ones(len(fill))]))

    def pursue(self, gradients: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """[P, d] -> (at most k rows in order of choosing, their weights > 0 of mean 1)."""
        wide = gradients.double()
        inner = (wide @ wide.T).cpu().numpy()
        target, size = inner.mean(1), float(np.trace(inner)) / len(inner)
        support: list[int] = []
        weight = np.zeros(0)
        while len(support) < k:
            towards = target - inner[:, support] @ weight
            towards[support] = -np.inf
            best = int(towards.argmax())
            if towards[best] <= NOTHING * size:
                break
            support.append(best)
            weight = self._weights(inner[np.ix_(support, support)], target[support], size)
        held = weight > 0
        kept = torch.from_numpy(weight[held]).float()
        return torch.tensor(support, dtype=torch.long)[torch.from_numpy(held)], kept / kept.mean() if len(kept) else kept

    def _weights(self, inner: np.ndarray, target: np.ndarray, size: float) -> np.ndarray:
        """The least squares of the docstring, as one with the Cholesky factor for its matrix."""
        lower = np.linalg.cholesky(inner + self.lam * size * np.eye(len(inner)))
        return np.asarray(nnls(lower.T, solve_triangular(lower, target, lower=True))[0])
