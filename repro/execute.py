"""Runs the missing runs in warm worker processes, several at a time.

A run that raises is a failed record. A worker that is killed loses its run alone: the run is tried once more in a fresh
worker, then recorded as failed. Ctrl-C ends the workers and leaves whole files only.
"""
from __future__ import annotations

import fcntl
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Protocol

from methods.parts import Refused
from repro import worker
from repro.store import Store, spoken
from repro.study import Run
from repro.worker import Finished, Opener, Progress, Stuck

TRIES = 2
"""How often a run may lose its worker before it is recorded as failed."""
PATIENCE_S = 10.0
"""How long a worker may take to leave before it is killed."""


class Watch(Protocol):
    """Is told what happens; draws the progress."""

    def started(self, run: Run) -> None: ...
    def progress(self, run: Run, phase: str, done: int, of: int) -> None: ...
    def ended(self, run: Run, error: str | None) -> None: ...
    def lost(self, run: Run, reason: str) -> None: ...


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


def execute(runs: Sequence[Run], opener: Opener, store: Store, means: Means, watch: Watch) -> dict[str, str]:
    """Goes through the runs in order; returns run id -> sentence of those that failed.

    Raises Refused when the records cannot be written, or when another process runs this scale already.
    """
    if not runs:
        return {}
    with locked(store.root / runs[0].scale):
        pool = Pool(opener, store, means, watch, deque(runs))
        try:
            pool.work()
        finally:
            pool.close()
    return pool.failures


@dataclass
class Slot:
    """One place for a worker: the process in it now, its end of the pipe, and the run it has in hand."""

    number: int
    process: SpawnProcess
    pipe: Connection
    run: Run | None = None


@dataclass
class Pool:
    """The workers and what is left to do."""

    opener: Opener
    store: Store
    means: Means
    watch: Watch
    queue: deque[Run]
    slots: list[Slot] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    losses: Counter[str] = field(default_factory=Counter)
    logs: Path = field(init=False)

    def __post_init__(self) -> None:
        self.logs = self.store.root / self.queue[0].scale / "logs"

    def work(self) -> None:
        for number in range(min(self.means.jobs, len(self.queue))):
            self.log(number).unlink(missing_ok=True)
            self.slots.append(self.hire(number))
        while self.queue or any(s.run for s in self.slots):
            for slot in self.slots:
                self.feed(slot)
            self.listen()

    def log(self, number: int) -> Path:
        return self.logs / f"worker-{number}.log"

    def hire(self, number: int) -> Slot:
        """Starts a worker; its log goes on where a predecessor's ended."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=worker.main, args=(theirs, self.opener, self.store, self.log(number)))
        with environment(self.means.environment(number)):
            process.start()
        theirs.close()
        return Slot(number, process, ours)

    def feed(self, slot: Slot) -> None:
        """Gives an idle worker the next run."""
        if slot.run is None and self.queue:
            slot.run = self.queue.popleft()
            self.watch.started(slot.run)
            with suppress(OSError):  # it died while idle; `listen` sees that
                slot.pipe.send(slot.run)

    def listen(self) -> None:
        """Waits until a worker says something or ends, and hears all of them."""
        ready = set(wait([s.pipe for s in self.slots] + [s.process.sentinel for s in self.slots]))
        for slot in list(self.slots):
            if slot.pipe in ready or slot.process.sentinel in ready:
                self.hear(slot)

    def hear(self, slot: Slot) -> None:
        """Takes all that a worker sent, its last words first, then replaces it if it is dead."""
        try:
            while slot.pipe.poll():
                self.take(slot, slot.pipe.recv())
        except (EOFError, OSError):
            self.replace(slot)

    def take(self, slot: Slot, message: Progress | Finished | Stuck) -> None:
        if isinstance(message, Stuck):
            raise Refused(message.sentence)
        assert slot.run is not None
        if isinstance(message, Progress):
            self.watch.progress(slot.run, message.phase, message.done, message.of)
            return
        run, slot.run = slot.run, None
        self.end(run, message.error)

    def end(self, run: Run, error: str | None) -> None:
        if error is not None:
            self.failures[run.id] = error
        self.watch.ended(run, error)

    def replace(self, slot: Slot) -> None:
        slot.process.join()
        run, reason = slot.run, cause(slot.process.exitcode)
        if run is not None:
            self.lose(run, reason, slot.number)
        slot.pipe.close()
        self.slots.remove(slot)
        if self.queue:
            self.slots.append(self.hire(slot.number))

    def lose(self, run: Run, reason: str, number: int) -> None:
        """Puts the run back in front, or records that it failed."""
        self.losses[run.id] += 1
        if self.losses[run.id] < TRIES:
            self.watch.lost(run, reason)
            self.queue.appendleft(run)
            return
        error = f"its worker process {reason} {TRIES} times while running it; its last words are in logs/worker-{number}.log"
        self.store.put(*worker.failed(run, error))
        self.end(run, error)

    def close(self) -> None:
        """Ends the workers: idle ones at once, busy ones by SIGTERM, and by SIGKILL where that does not help."""
        for slot in self.slots:
            slot.pipe.close()
            if slot.run is not None:
                slot.process.terminate()
        for slot in self.slots:
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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time runs a scale; the lock goes with its holder, however that ends."""
    with spoken(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(f"cannot run in {folder}; because another process is running there; "
                          "wait for it or use another folder with --out") from error
        yield
