"""Random directions that are remade from a seed instead of being kept: standard normal numbers for a list of tensors.

A direction is cut into groups of neighbouring tensors of at least `CHUNK` numbers together (a larger tensor is a group of
its own), so that the small tensors of a model cost one call and not one each; one group at a time is alive. The same
seed and shapes give the same numbers on any number of threads.

On a CPU every number is one of 65,536 equally likely values, the middle quantiles of the normal law scaled to variance
1 (fourth moment 2.9992 for the law's 3, greatest value 4.33): 16 random bits and a table make them about twice as fast
as a float32 normal of torch or NumPy. The bits are NumPy's SFC64, whose raw stream does not change between versions.
On other devices they are the device's own generator's.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch._utils import _unflatten_dense_tensors

CHUNK = 2**16
"""Numbers that a group has at least, where there are so many; 256 KiB, so that a group stays in a core's cache."""
LANES = 4
"""16-bit numbers in one word of the raw stream; every tensor starts at a new word."""
GREATEST = 4.325
"""No number drawn on a CPU is larger."""


def groups_of(tensors: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Ranges of neighbouring tensors, in order, that are drawn together."""
    out, start, size = [], 0, 0
    for i, tensor in enumerate(tensors):
        size += tensor.numel()
        if size >= CHUNK or i == len(tensors) - 1:
            out.append((start, i + 1))
            start, size = i + 1, 0
    return out


def draw(tensors: Sequence[Tensor], seeds: Sequence[int], scales: Sequence[float]) -> Iterator[tuple[int, list[Tensor]]]:
    """sum_i scale_i z(seed_i), group by group: (position of its first tensor, one tensor of the shape of each in the group).

    In float32, or float64 where the group's first tensor has it. What is yielded is overwritten when the next is asked for.
    """
    shapes, lengths = [t.shape for t in tensors], [t.numel() for t in tensors]
    sizes = [-(-n // LANES) * LANES for n in lengths]
    bounds = groups_of(tensors)
    dtype = torch.promote_types(tensors[0].dtype, torch.float32)
    space = torch.empty(max(sum(sizes[a:b]) for a, b in bounds), dtype=dtype, device=tensors[0].device)
    sources = [_source(seed, space) for seed in seeds]
    more = torch.empty_like(space) if len(seeds) > 1 else space
    for a, b in bounds:
        flat = space[:sum(sizes[a:b])]
        sources[0](flat)
        if scales[0] != 1.0:
            flat.mul_(scales[0])
        for source, scale in zip(sources[1:], scales[1:], strict=True):
            other = more[:len(flat)]
            source(other)
            flat.add_(other, alpha=scale)
        if sizes[a:b] == lengths[a:b]:  # one call for all views: the small tensors cost calls, not numbers
            yield a, list(_unflatten_dense_tensors(flat, tensors[a:b]))  # type: ignore[no-untyped-call]
        else:
            parts = flat.split_with_sizes(sizes[a:b])
            yield a, [part[:n].view(shape) for part, n, shape in zip(parts, lengths[a:b], shapes[a:b], strict=True)]


@torch.no_grad()
def shift(tensors: Sequence[Tensor], seed: int, by: float) -> None:
    """tensor += by z(seed), in place, each sum rounded once to the tensor's dtype."""
    for start, parts in draw(tensors, (seed,), (1.0,)):
        add(tensors[start:start + len(parts)], parts, by)


def add(tensors: Sequence[Tensor], parts: Sequence[Tensor], by: float) -> None:
    torch._foreach_add_(list(tensors), list(parts), alpha=by)


class _Table:
    """Fills CPU tensors from the raw stream of SFC64, in pieces that fit the cache."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.SFC64(seed)

    def __call__(self, out: Tensor) -> None:
        numbers, table = out.numpy(), _quantiles(out.dtype)
        for start in range(0, len(numbers), CHUNK):
            piece = numbers[start:start + CHUNK]
            lanes = self._bits.random_raw(len(piece) // LANES).view(np.uint16)
            table.take(lanes, out=piece, mode="clip")


class _Device:
    """Fills tensors by the generator of their device."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, out: Tensor) -> None:
        out.normal_(generator=self._generator)


def _source(seed: int, space: Tensor) -> _Table | _Device:
    """The table where `space` is memory of the CPU; a subclass of Tensor (one without numbers, say) may not be."""
    return _Table(seed) if space.device.type == "cpu" and type(space) is Tensor else _Device(seed, space.device)


@lru_cache(maxsize=2)
def _quantiles(dtype: torch.dtype) -> np.ndarray:
    """[65536] of mean 0 and variance 1; float64 holds the float32 values, so that both dtypes see the same numbers."""
    n = 2**16
    middles = (2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1
    normal = math.sqrt(2) * torch.erfinv(middles)
    table = (normal / normal.square().mean().sqrt()).float()
    return table.to(dtype).numpy()
