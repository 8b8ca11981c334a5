"""Runs the missing runs in warm worker processes, several at a time.

A run that raises is a failed record. A worker that is killed loses its run alone: the run is tried once more in a fresh
worker, then recorded as failed. Ctrl-C ends the workers and leaves whole files only. Several processes may run a scale at the
same time: each run is made once, by whoever takes its lock, and the others wait for its record and use it.
"""
from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol

from methods.parts import Refused
from repro import locks, provenance, slots, worker
from repro.disk import spoken
from repro.messages import Elsewhere, Message, Progress, Stuck, Task
from repro.slots import Means as Means
from repro.slots import Slot
from repro.store import Store
from repro.study import Run
from repro.worker import Opener

TRIES = 2
"""How often a run may lose its worker before it is recorded as failed."""
POLL_S = 0.5
"""How often a run that another process makes is looked at."""


class Watch(Protocol):
    """Is told what happens; draws the progress."""

    def started(self, run: Run) -> None: ...
    def progress(self, run: Run, phase: str, done: int, of: int) -> None: ...
    def ended(self, run: Run, error: str | None) -> None: ...
    def lost(self, run: Run, reason: str) -> None: ...
    def elsewhere(self, run: Run) -> None: ...


def execute(runs: Sequence[Run], opener: Opener, store: Store, means: Means, watch: Watch) -> dict[str, str]:
    """Goes through the runs in order; returns run id -> sentence of those that failed.

    Raises Refused when the records cannot be written.
    """
    if not runs:
        return {}
    pool = Pool(opener, store, means, watch, deque(runs))
    with locks.among(store.root / runs[0].scale, pool.tidy):
        try:
            pool.work()
        finally:
            pool.close()
    return pool.failures


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
    abroad: list[Run] = field(default_factory=list)
    """Runs that another process is making."""
    logs: Path = field(init=False)
    before: dict[str, tuple[int, int] | None] = field(init=False)
    """Run id -> the record that it had when the call began."""

    def __post_init__(self) -> None:
        self.logs = self.store.root / self.queue[0].scale / "logs"
        self.before = {run.id: self.store.stamp(run) for run in self.queue}

    def tidy(self) -> None:
        """Clears away what earlier calls left: logs, and litter of those that were killed."""
        with spoken(self.logs):
            for log in self.logs.glob("worker-*.log"):
                log.unlink()
        self.store.tidy(self.queue[0].scale)

    def work(self) -> None:
        for number in range(min(self.means.jobs, len(self.queue))):
            self.slots.append(self.hire(number))
        while self.queue or self.abroad or any(s.run for s in self.slots):
            self.call_back()
            for slot in self.slots:
                self.feed(slot)
            self.listen()

    def call_back(self) -> None:
        """Takes up the runs that the other process has finished with, or died over."""
        for run in [r for r in self.abroad if self.store.free(r)]:
            self.abroad.remove(run)
            self.queue.append(run)

    def log(self, number: int) -> Path:
        return self.logs / f"worker-{number}.log"

    def hire(self, number: int) -> Slot:
        """Starts a worker; its log goes on where a predecessor's ended."""
        return slots.start(number, self.means, worker.main, self.opener, self.store, self.log(number))

    def feed(self, slot: Slot) -> None:
        """Gives an idle worker the next run."""
        if slot.run is None and self.queue:
            slot.run = self.queue.popleft()
            self.watch.started(slot.run)
            with suppress(OSError):  # it died while idle; `listen` sees that
                slot.pipe.send(Task(slot.run, self.before[slot.run.id]))

    def listen(self) -> None:
        """Waits until a worker says something or ends, and hears all of them."""
        ends = [s.pipe for s in self.slots] + [s.process.sentinel for s in self.slots]
        ready = set(wait(ends, POLL_S if self.abroad else None))
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

    def take(self, slot: Slot, message: Message) -> None:
        if isinstance(message, Stuck):
            raise Refused(message.sentence)
        assert slot.run is not None
        if isinstance(message, Progress):
            self.watch.progress(slot.run, message.phase, message.done, message.of)
            return
        run, slot.run = slot.run, None
        if isinstance(message, Elsewhere):
            self.leave(run)
        else:
            self.end(run, message.error)

    def leave(self, run: Run) -> None:
        """Leaves a run to the process that has it in hand."""
        self.abroad.append(run)
        self.watch.elsewhere(run)

    def end(self, run: Run, error: str | None) -> None:
        if error is not None:
            self.failures[run.id] = error
        self.watch.ended(run, error)

    def replace(self, slot: Slot) -> None:
        slot.process.join()
        run, reason = slot.run, slots.cause(slot.process.exitcode)
        if run is not None:
            self.lose(run, reason, slot.number)
        slot.pipe.close()
        self.slots.remove(slot)
        if self.queue or self.abroad:
            self.slots.append(self.hire(slot.number))

    def lose(self, run: Run, reason: str, number: int) -> None:
        """Puts the run back in front, or records that it failed."""
        self.losses[run.id] += 1
        if self.losses[run.id] < TRIES:
            self.watch.lost(run, reason)
            self.queue.appendleft(run)
            return
        error = f"its worker process {reason} {TRIES} times while running it; its last words are in logs/worker-{number}.log"
        record, samples, curve = worker.failed(run, error)
        with self.store.lock(run.id, run.scale) as mine:
            other = worker.made_meanwhile(Task(run, self.before[run.id]), self.store) if mine else None
            if mine and other is None:
                self.store.put(provenance.traced(record, None), samples, curve)
        if mine:
            self.end(run, error if other is None else worker.finished(other).error)
        else:
            self.leave(run)

    def close(self) -> None:
        slots.close(self.slots)
