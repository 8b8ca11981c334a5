"""Worker processes: what they run with, how they start and how they end."""
from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from repro.study import Run

PATIENCE_S = 10.0
"""How long a worker may take to leave before it is killed."""


@dataclass(frozen=True)
class Means:
    """What the workers run with: how many at a time, threads of each, and the GPUs they share out (none: CPU)."""

    jobs: int
    threads: int
    gpus: tuple[str, ...] = ()

    def environment(self, slot: int) -> Mapping[str, str]:
        """Set before the worker starts, because libraries read it while they load."""
        threads = {"OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads),
                   "TOKENIZERS_PARALLELISM": "false"}
        return threads | {"CUDA_VISIBLE_DEVICES": self.gpus[slot % len(self.gpus)] if self.gpus else ""}


@dataclass
class Slot:
    """One place for a worker: the process in it now, its end of the pipe, and the run it has in hand."""

    number: int
    process: SpawnProcess
    pipe: Connection
    run: Run | None = None


def start(number: int, means: Means, main: Callable[..., None], *words: Any) -> Slot:
    """A process of `main(pipe, *words)`."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=main, args=(theirs, *words))
    with environment(means.environment(number)):
        process.start()
    theirs.close()
    return Slot(number, process, ours)


def close(slots: Sequence[Slot]) -> None:
    """Ends the workers: idle ones at once, busy ones by SIGTERM, and by SIGKILL where that does not help."""
    for slot in slots:
        slot.pipe.close()
        if slot.run is not None:
            slot.process.terminate()
    for slot in slots:
        slot.process.join(PATIENCE_S)
        if slot.process.is_alive():
            slot.process.kill()
            slot.process.join()


def cause(exitcode: int | None) -> str:
    if exitcode == -9:
        return "was killed (signal 9, as the system does when memory runs out)"
    return f"was ended by signal {-exitcode}" if exitcode is not None and exitcode < 0 else f"ended with status {exitcode}"


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets variables for the processes started inside."""
    before = {k: os.environ.get(k) for k in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, old in before.items():
            if old is None:
                del os.environ[key]
            else:
                os.environ[key] = old
