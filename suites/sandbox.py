"""Programs that a model wrote, each in a process of its own from which it can compute and print and do nothing else.

What holds, for root as for an ordinary user: processor time, wall time, memory and output are limited; after its imports
the program can open no file, reach no network, start no process or thread, signal or look into none, and write only to
its own bounded stdout and stderr (the kernel refuses every system call but some thirty; see `suites.sandboxed`). It
starts in an empty folder and inherits no environment, no file handle and, where the caller is root, no right of root.
A program may import a few modules of the standard library, and sympy, numpy, scipy and mpmath where they are installed
beside this project; whatever they import late is not found.

What it does not protect from: a hole in the kernel or in a system call that remains, and in the import of those modules
or the compiler, which work before the filter is up (under all other limits); what the timing of shared caches gives away;
the use of up to `cpu_s` of a core and `memory_bytes` of memory by each program that runs, and memory is not bounded over
all of them; clocks and random numbers, so that an output can differ from one run to the next. Outside Linux on x86-64 or
arm64 there is no filter: nothing runs, unless `fewer_guards` accepts limits of time and output alone.
"""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from methods.parts import Refused
from suites.sandboxed import NO_GUARD, READY

INSIDE = Path(__file__).with_name("sandboxed.py")
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""All that a program finds: numpy would start a thread for every core."""


@dataclass(frozen=True)
class Limits:
    """What a program may use. `fewer_guards`: it may run where the kernel cannot confine it; only for programs you trust."""

    cpu_s: int = 5
    wall_s: float = 10.0
    memory_bytes: int = 1 << 30
    stdout_bytes: int = 1 << 16
    fewer_guards: bool = False

    def __post_init__(self) -> None:
        if min(self.cpu_s, self.wall_s, self.memory_bytes, self.stdout_bytes) <= 0:
            raise Refused(f"cannot run programs under {self}; because nothing runs on nothing; use limits above 0")


@dataclass(frozen=True)
class Outcome:
    """What a program printed, whether it came to its end, and why not (empty where it did)."""

    stdout: str
    ok: bool
    reason: str


def run(program: str, limits: Limits | None = None) -> Outcome:
    """Runs a Python program. Raises Refused where this system cannot confine it."""
    limits = limits or Limits()
    if os.name != "posix":
        raise Refused("cannot run a model's program on this system; because it has no limits for processes; use Linux")
    with tempfile.TemporaryFile() as text, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        text.write(program.encode(errors="replace"))
        text.seek(0)
        with tempfile.TemporaryDirectory() as folder:
            status, late = _ended(text, out, told, folder, limits)
        out.seek(0)
        told.seek(0)
        return _outcome(status, late, out.read(limits.stdout_bytes), told.read(limits.stdout_bytes), limits)


def run_many(programs: Sequence[str], limits: Limits | None = None, *, jobs: int | None = None) -> list[Outcome]:
    """Outcomes in order, `jobs` programs at a time (None: one for each core). A program that is there twice runs once."""
    once = list(dict.fromkeys(programs))
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        found = dict(zip(once, pool.map(partial(run, limits=limits), once), strict=True))
    return [found[program] for program in programs]


def _ended(text: IO[bytes], out: IO[bytes], told: IO[bytes], folder: str, limits: Limits) -> tuple[int, bool]:
    """Exit status, negative for a signal, and whether the wall limit ended it. What it left in its session is killed."""
    modules = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    numbers = (limits.cpu_s, limits.memory_bytes, limits.stdout_bytes, int(limits.fewer_guards))
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(INSIDE), *map(str, numbers), *modules],
        stdin=text, stdout=out, stderr=told, cwd=folder, env=ENVIRONMENT, start_new_session=True)
    late = threading.Event()

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def end_late() -> None:
        late.set()
        end()

    timer = threading.Timer(limits.wall_s, end_late)
    timer.start()
    try:
        return process.wait(), late.is_set()
    finally:
        timer.cancel()
        end()


def _outcome(status: int, late: bool, out: bytes, told: bytes, limits: Limits) -> Outcome:
    """A program can say nothing in front of READY, so no program can pass for a missing guard."""
    if told.startswith(NO_GUARD):
        raise Refused(f"cannot run a model's program on this system; because the kernel cannot confine it "
                      f"({told.removeprefix(NO_GUARD).decode()}); use Linux, or Limits(fewer_guards=True) for programs you "
                      "trust")
    reason = _reason(status, late, len(out), told.removeprefix(READY).decode(errors="replace"), limits)
    return Outcome(out.decode(errors="replace"), not reason, reason)


def _reason(status: int, late: bool, printed: int, words: str, limits: Limits) -> str:
    if printed >= limits.stdout_bytes:
        return f"it printed more than {limits.stdout_bytes} bytes"
    if late:
        return f"it ran longer than {limits.wall_s:g} s"
    if status == -signal.SIGXCPU:
        return f"it used more than {limits.cpu_s} s of processor time"
    if status < 0:
        return f"signal {-status} ended it"
    return (words.strip().splitlines() or [f"it ended with status {status}"])[-1][:200] if status else ""
