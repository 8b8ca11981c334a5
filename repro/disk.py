"""Writing that a full, read-only or forbidden disk turns into one sentence, and files that change together."""
from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from methods import atomic
from methods.parts import Refused

FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
REASONS = {**FULL, errno.EROFS: "the disk is read-only",
           errno.EACCES: "writing there is not allowed", errno.EPERM: "writing there is not allowed",
           errno.ENOTDIR: "a file is in the place of a folder", errno.EEXIST: "a file is in the place of a folder"}


class Unwritable(Refused):
    """Nothing can be written there, which no further run changes."""


@contextmanager
def spoken(place: Path, reasons: Mapping[int, str] = REASONS) -> Iterator[None]:
    """Turns a full or read-only disk, and a file in a folder's place, into one sentence (`Unwritable`)."""
    try:
        yield
    except OSError as error:
        reason = reasons.get(error.errno or 0)
        if reason is None:
            raise
        raise Unwritable(f"cannot write to {place}; because {reason}; "
                         "make room there or use another folder with --out") from error


def write_together(files: Mapping[Path, bytes], stage: Path) -> None:
    """Replaces files of one folder; all of them are on the disk, under `stage`, before the first old one goes.

    The last file says that the others are there: it goes first and comes last, so it never stands beside another's parts. Old
    files are moved aside and removed at the end: giving back their room takes a disk much longer than the renames between.
    """
    shutil.rmtree(stage, ignore_errors=True)
    try:
        for path, content in files.items():
            atomic.write_bytes(stage / path.name, content)
        for path in reversed(list(files)):
            with suppress(FileNotFoundError):
                path.rename(stage / f"old.{path.name}")
        for path in files:
            (stage / path.name).replace(path)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def set_aside(path: Path) -> Path:
    """Renames a file to NAME.damaged (.damaged-2 ... where there is one); nothing is deleted."""
    place, n = path.with_name(f"{path.name}.damaged"), 1
    while place.exists():
        n += 1
        place = path.with_name(f"{path.name}.damaged-{n}")
    return path.rename(place)
