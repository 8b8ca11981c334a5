"""Training loops whose memory is compared: the project's own, and plain ones as they are written around PyTorch.

Each is a function of a model and a `Watch`, and yields what is alive before the first step and after every step.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from methods import anatomy
from methods.examples import Example, collate
from methods.fit import Watch, fit
from methods.parts import Batch, Refused, State
from methods.recipe import Recipe
from methods.scope.lisa import Lisa
from methods.scope.lora import Lora
from methods.streams import Streams
from methods.training import Training
from methods.update.galore import GaLore

PAD = 0


@dataclass(frozen=True)
class Shown:
    """A run between two steps."""

    model: nn.Module
    moving: int
    """Numbers in the weights that moved in the last step."""
    optimizer: tuple[Tensor, ...]
    selection: tuple[Tensor, ...] = ()


Loop = Callable[[nn.Module, Watch], Iterator[Shown]]


def ours(recipe: Recipe, training: Training, data: Sequence[Example], seed: int = 0) -> Loop:
    """`methods.fit.fit` as it is."""
    def run(model: nn.Module, watch: Watch) -> Iterator[Shown]:
        for now in fit(model, recipe, data, training, Streams(seed), pad_id=PAD, watch=watch):
            names = {w.name for w in now.weights}
            yield Shown(now.model, sum(w.tensor.numel() for w in now.active), _slots(now.state, names, True),
                        _slots(now.state, names, False))
    return run


def _slots(state: State, names: set[str], of_weights: bool) -> tuple[Tensor, ...]:
    return tuple(t for name, slots in state.items() if (name in names) is of_weights for t in slots.values())


def naive_lisa(lisa: Lisa, training: Training, data: Sequence[Example], seed: int = 0, *, set_to_none: bool = True) -> Loop:
    """LISA by freezing alone, as published code has it: one AdamW over all weights, whose moments stay when a block freezes.

    The blocks are those that `lisa` draws; its `on_switch` is not looked at. With `set_to_none` False frozen blocks keep
    their gradients too, filled with zeros, and move on by their moments.
    """
    def run(model: nn.Module, watch: Watch) -> Iterator[Shown]:
        attached = lisa.attach(_ready(model, training), Streams(seed))
        optimizer = torch.optim.AdamW(attached.model.parameters(), lr=1e-5, fused=True)
        yield _shown(attached.model, optimizer)
        for step in range(training.steps or 0):
            with watch("switch"):
                now = {id(w.tensor) for w in attached.active(step)}
                for parameter in attached.model.parameters():
                    parameter.requires_grad_(id(parameter) in now)
            _step(attached.model, optimizer, _batch(data, training, step), training, watch, set_to_none)
            yield _shown(attached.model, optimizer)
    return run


def peft_lora(lora: Lora, training: Training, data: Sequence[Example], seed: int = 0) -> Loop:
    """PEFT's LoRA in a plain loop with torch.optim.AdamW; adapters are float32 beside half precision, as is PEFT's default."""
    def run(model: nn.Module, watch: Watch) -> Iterator[Shown]:
        body = replace(lora, autocast_adapter_dtype=True).attach(_ready(model, training), Streams(seed)).model
        optimizer = torch.optim.AdamW([p for p in body.parameters() if p.requires_grad], lr=1e-4, fused=True)
        yield _shown(body, optimizer)
        for step in range(training.steps or 0):
            _step(body, optimizer, _batch(data, training, step), training, watch, True)
            yield _shown(body, optimizer)
    return run


def galore_torch(galore: GaLore, training: Training, data: Sequence[Example]) -> Loop:
    """The GaLore authors' own optimizer (the package galore-torch) in a plain loop; it projects what `galore` projects.

    Raises Refused where the package is not installed.
    """
    try:
        own: Any = import_module("galore_torch")
    except ImportError:
        raise Refused("cannot simulate galore-torch; because the package is not installed; install it with `pip install "
                      "--no-deps galore-torch bitsandbytes`, or leave this row out") from None

    def run(model: nn.Module, watch: Watch) -> Iterator[Shown]:
        body = _ready(model, training)
        weights = anatomy.read(body).weights
        projected = [w.tensor for w in weights if galore.projects(w)]
        groups = [{"params": [w.tensor for w in weights if not galore.projects(w)]},
                  {"params": projected, "rank": galore.rank, "update_proj_gap": galore.update_gap, "scale": galore.scale,
                   "proj_type": "std"}]
        optimizer = own.GaLoreAdamW(groups, lr=galore.lr, no_deprecation_warning=True)
        yield _shown(body, optimizer)
        for step in range(training.steps or 0):
            _step(body, optimizer, _batch(data, training, step), training, watch, True)
            yield _projected(_shown(body, optimizer), optimizer)
    return run


def _projected(shown: Shown, optimizer: torch.optim.Optimizer) -> Shown:
    """With the projections, which galore-torch keeps in objects of its own."""
    made = tuple(slots["projector"].ortho_matrix for slots in optimizer.state.values() if "projector" in slots)
    return replace(shown, optimizer=(*shown.optimizer, *made))


def _ready(model: nn.Module, training: Training) -> nn.Module:
    if training.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})  # type: ignore[operator]
    return model.to(training.weight_dtype).train()


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, training: Training, watch: Watch,
          set_to_none: bool) -> None:
    """One optimizer step on transformers' own loss, which takes logits at every token."""
    size = training.micro_batch or len(batch)
    here = torch.autocast("cpu", torch.bfloat16, training.precision == "bf16-mixed")
    with watch("gradient"):
        for start in range(0, len(batch), size):
            rows = batch.rows(start, start + size)
            with watch("forward"), here:
                loss = model(input_ids=rows.input_ids, attention_mask=rows.attention_mask, labels=rows.labels,
                             use_cache=False).loss
            (loss * len(rows) / len(batch)).backward()
            del loss
    with watch("update"):
        optimizer.step()
    optimizer.zero_grad(set_to_none=set_to_none)


def _batch(data: Sequence[Example], training: Training, step: int) -> Batch:
    """In the data's order, round and round."""
    first = step * training.batch_size
    return collate(data, [(first + i) % len(data) for i in range(training.batch_size)], PAD)


def _shown(model: nn.Module, optimizer: torch.optim.Optimizer) -> Shown:
    kept = tuple(t for slots in optimizer.state.values() for t in slots.values() if isinstance(t, Tensor))
    return Shown(model, sum(p.numel() for p in model.parameters() if p.requires_grad), kept)
