"""The file of judgments that a run appends to: a judgment is in it, on the disk, before the next thing happens to it.

Lines are records of one kind, such as FastChat's single judgments (gen_judgment.py). A line goes out by one write and is synced;
one that a kill tore is cut off at the next start, and one whole but for its line feed is kept. A lock (flock) keeps a second
process out.
"""
from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from methods.parts import Refused
from suites.mt_bench import formats, jsonl
from suites.mt_bench.formats import Record

log = logging.getLogger(__name__)


Kind = TypeVar("Kind", bound=Record)


class Ledger(Generic[Kind]):
    """To be used as a context manager. Raises Refused where another process has the file, or a line is no judgment."""

    def __init__(self, path: Path, kind: type[Kind]) -> None:
        if path.suffix == ".gz":
            raise Refused(f"cannot append judgments to {path}; because it is compressed; use a name that ends with .jsonl")
        self.path, self._kind = path, kind
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._alone()
            self._mend()
            _sync_folder(self.path.parent)
            self.found = formats.read(self._kind, self.path) if os.fstat(self._file).st_size else []
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._file)  # which also lets go of the lock

    def add(self, judgment: Kind) -> None:
        """Appends one line from any thread. An OSError (full disk) leaves no part of it."""
        content = (jsonl.line(judgment.as_row()) + "\n").encode()
        with self._lock:
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, size)
                raise

    def _alone(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"cannot write judgments to {self.path}; because another process does so now; wait for it, or use "
                          "another file") from None

    def _mend(self) -> None:
        """Cuts off a torn last line; ends one that only lacks its line feed."""
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        tail = content[whole:]
        if not tail:
            return
        if _is_object(tail):
            os.write(self._file, b"\n")
        else:
            os.ftruncate(self._file, whole)
            log.warning("cut the last line of %s, which was torn off after %d bytes; that judgment is asked for again",
                        self.path, len(tail))
        os.fsync(self._file)


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False


def _sync_folder(folder: Path) -> None:
    """So that a new file's name is on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
