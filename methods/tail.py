"""The last block and what follows it, run again and again on what reaches it: how a pool is scored without whole passes.

A pass through the model is stopped at the last block and what reached it kept. Later calls of the model skip the blocks
before, and the value projection's output is watched or moved by a hook: the projection is linear, so a change of its
matrix by eps Z moves its output by eps u Z^T, u being its input (for LoRA's B: the scaled output of A). No weight is
written to, every architecture of `methods.anatomy` works, fused projections too, and examples stay independent.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.func import functional_call

from methods import anatomy
from methods.columns import computed_at
from methods.parts import Refused, Role

Move = Callable[[Tensor, Tensor], Tensor]
"""(u [B, T, d_in], output [B, T, d_out]) of the value projection -> what to put in the output's place."""


class _Reached(Exception):
    """Unwinds a pass that has come to the last block."""


@dataclass(frozen=True)
class Kept:
    """What reached the last block for one batch."""

    hidden: Tensor
    """[B, T, H]"""
    beside: tuple[Any, ...] | None
    """What a block returns behind its hidden states; None where it returns them alone."""

    def twice(self) -> Kept:
        """The batch two times, one behind the other."""
        return Kept(torch.cat([self.hidden, self.hidden]), self.beside)


class Tail:
    """A model bound to its last block, for as long as its modules stay what they are.

    Raises Refused for an adapter on the value projection that is not linear in B.

    In a model of half precision the last block, the final norm and the head are used in float32.
    """

    def __init__(self, model: nn.Module) -> None:
        body = anatomy.read(model)
        last = body.n_blocks - 1
        self._model, self._blocks, self._projection = model, body.blocks, body.value_projection(last)
        self._value = body.model.get_submodule(self._projection.module)
        self._causal = body.layout.causal
        self._mlp = None if body.layout.mlp is None else self._blocks[-1].get_submodule(body.layout.mlp)
        after = {id(w.tensor) for w in body.weights
                 if w.layer == last or w.plays(Role.HEAD) or (w.layer is None and w.role in (Role.FINAL_NORM, Role.BIAS))}
        self._half = {n: p for n, p in model.named_parameters()
                      if id(p) in after and p.dtype in (torch.bfloat16, torch.float16)}
        self._wide: dict[str, Tensor] = {}
        self._adapters = list(self._value.active_adapters) if isinstance(self._value, LoraLayer) else []
        if any(self._value.use_dora.get(a, False) for a in self._adapters):
            raise Refused("cannot score a pool by its value projection under DoRA; because DoRA rescales what B gives; use "
                          "LoRA without use_dora, or a selection by losses")

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in) of the matrix meant: W, or LoRA's B."""
        rows = sum(run.stop - run.start for run in self._projection.rows)
        weight: Tensor = self._value.weight
        inputs = (sum(self._value.r[a] for a in self._adapters) if self._adapters
                  else weight.shape[1 - self._projection.axis])
        return rows, int(inputs)

    @contextmanager
    def widened(self) -> Iterator[None]:
        """In it, and there alone, `starting_from` may be called: weights of half precision are copied to float32 once."""
        self._wide = {name: weight.detach().float() for name, weight in self._half.items()}
        try:
            yield
        finally:
            self._wide = {}

    @torch.no_grad()
    def keep(self, call: Callable[[nn.Module], Any]) -> Kept:
        """Runs `call`, which must call the model it is given, up to the last block."""
        hidden: list[Tensor] = []
        beside: list[tuple[Any, ...] | None] = [None]

        def stop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            hidden.append(args[0] if args else kwargs["hidden_states"])
            raise _Reached

        def see(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            beside[0] = tuple(output[1:]) if isinstance(output, tuple) else None

        with (self._unmasked(), self._blocks[-1].register_forward_pre_hook(stop, with_kwargs=True),
              self._blocks[0].register_forward_hook(see)):
            try:
                call(self._model)
            except _Reached:
                return Kept(hidden[0], beside[0])
        raise RuntimeError("the call did not come to the model's last block")

    @contextmanager
    def starting_from(self, kept: Kept, move: Move, read: Tensor | None = None) -> Iterator[nn.Module]:
        """The model to call, within `widened`; it starts at its last block with what was kept.

        `read` [K]: the positions, counted from the end, at which its answer will be looked at; at others it is not the
        model's. None: all.
        """
        if self._half and not self._wide:
            raise RuntimeError("starting_from was called outside widened")
        hidden = kept.hidden.float() if self._wide else kept.hidden

        def put(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return ((hidden, *args[1:]), kwargs) if args else ((), kwargs | {"hidden_states": hidden})

        with ExitStack() as undo:
            undo.enter_context(self._unmasked())
            for block in self._blocks[:-1]:
                undo.enter_context(_skipped(block, kept.beside))
            undo.enter_context(self._blocks[-1].register_forward_pre_hook(put, with_kwargs=True))
            undo.enter_context(self._value.register_forward_hook(self._moving(move)))
            if read is not None and self._mlp is not None:
                undo.enter_context(computed_at(self._mlp, hidden.shape[1], hidden.shape[1] + read))
            yield _Widened(self._model, self._wide) if self._wide else self._model

    @contextmanager
    def _unmasked(self) -> Iterator[None]:
        """Leaves out a causal model's mask of padding: a row is padded behind its end, where none of its tokens looks."""
        def drop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return args, kwargs | {"attention_mask": None}

        if not self._causal:
            yield
            return
        with self._model.register_forward_pre_hook(drop, with_kwargs=True):
            yield

    def _moving(self, move: Move) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            parts = self._projection.parts(output, axis=-1)
            new = move(self._input(args[0]), torch.cat(parts, -1))
            out = output.clone()
            sizes = [p.shape[-1] for p in parts]
            for place, part in zip(self._projection.parts(out, axis=-1), torch.split(new, sizes, -1), strict=True):
                place.copy_(part)
            return out
        return hook

    def _input(self, x: Tensor) -> Tensor:
        """[B, T, d_in]"""
        if not self._adapters:
            return x
        return torch.cat([self._value.lora_A[a](x) * self._value.scaling[a] for a in self._adapters], -1)


class _Widened(nn.Module):
    """A model some of whose weights are replaced while it is called."""

    def __init__(self, model: nn.Module, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self._inside, self._weights = [model], weights

    def forward(self, **inputs: Any) -> Any:
        return functional_call(self._inside[0], self._weights, (), inputs)


@contextmanager
def _skipped(block: nn.Module, beside: tuple[Any, ...] | None) -> Iterator[None]:
    """The block returns what it is given."""
    def forward(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        return hidden_states if beside is None else (hidden_states, *beside)

    own = vars(block).get("forward")
    vars(block)["forward"] = forward
    try:
        yield
    finally:
        if own is None:
            del vars(block)["forward"]
        else:
            vars(block)["forward"] = own
