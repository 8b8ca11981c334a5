"""Locks between processes that share a folder of records. A lock goes with the process that holds it, however that ends."""
from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from methods.parts import Refused
from repro.disk import spoken

NAME = ".lock"


@contextmanager
def among(folder: Path, tidy: Callable[[], None]) -> Iterator[None]:
    """Present in a folder together with others. Who enters an empty one tidies it before anybody can follow."""
    with opened(folder / NAME) as file:
        if taken(file):
            tidy()
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else is present. Raises Refused when someone is."""
    with opened(folder / NAME) as file:
        if not taken(file):
            raise Refused(f"cannot work in {folder}; because another process is running there; "
                          "wait for it or use another folder with --out")
        yield


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """One process after the other: waits for whoever holds it."""
    with opened(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def single(path: Path) -> Iterator[bool]:
    """True for the one who holds it, False at once for others. The file goes with the lock."""
    while True:
        with opened(path) as file:
            if not taken(file):
                yield False
                return
            if not same(file, path):  # its last holder removed it between our opening and our locking
                continue
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)
            return


def free(path: Path) -> bool:
    """Whether nobody holds it now."""
    try:
        with path.open() as file:
            return taken(file)
    except FileNotFoundError:
        return True


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    with spoken(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        yield file


def taken(file: TextIO) -> bool:
    """Takes it where nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def same(file: TextIO, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
