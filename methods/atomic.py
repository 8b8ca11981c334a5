"""Files and folders that appear whole or not at all: written beside their place, synced, then renamed into it."""
from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file in one step. An OSError (full disk) leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


@contextmanager
def folder(path: Path, *, once: bool = False) -> Iterator[Path]:
    """A temporary folder that takes `path`'s place when the block ends without an error; else it is removed.

    `once`: a folder that stands there by then stays, and the new one is removed. For content that a name fixes: whoever
    came first may be reading it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield fresh
        fresh.chmod(0o755)
        if once:
            _first(fresh, path)
            return
        old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old.")) / "old"
        if path.exists():
            path.rename(old)
        fresh.rename(path)
        shutil.rmtree(old.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _first(fresh: Path, path: Path) -> None:
    try:
        fresh.rename(path)
    except OSError:  # by its name: a folder with content is there
        if not path.is_dir():
            raise
