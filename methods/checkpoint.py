"""A run's checkpoint: moving weights and state as safetensors, the rest as JSON; a folder that is whole or absent."""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from methods import atomic
from methods.parts import Refused, State, Weight


@dataclass(frozen=True)
class Position:
    """Where a run stood and what it was: a checkpoint resumes the same run or is refused."""

    step: int
    tokens: int
    seconds: float
    identity: dict[str, Any]


def save(folder: Path, weights: Sequence[Weight], state: State, position: Position) -> None:
    """Replaces the folder in one step."""
    tensors = {w.name: w.tensor.detach().contiguous().clone() for w in weights}
    slots = {f"{name}|{slot}": t.detach().contiguous().clone() for name, kept in state.items() for slot, t in kept.items()}
    with atomic.folder(folder) as fresh:
        save_file(tensors, fresh / "weights.safetensors")
        save_file(slots, fresh / "state.safetensors")
        (fresh / "run.json").write_text(json.dumps(vars(position), indent=1))


def load(folder: Path, weights: Sequence[Weight], state: State, identity: dict[str, Any]) -> Position:
    """Fills the weights and the state in place. Refused when the checkpoint is of another run."""
    position = Position(**json.loads((folder / "run.json").read_text()))
    for key, ours in identity.items():
        theirs = position.identity.get(key)
        if theirs != ours:
            raise Refused(f"cannot resume from {folder}; because its {key} is {theirs} and this run's is {ours}; "
                          "start again in an empty folder or restore the old setting")
    tensors = load_file(folder / "weights.safetensors")
    with torch.no_grad():
        for weight in weights:
            weight.tensor.copy_(tensors[weight.name])
    device = weights[0].tensor.device
    for key, tensor in load_file(folder / "state.safetensors").items():
        name, slot = key.rsplit("|", 1)
        state.setdefault(name, {})[slot] = tensor.to(device)
    return position
