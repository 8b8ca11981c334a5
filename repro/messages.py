"""What a parent and its workers say to each other."""
from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from repro.study import Run


@dataclass(frozen=True)
class Task:
    """A run to make, unless another process has made it since its record was `before`."""

    run: Run
    before: tuple[int, int] | None = None


@dataclass(frozen=True)
class Progress:
    run_id: str
    phase: str
    done: int
    of: int


@dataclass(frozen=True)
class Finished:
    run_id: str
    error: str | None
    """The sentence that says why the run failed; None when it is done."""


@dataclass(frozen=True)
class Elsewhere:
    """Another process is making the run."""

    run_id: str


@dataclass(frozen=True)
class Stuck:
    """The records cannot be written, which no further run can change."""

    sentence: str


Message = Progress | Finished | Elsewhere | Stuck


class Reporter:
    """Sends progress, a few times a second at most; so a worker also notices soon that its parent is gone."""

    def __init__(self, run_id: str, pipe: Connection, every_s: float = 0.2) -> None:
        self._run_id, self._pipe, self._every_s, self._last = run_id, pipe, every_s, 0.0

    def __call__(self, phase: str, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._last >= self._every_s:
            self._last = now
            send(self._pipe, Progress(self._run_id, phase, done, of))


def send(pipe: Connection, message: Message) -> None:
    """Ends the process when nobody listens any more."""
    try:
        pipe.send(message)
    except OSError:
        sys.exit("the parent process is gone")


def receive(pipe: Connection) -> Task | None:
    """The next run, or None when there is no more."""
    try:
        task: Task | None = pipe.recv()
    except (EOFError, OSError):
        return None
    return task
