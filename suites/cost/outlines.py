"""What an operation makes, by the shapes it is given: computed once, as a model repeats its blocks and a run its steps."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload

META = torch.device("meta")


class Outline(NamedTuple):
    """A tensor's shape and place in its storage."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype

    def made(self) -> Tensor:
        """A tensor of its own on the meta device."""
        return torch.empty_strided(self.size, self.stride, dtype=self.dtype, device=META)


class _Plain(NamedTuple):
    """An argument that is no tensor; 1, 1.0 and True are three."""

    kind: type
    value: Any


PLAIN = (int, float, bool, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format)


def results(func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The operation on meta tensors."""
    if _makes_new(func):
        given = _frozen(args), tuple((name, _frozen(value)) for name, value in kwargs.items())
        if None not in given and all(value is not None for _, value in given[1]):
            made = _made(func, *given)
            if made is not None:
                return made[0].made() if len(made) == 1 else tuple(outline.made() for outline in made)
    return func(*args, **kwargs)


@cache
def _makes_new(func: OpOverload) -> bool:
    """Whether it says that it writes to nothing and gives tensors that are nobody's view."""
    returns = func._schema.returns
    return not func._schema.is_mutable and bool(returns) and all(
        r.alias_info is None and str(r.type) == "Tensor" for r in returns)


@lru_cache(maxsize=2**14)
def _made(func: OpOverload, args: Any, kwargs: Any) -> tuple[Outline, ...] | None:
    """Outlines of what is made; None where a result is not a dense tensor in a storage of its own, whatever the schema says."""
    inside = [_thawed(value) for value in args]
    named = {name: _thawed(value) for name, value in kwargs}
    result = func(*inside, **named)
    tensors = (result,) if isinstance(result, Tensor) else tuple(result)
    flat = [t for value in (*inside, *named.values()) for t in (value if isinstance(value, list) else [value])]
    taken = {t.untyped_storage()._cdata for t in flat if isinstance(t, Tensor)}
    for tensor in tensors:
        if not isinstance(tensor, Tensor) or not _dense(tensor) or tensor.untyped_storage()._cdata in taken:
            return None
        taken.add(tensor.untyped_storage()._cdata)
    return tuple(_outline(t) for t in tensors)


def _outline(tensor: Tensor) -> Outline:
    return Outline(tuple(tensor.size()), tensor.stride(), int(tensor.storage_offset()), tensor.dtype)


def _dense(tensor: Tensor) -> bool:
    """Whether a new tensor of its size and strides would have its storage's length."""
    outline = _outline(tensor)
    return outline.offset == 0 and outline.made().untyped_storage().nbytes() == tensor.untyped_storage().nbytes()


def _frozen(value: Any) -> Any:
    """A hashable stand-in for an argument; None for one that has none."""
    if isinstance(value, Tensor):
        return _outline(value)
    if isinstance(value, PLAIN):
        return _Plain(type(value), value)
    if isinstance(value, list | tuple):
        items = tuple(_frozen(item) for item in value)
        return None if None in items else items
    return None


def _thawed(frozen: Any) -> Any:
    if isinstance(frozen, Outline):
        return _shifted(frozen) if frozen.offset else frozen.made()
    if isinstance(frozen, _Plain):
        return frozen.value
    return [_thawed(item) for item in frozen]


def _shifted(outline: Outline) -> Tensor:
    last = sum((n - 1) * s for n, s in zip(outline.size, outline.stride, strict=True) if n)
    whole = torch.empty(outline.offset + last + 1, dtype=outline.dtype, device=META)
    return whole.as_strided(outline.size, outline.stride, outline.offset)
