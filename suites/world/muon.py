"""Muon for the pretraining run: momentum whose matrix is made orthogonal before the step, in fp32, blocks batched.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers". torch.optim.Muon does the same in bf16, which
processors without bf16 units run a hundred times slower.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """[L, m, n] each matrix with its singular values pushed to about 1 (quintic Newton-Schulz)."""
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT
    x = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    result: Tensor = x if matrices.shape[-2] <= matrices.shape[-1] else x.mT
    return result


class Muon:
    """Groups of equally shaped matrices share one batched step; Nesterov momentum 0.95."""

    def __init__(self, groups: Sequence[Sequence[nn.Parameter]], momentum: float = 0.95) -> None:
        """``groups``: the same weight of every block, as lists."""
        self.groups, self.momentum = groups, momentum
        self.moved = [torch.zeros(len(g), *g[0].shape) for g in groups]

    def step(self, lr: float, apply: Callable[..., Iterable[None]] = map) -> None:
        """One step in place; ``apply`` may run the groups side by side."""
        list(apply(lambda group, moved: self._move(group, moved, lr), self.groups, self.moved))

    @torch.no_grad()
    def _move(self, group: Sequence[nn.Parameter], moved: Tensor, lr: float) -> None:
        grads = torch.stack([p.grad for p in group if p.grad is not None])
        moved.lerp_(grads, 1 - self.momentum)
        update = orthogonal(grads.lerp(moved, self.momentum))
        scale = lr * max(1.0, group[0].shape[0] / group[0].shape[1]) ** 0.5
        torch._foreach_add_(list(group), list(update.unbind()), alpha=-scale)
