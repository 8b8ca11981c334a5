"""A small quadratic of many weights, for the tests of zeroth-order methods."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.parts import Role, Weight

SHAPES = {"embedding": (Role.EMBEDDING, None, (40, 6)), "a": (Role.MATRIX, 0, (6, 10)), "b": (Role.NORM, 0, (5,)),
          "c": (Role.MATRIX, 1, (7, 3)), "d": (Role.BIAS, 1, (1,)), "head": (Role.HEAD, None, (6, 9))}


class Bowl(nn.Module):
    """Holds the weights; dropout, so that the mode matters."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.held = nn.ParameterDict({n: nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype))
                                      for n, (_, _, s) in SHAPES.items()})
        self.dropout = nn.Dropout(0.5)

    def weights(self) -> list[Weight]:
        return [Weight(n, self.held[n], role, layer) for n, (role, layer, _) in SHAPES.items()]


@dataclass
class Quadratic:
    """Example b's loss is sum_j a_j (w_j - t_bj)^2 / 2 + s * w . v: each has its own target."""

    model: Bowl
    examples: int = 3

    def parts(self):
        yield self.of([w.tensor for w in self.model.weights()])

    @torch.no_grad()
    def value(self) -> Tensor:
        return self.of([w.tensor for w in self.model.weights()])

    @torch.no_grad()
    def each(self) -> tuple[Tensor, Tensor]:
        share = torch.arange(1, self.examples + 1, dtype=torch.float64)
        return self.rows([w.tensor for w in self.model.weights()]), share / share.sum()

    def rows(self, tensors: list[Tensor]) -> Tensor:
        x = torch.cat([t.flatten() for t in tensors])
        scale = torch.linspace(0.1, 1.0, len(x), dtype=x.dtype)
        on = self.model.dropout(torch.ones(1, dtype=x.dtype)).squeeze()
        rows = [on * (scale * (x - 0.3 * b).square()).sum() / 20 for b in range(self.examples)]
        return torch.stack(rows) if rows else x.new_zeros(0)

    def of(self, tensors: list[Tensor]) -> Tensor:
        share = torch.arange(1, self.examples + 1, dtype=torch.float64)
        return (self.rows(tensors).double() * share / share.sum()).sum()


def copies(model: Bowl) -> list[Tensor]:
    return [w.tensor.detach().clone() for w in model.weights()]
