"""The words of a scale: settings with their origin, references to models and training sets, and the scale itself.

The scales themselves are values in `repro.scales`.
"""
from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from methods.parts import Refused
from repro.devices import Wish
from repro.study import SuiteCall

HOUSE = Path(__file__).resolve().parent.parent
Origin = Literal["paper", "ours", "not stated"]
Ref = TypeVar("Ref")


@dataclass(frozen=True)
class Setting:
    """A value and whose it is. "not stated": the paper is silent, the value is our choice for the reason in `source`."""

    value: Any
    origin: Origin
    source: str = ""


def paper(value: Any, source: str) -> Setting:
    """A value that the paper states."""
    return Setting(value, "paper", source)


def ours(value: Any, source: str) -> Setting:
    """A value of our own."""
    return Setting(value, "ours", source)


def unstated(value: Any, source: str) -> Setting:
    """A value chosen where the paper is silent."""
    return Setting(value, "not stated", source)


@dataclass(frozen=True)
class ModelRef:
    """A base model: a Hub id, or a folder of the house (`folder`)."""

    id: str
    revision: str | None = None
    folder: Path | None = None
    note: str = ""
    stands_for: str = ""
    """The model that it is put in the place of, where it is not itself the one that is meant."""

    @property
    def place(self) -> str:
        """What `from_pretrained` takes."""
        return str(self.folder) if self.folder else self.id

    def digest(self) -> str:
        return _digest_of(self.folder) if self.folder else f"{self.id}@{self.revision or 'main'}"


@dataclass(frozen=True)
class DataRef:
    """A training set: a Hub id (or the tiny world's folder of that id under `root`), its splits and fields.

    The `prompt` fields that are not empty are joined by line breaks, or put into `form`; the loss is on `answer`, which
    is the whole text where there is no prompt. Dotted fields reach into nested ones.
    """

    id: str
    answer: str
    prompt: tuple[str, ...] = ()
    form: str | None = None
    config: str | None = None
    train: str = "train"
    dev: str | None = None
    test: str | None = None
    held_out: float | None = None
    """Share of `train` cut off where the set has no dev and test split: half of it for each."""
    at_least: tuple[str, float] | None = None
    """Keeps the rows whose field is no smaller."""
    most_tokens: int | None = None
    revision: str | None = None
    root: Path | None = None
    origin: Origin = "paper"
    note: str = ""

    def digest(self) -> str:
        if self.root is not None:
            return _digest_of(self.root / self.id / (self.config or "default"))
        return f"{self.id}@{self.revision or 'main'}"


@dataclass(frozen=True)
class TaskRef:
    """The training rows of one of `suites.glue`'s tasks: `k` of each class (None: 1,000), drawn anew for each run's seed."""

    task: str
    id: str
    config: str | None = None
    k: int | None = None
    dev: int | None = None
    """Dev rows that are looked at (None: all of the protocol's)."""
    revision: str | None = None
    root: Path | None = None
    origin: Origin = "paper"
    note: str = ""

    def digest(self) -> str:
        if self.root is not None:
            return _digest_of(self.root / self.id / (self.config or "default"))
        return f"{self.id}@{self.revision or 'main'}"


@dataclass(frozen=True)
class OptionsRef:
    """The training questions of one of `suites.options`' sets: `k` of them (None: all), drawn anew for each run's seed."""

    name: str
    k: int | None = None
    dev: int | None = None
    """Dev questions that are looked at (None: all)."""
    root: Path | None = None
    origin: Origin = "paper"
    note: str = ""

    @property
    def id(self) -> str:
        return f"options:{self.name}"

    def digest(self) -> str:
        from suites.options.sets import find

        of = find(self.name)
        if self.root is None:
            return " ".join(dict.fromkeys(f"{id_}@main" for id_, _ in of.parts))
        places = dict.fromkeys((id_, config) for id_, own in of.parts for config in (own, of.pooled or own))
        return " ".join(_digest_of(self.root / id_ / (config or "default")) for id_, config in places)


SetRef = DataRef | TaskRef | OptionsRef


@dataclass(frozen=True)
class Scale:
    """One size of everything. `settings` are by paper and name, e.g. `setting("lisa.gamma")`."""

    name: str
    about: str
    """What evidence at this scale is about; the banner of its report."""
    seeds: tuple[int, ...]
    suites: tuple[SuiteCall, ...]
    models: Mapping[str, ModelRef]
    sets: Mapping[str, SetRef]
    settings: Mapping[str, Setting]
    bases: tuple[str, ...]
    """Base models that the main comparison runs on; the first one also carries the ablations."""
    threads: int = 1
    batch_size: int = 16
    """Of evaluation."""
    device: Wish = "cpu"
    world: bool = False
    rates_of: str = ""
    """The scale whose tuned learning rates are used (its own where empty)."""
    tuning_seeds: tuple[int, ...] = field(default=(1000,))

    def setting(self, name: str) -> Any:
        """The value of a setting. Raises Refused where this scale has none."""
        if name not in self.settings:
            raise Refused(f"cannot use setting {name!r} at scale {self.name}; because it has none; add it to repro/settings")
        return self.settings[name].value

    def model(self, key: str) -> ModelRef:
        return _found(self.models, key, f"base model at scale {self.name}")

    def data(self, key: str) -> SetRef:
        """The training set, bound to the tiny world's folder where the scale runs on it."""
        return replace(_found(self.sets, key, f"training set at scale {self.name}"), root=self.source())

    def source(self) -> Path | None:
        """The folder of the tiny world's data, written at first use; None: the Hub."""
        return _world() if self.world else None


@functools.cache
def _world() -> Path:
    from suites.world import World, write

    return write(World(), HOUSE / "results" / "runs" / "world")


@functools.cache
def _digest_of(folder: Path) -> str:
    """Of all files in a folder, by name and content; a card (Markdown) changes no result and is left out."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md")
    if not files:
        raise Refused(f"cannot use {folder.name}; because {folder} has no file; restore it or run `python -m repro pretrain`")
    hasher = hashlib.blake2b(digest_size=10)
    for path in files:
        hasher.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()


def _found(of: Mapping[str, Ref], key: str, what: str) -> Ref:
    if key not in of:
        raise Refused(f"cannot find {key!r}; because there is no such {what}; use one of {', '.join(of)}")
    return of[key]
