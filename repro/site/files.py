"""Writing of what changed alone, and marks of what was made from which inputs. Everything here can be made again.

So nothing is synced to the disk file by file; a page that a power cut left short is told by its size and made again.
"""
from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent.parent
OF_PAGES = ("repro/site/*.py", "repro/templates/*", "repro/files.py")
OF_EVIDENCE = ("methods/**/*.py", "suites/**/*.py", "repro/**/*.py", "repro/templates/*", "repro/papers/**/*.csv",
               "repro/papers/**/*.json", "results/reference/memory/**/*.json")
LIBRARIES = ("jinja2", "matplotlib", "numpy", "pandas", "pyarrow", "scipy")
NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that a page cannot hold: controls, lone surrogates, non-characters."""
MARK = ".made.json"


def clean(text: str) -> str:
    """The text with a replacement character for each that a page cannot hold."""
    return NO_TEXT.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def write_changed(path: Path, content: bytes) -> None:
    """Replaces the file in one step, unless it is this already."""
    with suppress(FileNotFoundError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(fresh, content)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    write_changed(path, clean(text).encode())


@functools.cache
def code(patterns: tuple[str, ...]) -> str:
    """A digest of the house's files that are named so, and of the libraries that draw and count."""
    files = sorted({path for pattern in patterns for path in HOUSE.glob(pattern) if path.is_file()})
    parts = [f"{path.relative_to(HOUSE)} {digest(path.read_bytes())}" for path in files]
    return digest("\n".join([*parts, *(metadata.version(name) for name in LIBRARIES)]).encode())


def digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=10).hexdigest()


@dataclass(frozen=True)
class Made:
    """What a folder holds: a digest of what it was made from, and the sizes of its files."""

    digest: str
    files: Mapping[str, int]

    def stands(self, folder: Path, wanted: str) -> bool:
        return self.digest == wanted and all(size_of(folder / name) == size for name, size in self.files.items())


def made(folder: Path) -> Made | None:
    """None where nothing was made yet, or where the mark cannot be read."""
    try:
        values = json.loads((folder / MARK).read_text())
        return Made(str(values["digest"]), {str(k): int(v) for k, v in values["files"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def stands(folder: Path, wanted: str) -> bool:
    """Whether a folder was made from this, and all its files are there."""
    found = made(folder)
    return found is not None and found.stands(folder, wanted)


def mark(folder: Path, wanted: str, files: Iterable[Path]) -> None:
    """Says what a folder was made from. To be called last."""
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}
    write_text(folder / MARK, json.dumps(asdict(Made(wanted, sizes)), indent=1) + "\n")


def inside(folder: Path) -> list[Path]:
    """Every file of a folder that a reader sees."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def size_of(path: Path) -> int | None:
    """None where it is no file."""
    try:
        return path.stat().st_size
    except OSError:
        return None
