"""Training sets, the user's or ours: a Hub id, a folder or a file (JSONL, JSON, CSV, Parquet), to tokenised examples."""
from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import datasets

from methods.examples import Example
from methods.parts import Refused
from suites.encode import Loaded, Text, encode
from suites.forms import Form, detected, field, named, text
from suites.refusing import refusing

Split = Literal["train", "dev", "test"]
READERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
LONGEST = 2048
"""Of an example, where the tokenizer names no length."""


class Ref(Protocol):
    """What is known of a training set before it is read; see `DataSet`."""

    @property
    def id(self) -> str: ...
    @property
    def answer(self) -> str | None: ...
    @property
    def prompt(self) -> tuple[str, ...]: ...
    @property
    def form(self) -> str | None: ...
    @property
    def config(self) -> str | None: ...
    @property
    def train(self) -> str: ...
    @property
    def dev(self) -> str | None: ...
    @property
    def test(self) -> str | None: ...
    @property
    def held_out(self) -> float | None: ...
    @property
    def at_least(self) -> tuple[str, float] | None: ...
    @property
    def most_tokens(self) -> int | None: ...
    @property
    def revision(self) -> str | None: ...
    @property
    def root(self) -> Path | None: ...


@dataclass(frozen=True)
class DataSet:
    """A user's training set. `answer` None: the fields are recognised (alpaca, prompt/completion, question/answer,
    messages, text). Where no dev or test split is named, `held_out` of `train` is cut off by a hash of the prompt, so
    that rows with one prompt stay together; the share is met on average."""

    id: str
    answer: str | None = None
    prompt: tuple[str, ...] = ()
    form: str | None = None
    config: str | None = None
    train: str = "train"
    dev: str | None = None
    test: str | None = None
    held_out: float | None = 0.1
    at_least: tuple[str, float] | None = None
    most_tokens: int | None = None
    revision: str | None = None
    root: Path | None = None


def load_examples(ref: Ref, tokenizer: Any, split: Split = "train", *, max_length: int | None = None) -> list[Example]:
    """The examples of one split. Raises Refused as `read` does."""
    return read(ref, tokenizer, split, max_length=max_length).examples


def read(ref: Ref, tokenizer: Any, split: Split = "train", *, max_length: int | None = None) -> Loaded:
    """One split as examples. Refused: no such data, no network, a missing field, no row, no answer token within reach."""
    table = rows(ref, getattr(ref, split) or ref.train)
    if not len(table):
        raise Refused(f"cannot use {ref.id}; because its {split} split has no row; use a file that is not empty")
    first = table[0]
    form = named(ref.prompt, ref.answer, ref.form) if ref.answer else detected(first, tokenizer, ref.id)
    longest = max_length or (tokenizer.model_max_length if tokenizer.model_max_length < 10**6 else LONGEST)
    loaded = encode(_texts(ref, form, table, split), tokenizer, longest, form=form.name, most_tokens=ref.most_tokens)
    if not loaded.examples:
        raise Refused(f"cannot use {ref.id}; because its {split} split has no row with an answer token within {longest} "
                      f"tokens ({loaded.dropped} rows have none); use a longer maximum length or another split")
    return loaded


def rows(ref: Ref, name: str) -> Any:
    """The rows of a split, as datasets reads them.

    A folder is read through an empty cache: the library's own would give the rows of any other folder of the same name
    that it has seen before.
    """
    place = str(ref.root / ref.id) if ref.root is not None else ref.id
    path = Path(place)
    if path.is_file():
        return _file(path, name)
    with refusing(f"the data {ref.id}", hub=not path.is_dir()), _no_bars(), tempfile.TemporaryDirectory() as cache:
        if path.is_dir():
            return datasets.load_dataset(place, ref.config, split=name, cache_dir=cache, keep_in_memory=True)
        return datasets.load_dataset(place, ref.config, split=name, revision=ref.revision)


def _file(path: Path, name: str) -> Any:
    """A file is one split, train."""
    suffix = "".join(s for s in path.suffixes if s in {*READERS, ".gz"}).removesuffix(".gz")
    if suffix not in READERS:
        raise Refused(f"cannot read {path}; because its ending is none of {', '.join(READERS)}; convert or rename it")
    if name != "train":
        raise Refused(f"cannot take the split {name!r} of {path}; because a file is one split, train; give a folder")
    if path.stat().st_size == 0:
        raise Refused(f"cannot use {path}; because it is empty; use a file with rows")
    with refusing(f"the data {path}", hub=False), _no_bars():
        return datasets.load_dataset(READERS[suffix], data_files=str(path), split="train")


@contextmanager
def _no_bars() -> Iterator[None]:
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _texts(ref: Ref, form: Form, table: Any, split: Split) -> Iterator[Text]:
    """The rows that belong to the split and are good enough, read."""
    shares = _shares(ref)
    if getattr(ref, split) is None and split not in shares:
        raise Refused(f"cannot take the {split} split of {ref.id}; because none is named and none is held out; name it or "
                      "hold a share out")
    for row in table:
        if ref.at_least is not None and not _number(field(row, ref.at_least[0])) >= ref.at_least[1]:
            continue
        prompt, answer = form.read(row)
        if getattr(ref, split) is None or (split == "train" and shares):
            place = _place(prompt or answer)
            holder = next((name for name, (low, high) in shares.items() if low <= place < high), "train")
            if holder != split:
                continue
        yield Text(prompt, answer, text(row.get("source")) or ref.id, text(row.get("fact")))


def _shares(ref: Ref) -> dict[str, tuple[float, float]]:
    """Dev and test where they must be cut off train: which part of the hashes each gets."""
    missing = [name for name in ("dev", "test") if getattr(ref, name) is None]
    share = (ref.held_out or 0.0) / max(1, len(missing))
    return {name: (i * share, (i + 1) * share) for i, name in enumerate(missing)} if share else {}


def _place(content: str) -> float:
    """Where in [0, 1) a text falls."""
    return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=7).digest(), "big") / 2**56


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
