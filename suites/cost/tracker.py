"""A tracker of live tensors: which storages exist after every operation, what they are for, and when they were most.

Memory is counted by storage: views share one, and a storage counts from the operation that first shows it until nothing
refers to it. Each has one kind. A kind may come to be known only later (that a tensor is a weight's gradient, or that
nothing keeps it for the backward pass), so the composition of a step's peak is corrected as kinds become known: it says
what the bytes alive at the peak were for. No operation's cost depends on how many tensors are alive.

What a kernel allocates for itself and frees before it returns is not seen.
"""
from __future__ import annotations

import enum
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from suites.cost.hollow import storage, tensors_in


class Kind(enum.StrEnum):
    """What memory is for."""

    WEIGHTS = "weights"
    GRADIENTS = "gradients"
    OPTIMIZER = "optimizer state"
    ACTIVATIONS = "activations"
    """Made in a forward pass (a recomputed one too) and kept for the backward pass."""
    SELECTION = "selection"
    """Made while examples are chosen, or kept between steps for that."""
    OTHER = "temporaries"
    """All else, the batch included."""


@dataclass(frozen=True)
class Peak:
    """The most bytes alive at once, and the operation after which they were."""

    bytes: int
    composition: Mapping[str, int]
    """Bytes by kind, of sum `bytes`."""
    operation: str
    phase: str
    phases: Mapping[str, int] = field(default_factory=dict)
    """The most bytes alive in each phase of the step that did anything."""


@dataclass(slots=True)
class _Storage:
    nbytes: int
    kind: Kind
    born: int
    watch: weakref.ref[torch.UntypedStorage] | None = None


class Tracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what lies on the model's device while it is entered.

    `phase` and `mark` tell it what it cannot see; `cut` ends a step.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.live = dict.fromkeys(Kind, 0)
        self.total = 0
        self._device = next(model.parameters()).device.type
        self._phases = ["start"]
        self._storages: dict[int, _Storage] = {}
        self._operations = 0
        self._peak = 0
        self._peak_at = 0
        self._peak_of: dict[Kind, int] = {}
        self._peak_in: tuple[Callable[..., Any] | None, str] = (None, "start")
        self._highs: dict[str, int] = {}
        self.mark([*model.parameters(), *model.buffers()], Kind.WEIGHTS)

    @property
    def now(self) -> str:
        """The phase: "backward" while autograd runs outside a selection."""
        named = self._phases[-1]
        return "backward" if named != "selection" and torch._C._current_graph_task_id() != -1 else named

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is made inside belongs to this phase of a step."""
        self._phases.append(name)
        try:
            yield
        finally:
            if name == "gradient":
                self.mark((p.grad for p in self.model.parameters() if p.grad is not None), Kind.GRADIENTS)
            self._phases.pop()

    def mark(self, tensors: Iterable[Tensor], kind: Kind) -> None:
        """Says what tensors are for; new ones are counted from now on."""
        for tensor in tensors:
            self._see(tensor, kind)
            known = self._storages.get(storage(tensor)._cdata)
            if known is not None:
                self._become(known, kind)
        self._compare(None)

    def cut(self) -> Peak:
        """The peak since the last cut; the next one starts from what is alive now."""
        func, phase = self._peak_in
        peak = Peak(self._peak, {str(k): n for k, n in self._peak_of.items()}, "" if func is None else str(func), phase,
                    self._highs)
        self._phases[0], self._peak, self._highs = "rest", 0, {}
        self._compare(None)
        return peak

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if torch.is_inference_mode_enabled():  # composite operations come in one piece there, and hide what they make
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        self._operations += 1
        kind = self._kind()
        for tensor in tensors_in((*args, *kwargs.values(), result)):
            self._see(tensor, kind)
        self._compare(func)
        return result

    def _kind(self) -> Kind:
        phase = self.now
        if phase == "selection":
            return Kind.SELECTION
        kept = phase in ("gradient", "forward", "backward") and torch.is_grad_enabled()
        return Kind.ACTIVATIONS if kept else Kind.OTHER

    def _see(self, tensor: Tensor, kind: Kind) -> None:
        if tensor.device.type != self._device:
            return
        memory = storage(tensor)
        key, nbytes = memory._cdata, memory.nbytes()
        known = self._storages.get(key)
        if known is None:
            known = self._storages[key] = _Storage(nbytes, kind, self._operations)
            known.watch = weakref.ref(memory, partial(self._freed, key))
            self._add(kind, nbytes)
        elif known.nbytes != nbytes:
            self._add(known.kind, nbytes - known.nbytes)
            known.nbytes = nbytes

    def _freed(self, key: int, reference: object) -> None:
        gone = self._storages.pop(key)
        if gone.kind is Kind.ACTIVATIONS and torch.is_grad_enabled():  # gone before the backward pass asked for it
            self._become(gone, Kind.OTHER)
        self._add(gone.kind, -gone.nbytes)

    def _become(self, known: _Storage, kind: Kind) -> None:
        if known.kind is kind:
            return
        self.live[known.kind] -= known.nbytes
        self.live[kind] += known.nbytes
        if known.born <= self._peak_at and self._peak:
            self._peak_of[known.kind] -= known.nbytes
            self._peak_of[kind] += known.nbytes
        known.kind = kind

    def _add(self, kind: Kind, nbytes: int) -> None:
        self.live[kind] += nbytes
        self.total += nbytes

    def _compare(self, func: Callable[..., Any] | None) -> None:
        phase = self.now
        self._highs[phase] = max(self.total, self._highs.get(phase, 0))
        if self.total > self._peak:
            self._peak, self._peak_at, self._peak_of = self.total, self._operations, dict(self.live)
            self._peak_in = (func, phase)
