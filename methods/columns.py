"""Computing only the positions of a last block that anybody will look at.

What follows the last block's attention maps every position by itself, and its queries are asked at their own positions alone: so
at positions where no answer is read, its query projection, output projection and MLP need not be computed. Keys and values are.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from methods.anatomy import Anatomy


@contextmanager
def computed_at(module: nn.Module, length: int, columns: Tensor) -> Iterator[None]:
    """The module computes the columns [K] alone of its input [B, length, H] and gives 0 for the others."""
    def narrow(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0].index_select(1, columns), *args[1:])

    def spread(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output.new_zeros(len(output), length, output.shape[-1]).index_copy(1, columns, output)

    with module.register_forward_pre_hook(narrow), module.register_forward_hook(spread):
        yield


@contextmanager
def last_alone(body: Anatomy, length: int, last: int) -> Iterator[None]:
    """In it a pass over [B, length] tokens gives what it always does at the `last` positions, and there alone."""
    block, layout = body.blocks[-1], body.layout
    paths = [layout.mlp, layout.output, layout.attention[0] if layout.packing == "separate" else None]
    columns = torch.arange(length - last, length, device=next(block.parameters()).device)
    with ExitStack() as undo:
        for path in paths:
            if path is not None:
                undo.enter_context(computed_at(block.get_submodule(path), length, columns))
        yield
