"""A long run's checkpoints: a run that was killed goes on where it stood, to the same numbers.

One folder a run, replaced whole: where it stood, its curve so far, the weights its present stage started from, and the
stage's own checkpoint.
"""
from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from methods import atomic
from methods.fit import Snapshot
from repro.curve import Curve

EVERY_S = 60.0
"""A run shorter than this writes nothing and starts again when it is killed."""


@dataclass
class Place:
    """Where a run stands between two stages, or where its present stage began."""

    stage: int = 0
    offset: int = 0
    """Steps of the stages before."""
    seconds: float = 0.0
    """Spent on the optimizer steps of the stages before."""
    start: dict[str, Tensor] = field(default_factory=dict)
    """The weights the stage starts from; none: the base model."""
    curve: Curve = field(default_factory=Curve)
    member: int = 0
    """Of an ensemble: the one that trains."""
    kept: dict[str, Tensor] = field(default_factory=dict)
    """What members answered on the way, and the adapters of those that are done (`repro.members`)."""


@dataclass
class Partial:
    """The checkpoints of one run under `folder`."""

    folder: Path
    every_s: float = EVERY_S
    last: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        return time.monotonic() - self.last >= self.every_s

    def save(self, place: Place, snapshot: Snapshot | None) -> None:
        """Replaces the checkpoint; no snapshot: the stage has not begun."""
        with numbered(), atomic.folder(self.folder) as fresh:
            (fresh / "at.json").write_text(json.dumps(
                {"stage": place.stage, "offset": place.offset, "seconds": place.seconds, "member": place.member}))
            if place.kept:
                save_file({name: tensor.contiguous() for name, tensor in place.kept.items()}, fresh / "kept.safetensors")
            place.curve.frame().to_parquet(fresh / "curve.parquet", index=False)
            if place.start:
                save_file(place.start, fresh / "start.safetensors")
            if snapshot is not None:
                snapshot.save(fresh / "fit")
        self.last = time.monotonic()

    def load(self) -> tuple[Place, Path | None]:
        """Where to go on, and the checkpoint inside the stage, if any."""
        at, start, fit = self.folder / "at.json", self.folder / "start.safetensors", self.folder / "fit"
        kept = self.folder / "kept.safetensors"
        if not at.exists():
            return Place(), None
        weights = load_file(start) if start.exists() else {}
        said = load_file(kept) if kept.exists() else {}
        place = Place(start=weights, kept=said, curve=Curve.read(self.folder / "curve.parquet"),
                      **json.loads(at.read_text()))
        return place, fit if fit.exists() else None


@contextmanager
def numbered() -> Iterator[None]:
    """Makes an OSError of what safetensors says of the disk: it keeps the system's number in its text alone."""
    try:
        yield
    except SafetensorError as error:
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every distinct weight and buffer that a model saves, on the CPU."""
    kept: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor.detach().to("cpu", copy=True).contiguous()
    return kept


@torch.no_grad()
def put_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Sets a model to weights that `weights_of` took, in their precision."""
    model.to(next(iter(weights.values())).dtype)
    own = model.state_dict()
    for name, tensor in weights.items():
        own[name].copy_(tensor)
