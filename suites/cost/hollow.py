"""Tensors without numbers: shape, dtype, device and storage of a real one, so that 70 billion weights weigh nothing.

A hollow tensor wraps one on PyTorch's "meta" device, whose kernels compute shapes alone, and says that it lies on the device
that is simulated: so autograd, autocast and the choice of an attention kernel go the way that they go for real tensors.

Within `Hollowing`:
- An operation none of whose tensors is hollow is run as it is: token ids, masks, indices and step counts keep their values,
  so that whatever hangs on them (which columns a loss looks at, when a curvature is due) is exact.
- An operation on a hollow tensor is run on the meta device; what real tensors it meets are looked at for their shape.
- A new table of floating-point numbers is hollow, unless `concrete` says that it is wanted with numbers (a selection's
  scores, say). A single number is real, and a table of float64, which holds probabilities and slopes but no weights.
- A number that Python asks of a hollow tensor is 1, a truth value True, an index or a count refused. What has to have
  numbers for the result to have a shape, and what is written into a real tensor, is drawn at random from [0, 1), in a fixed
  order from a fixed seed: the code goes on as it would with some numbers. Where it does not matter which, memory is exact.

FakeTensor in PyTorch serves compilers in the same way at ten times the cost: it asks Python for a device at every turn.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import _disabled_torch_function_impl
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from methods.parts import Refused
from suites.cost.outlines import META, results

VALUE = torch.ops.aten._local_scalar_dense.default


class Hollow(Tensor):
    """A tensor of `of`'s shape, dtype and strides that says it is on `device`."""

    of: Tensor
    __torch_function__ = _disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, of: Tensor, device: torch.device) -> Hollow:
        with torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext():  # autograd detaches it there
            made: Hollow = torch.Tensor._make_wrapper_subclass(
                cls, of.size(), strides=of.stride(), storage_offset=of.storage_offset(), dtype=of.dtype, layout=of.layout,
                device=device)
        made.of = of
        return made

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, new: Tensor) -> None:
        """Module.to and PEFT change a weight's dtype so."""
        if not isinstance(new, Hollow):
            raise Refused("cannot give a tensor without numbers some; because it would keep half of each; use a hollow one")
        torch.Tensor.data.__set__(self, new)  # type: ignore[attr-defined]
        self.of = new.of

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Hollow({tuple(self.shape)}, {self.dtype}, {self.device})"

    def tolist(self) -> Any:
        """Ones, as every value that is asked for."""
        nested: Any = _value(self.dtype)
        for size in reversed(self.shape):
            nested = [nested] * size
        return nested

    @classmethod
    def __torch_dispatch__(cls, func: OpOverload, types: Any, args: Sequence[Any] = (),  # type: ignore[override]
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        return _shapes_alone(func, args, kwargs or {})


def storage(tensor: Tensor) -> torch.UntypedStorage:
    """What stands for a tensor's memory, one and the same for all views of it."""
    return tensor.of.untyped_storage() if isinstance(tensor, Hollow) else tensor.untyped_storage()


def hollow(model: nn.Module, device: torch.device | str = "cpu") -> nn.Module:
    """The model with its weights and buffers, which are on the meta device, made hollow; tied ones stay tied."""
    made: dict[int, Any] = {}
    where = torch.device(device)
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = made.setdefault(id(tensor), _hollowed(tensor, where))
    return model


def _hollowed(tensor: Tensor, device: torch.device) -> Tensor:
    made = Hollow(tensor.detach(), device)
    return nn.Parameter(made, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made


class Hollowing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """In it a hollow model runs, trains and is looked at. `concrete`: whether new tables get numbers now."""

    def __init__(self, concrete: Callable[[], bool] = lambda: False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._concrete = concrete
        self._numbers = torch.Generator().manual_seed(0)

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        given = tensors_in(args) + tensors_in(kwargs.values())
        some_hollow = any(isinstance(t, Hollow) for t in given)
        if not some_hollow:
            return func(*args, **kwargs) if given or self._concrete() else _made(func, args, kwargs)
        if func is VALUE:
            return _value(args[0].dtype)
        if torch.Tag.dynamic_output_shape in func.tags or _written_real(func, args, kwargs):
            return func(*map_tensors(self._with_numbers, args), **map_tensors(self._with_numbers, kwargs))
        return _shapes_alone(func, args, kwargs)

    def _with_numbers(self, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, Hollow):
            return tensor
        return torch.rand(tensor.shape, generator=self._numbers).to(tensor.dtype)


def tensors_in(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among arguments, lists of tensors taken apart."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [item for item in value if isinstance(item, Tensor)]
    return found


def map_tensors(change: Callable[[Tensor], Any], value: Any) -> Any:
    """Arguments or results with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        return type(value)(map_tensors(change, item) for item in value)
    if isinstance(value, Mapping):
        return {name: map_tensors(change, item) for name, item in value.items()}
    return value


def _value(dtype: torch.dtype) -> float | bool:
    """What Python gets for a value. Raises Refused for a whole number: as an index or a count it would be a lie."""
    if dtype.is_floating_point:
        return 1.0
    if dtype is torch.bool:
        return True
    raise Refused("cannot simulate this step; because an index or a count hangs on numbers that a tensor without numbers does "
                  "not have; use a part that decides without them, or measure it on a small model")


def _made(func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What an operation without tensors gives: hollow where that is a table of floating-point numbers."""
    dtype = kwargs.get("dtype") or torch.get_default_dtype()
    if not (_places(func) and dtype.is_floating_point):
        return func(*args, **kwargs)
    there = {**kwargs, "device": META} | ({"generator": None} if "generator" in kwargs else {})
    shape: Tensor = func(*args, **there)
    if not shape.dtype.is_floating_point or shape.dtype is torch.float64 or not shape.dim():
        return func(*args, **kwargs)
    return Hollow(shape, torch.device(kwargs.get("device") or "cpu"))


def _shapes_alone(func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The operation on the meta device. What it writes to comes back as the tensor that was given."""
    known: dict[int, Tensor] = {}
    device = torch.device("cpu")

    def enter(tensor: Tensor) -> Tensor:
        nonlocal device
        if tensor.device.type != "cpu":
            device = tensor.device
        of = tensor.of if isinstance(tensor, Hollow) else _outline(tensor)
        known[id(of)] = tensor
        return of

    def leave(of: Tensor) -> Tensor:
        return known[id(of)] if id(of) in known else Hollow(of, device)

    inside, named = map_tensors(enter, args), map_tensors(enter, kwargs)
    if named.get("device") is not None:
        device = named["device"]
        named["device"] = META
    result = map_tensors(leave, results(func, inside, named))
    if func._schema.is_mutable and any(t.shape != t.of.shape for t in known.values() if isinstance(t, Hollow)):
        raise Refused(f"cannot simulate {func}; because it changes the shape of a tensor in place; use code that makes a new one")
    return result


def _outline(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=META)


@cache
def _places(func: OpOverload) -> bool:
    """Whether the operation is told where to put its result."""
    return any(argument.name == "device" for argument in func._schema.arguments)


def _written_real(func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a tensor with numbers is written to."""
    if not func._schema.is_mutable:
        return False
    places = {**dict(zip((a.name for a in func._schema.arguments), args, strict=False)), **kwargs}
    written = tensors_in(places[a.name] for a in func._schema.arguments
                         if a.alias_info is not None and a.alias_info.is_write and a.name in places)
    real = [t for t in written if not isinstance(t, Hollow)]
    if real and len(real) < len(written):
        if all(t.is_floating_point() and t.dim() for t in real):  # tables drawn at random, such as a gradient: they need no truth
            return False
        raise Refused(f"cannot simulate {func}; because it writes to tensors with and without numbers in one call; "
                      "use one call for each")
    return bool(real)
