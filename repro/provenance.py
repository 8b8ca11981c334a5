"""Where a record comes from beside its content: the checkout and the machine. Neither is part of a run's name."""
from __future__ import annotations

import dataclasses
import functools
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from repro import devices
from repro.pins import HOUSE
from repro.study import Record


def traced(record: Record, gpu: str | None) -> Record:
    """The record with the checkout and the machine of this process; `gpu`: the one that it ran on."""
    return dataclasses.replace(record, code=checkout(), machine={**machine(), "gpu": gpu})


@functools.cache
def checkout(house: Path = HOUSE) -> dict[str, Any]:
    """The commit, and whether the tree differs from it; both None where the house is no git checkout of its own."""
    said = [_git(house, *words) for words in (("rev-parse", "--show-toplevel"), ("rev-parse", "HEAD"),
                                              ("status", "--porcelain", "--untracked-files=no"))]
    top, commit, changed = said
    if top is None or commit is None or changed is None or Path(top) != house:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(changed)}


def _git(house: Path, *words: str) -> str | None:
    tool = shutil.which("git")
    if tool is None:
        return None
    said = subprocess.run([tool, "-C", str(house), *words], capture_output=True, text=True, check=False)
    return None if said.returncode else said.stdout.strip()


@functools.cache
def machine() -> dict[str, Any]:
    """Processor, usable cores, memory, system and Python of this process."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"processor": _processor(), "cores": devices.cores(), "memory_bytes": memory, "system": platform.platform(),
            "python": platform.python_version()}


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", told.read_text(), re.MULTILINE) if told.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
