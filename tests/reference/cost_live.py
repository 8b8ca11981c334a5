"""The slow obvious tracker: remembers every storage it has ever seen and, after every operation, adds up those still there."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Recount(TorchDispatchMode):
    """Compares `claimed()` with its own sum after every operation; `wrong` lists where they differ."""

    def __init__(self, tensors: Iterable[Tensor], claimed: Callable[[], int]) -> None:
        super().__init__()
        self.claimed = claimed
        self.seen: dict[int, tuple[StorageWeakRef, int]] = {}
        self.wrong: list[tuple[str, int, int]] = []
        self.operations = 0
        self._see(tensors)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._see(leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor))
        self.operations += 1
        if self.claimed() != (alive := self.alive()):
            self.wrong.append((str(func), self.claimed(), alive))
        return result

    def alive(self) -> int:
        for key in [key for key, (reference, _) in self.seen.items() if reference.expired()]:
            del self.seen[key]
        return sum(nbytes for _, nbytes in self.seen.values())

    def _see(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            memory = tensor.untyped_storage()
            known = self.seen.get(memory._cdata)
            if known is None or known[0].expired():
                self.seen[memory._cdata] = (StorageWeakRef(memory), memory.nbytes())


def nbytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages behind tensors, each once."""
    return sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}.values())
