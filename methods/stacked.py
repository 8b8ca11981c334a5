"""M LoRA members on one base in one forward pass: the base's matrices see all members' rows at once.

For member m and a module with frozen W:  y_m = x_m W^T + x_m A_m^T B_m^T,  x_m [n, d_in], A_m [r, d_in], B_m [d_out, r]
with LoRA's scaling in B. The rows of a batch are member-major, so that x is viewed as [M, n, d_in] without a copy:
x W^T is one product of M n rows, and both factors are one batched product each. Where a member has so many rows that
forming W + B_m A_m is the smaller part, that is done instead, member by member (see `methods/merged.py`).

Source: Wang, Aitchison and Rudolph, arXiv 2310.00035, for the ensemble. That the base's arithmetic is done M times all the
same, and only its weights are read once, is counted by `python -m repro bench ensemble`.

Departures: members may differ in rank (filled with zeros) and in the modules they adapt (zeros).
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

from methods import anatomy
from methods.adapters import Adapters, Factors, plain, some
from methods.columns import last_alone
from methods.merged import WIDE
from methods.parts import Refused

WORTH = 4.0
"""Merged once n reaches this many times d_in d_out / (d_in + d_out): batched thin products were the faster below (CPU)."""
AT_ONCE = 2**21
"""Bytes of the widest activation up to which members pass together; beyond, reading W once saves less than the cache does."""
FEW = 128
"""Rows up to which the head's matrix stands on the left."""
SPLIT = frozenset({"input_ids", "attention_mask", "position_ids", "token_type_ids"})
SHARED = frozenset({"use_cache", "logits_to_keep", "return_dict"})
"""A model's arguments with a row for every example, and without."""
def repeated(tensor: Tensor, members: int) -> Tensor:
    """[B, ...] -> [M B, ...], member-major."""
    return tensor.repeat(members, *(1,) * (tensor.dim() - 1))


@contextmanager
def stacked(model: nn.Module, members: Sequence[Adapters]) -> Iterator[dict[str, Factors]]:
    """In it, rows m B .. (m + 1) B - 1 of a batch pass through member m. Gives the members' factors as they lie in memory.

    Only these factors are added to what the model holds; no weight is written to, and the model leaves as it came.
    """
    some(members)
    plain(model)
    layers = dict(model.named_modules())
    held = {name: _packed(model, layers, name, members) for name in dict.fromkeys(n for m in members for n in m.factors)}
    widest = max((max(a.shape[2], b.shape[1]) * a.element_size() for a, b in held.values()), default=1)
    turn = Turn(_causal(model), len(members), widest)
    with ExitStack() as undo:
        undo.enter_context(_replaced(model, turn.forward))
        if type(head := cast(Any, model).get_output_embeddings()) is nn.Linear:
            undo.enter_context(_replaced(head, partial(_few, head)))
        for name, (a, b) in held.items():
            undo.enter_context(_replaced(layers[name], partial(turn.layer, layers[name], a, b)))
        yield held


@dataclass
class Turn:
    """Which members a pass is for: all, or a few at a time where their rows would no longer fit in the cache together."""

    body: anatomy.Anatomy | None
    """The model taken apart, where it is a causal one that is known."""
    members: int
    row_bytes: int
    """Of the widest tensor that a token takes on its way."""
    now: slice = field(default_factory=lambda: slice(None), init=False)

    def forward(self, own: Callable[..., Any]) -> Callable[..., Any]:
        """The model's pass: logits of all members, from as many passes as is fastest where nothing but logits is asked for."""
        @wraps(own)  # transformers reads its signature
        def whole(*args: Any, **kwargs: Any) -> Any:
            rows = next((len(t) for t in (*args, kwargs.get("input_ids"), kwargs.get("inputs_embeds")) if t is not None), 0)
            if rows % self.members:
                raise Refused(f"cannot pass {rows} rows through {self.members} members; because each member has as many rows as "
                              "the others; use repeated(batch, members)")
            ids = kwargs.get("input_ids")
            if args or ids is None or not kwargs.keys() <= SPLIT | SHARED or kwargs.get("use_cache", True):
                return own(*args, **kwargs)
            at_once = max(1, AT_ONCE * self.members // (ids.numel() * self.row_bytes))
            with self._cut(ids.shape[1], kwargs.get("logits_to_keep", 0)):
                return own(**kwargs) if at_once >= self.members else self._apart(own, kwargs, at_once, rows // self.members)
        return whole

    def _cut(self, length: int, keep: Any) -> AbstractContextManager[None]:
        """Where only the last positions are asked for, the last block computes no more than these."""
        if self.body is None or not isinstance(keep, int) or not 0 < keep < length:
            return nullcontext()
        return last_alone(self.body, length, keep)

    def _apart(self, own: Callable[..., Any], kwargs: dict[str, Any], at_once: int, rows: int) -> Any:
        found = []
        try:
            for start in range(0, self.members, at_once):
                self.now = slice(start, start + at_once)
                found.append(own(**{name: value[start * rows:(start + at_once) * rows] if name in SPLIT and value is not None
                                    else value for name, value in kwargs.items()}))
        finally:
            self.now = slice(None)
        found[0]["logits"] = torch.cat([out.logits for out in found])
        return found[0]

    def layer(self, layer: Any, a: Tensor, b: Tensor, own: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """A linear layer's pass."""
        d_out, d_in = b.shape[1], a.shape[2]
        weight = layer.weight if type(layer) is nn.Linear else layer.weight.t()
        exact = weight.dtype in WIDE and weight.dtype == a.dtype
        worth = d_in * d_out / (d_in + d_out) if exact else math.inf

        @wraps(own)
        def forward(x: Tensor) -> Tensor:
            now_a, now_b = a[self.now], b[self.now]
            members = len(now_a)
            apart = x.reshape(members, -1, d_in)
            if apart.shape[1] >= worth * (1 if members == 1 else WORTH) and not torch.is_grad_enabled():
                return _merged(apart, weight, layer.bias, now_a, now_b).view(*x.shape[:-1], d_out)
            out = own(x).view(members, -1, d_out)
            low = torch.bmm(apart.to(a.dtype), now_a.transpose(1, 2))
            if out.dtype == a.dtype:
                return out.baddbmm_(low, now_b.transpose(1, 2)).view(*x.shape[:-1], d_out)
            return (out + torch.bmm(low, now_b.transpose(1, 2))).to(out.dtype).view(*x.shape[:-1], d_out)
        return forward


def _few(head: Any, own: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The head for a few rows with its matrix on the left, which is then read once for all of them and in its own order.

    Of a slice of positions torch makes one product for every row; and one with the rows on the left takes three times as long
    for 5 rows of 32,000 words, as long for 240 (MKL).
    """
    @wraps(own)
    def forward(x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        if len(rows) > FEW or head.bias is not None or rows.dtype != head.weight.dtype:
            return own(x)
        return torch.mm(head.weight, rows.t()).t().view(*x.shape[:-1], -1)
    return forward


def _merged(x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """[M, n, d_in] -> [M, n, d_out] by one merged matrix after another."""
    if len(x) == 1:
        return F.linear(x[0], torch.addmm(weight, b[0], a[0]), bias)
    out = x.new_empty(*x.shape[:2], len(weight))
    for m, rows in enumerate(x):
        torch.mm(rows, torch.addmm(weight, b[m], a[m]).t(), out=out[m])
    return out if bias is None else out.add_(bias)


def _packed(model: nn.Module, layers: Mapping[str, nn.Module], name: str, members: Sequence[Adapters]) -> Factors:
    """All members' factors of a module, those of lower rank or none filled with zeros."""
    present = [(m, member.factors[name]) for m, member in enumerate(members) if name in member.factors]
    if type(layers.get(name)) not in (nn.Linear, Conv1D):
        raise Refused(f"cannot stack adapters of {name}; because {type(model).__name__} has no linear layer there; "
                      "use members that were trained on this base, with adapters of its linear layers")
    shape, device = _shape(layers[name]), next(iter(layers[name].parameters())).device
    for m, (a, b) in present:
        if (a.shape[1], b.shape[0]) != shape:
            raise Refused(f"cannot stack member {m}; because its adapter of {name} maps {a.shape[1]} numbers to {b.shape[0]} "
                          f"and the base's layer {shape[0]} to {shape[1]}; use members of this base")
    rank = max(len(a) for _, (a, _) in present)
    dtype = present[0][1][0].dtype
    for _, pair in present:
        dtype = torch.promote_types(dtype, pair[0].dtype)
    out_a = torch.zeros(len(members), rank, shape[0], dtype=dtype, device=device)
    out_b = torch.zeros(len(members), shape[1], rank, dtype=dtype, device=device)
    for m, (a, b) in present:
        out_a[m, :len(a)], out_b[m, :, :len(a)] = a, b
    return out_a, out_b


def _causal(model: nn.Module) -> anatomy.Anatomy | None:
    """The model taken apart; None where it is not known, or a token sees what follows it."""
    try:
        body = anatomy.read(model)
    except Refused:
        return None
    return body if body.predicts_next else None


def _shape(layer: Any) -> tuple[int, int]:
    """Numbers in and out of a linear layer."""
    d_out, d_in = layer.weight.shape if type(layer) is nn.Linear else layer.weight.t().shape
    return int(d_in), int(d_out)


@contextmanager
def _replaced(module: nn.Module, forward: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    own = vars(module).get("forward")
    vars(module)["forward"] = forward(module.forward)
    try:
        yield
    finally:
        if own is None:
            del vars(module)["forward"]
        else:
            vars(module)["forward"] = own

