"""A worker process: it imports once, then measures one run after the other and writes their records itself.

Its output goes to a log of its own, so that the terminal shows progress alone and a crash leaves its last words.
"""
from __future__ import annotations

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import pandas as pd

from methods.parts import Refused
from repro.store import CURVE, Store
from repro.study import Record, Run

Say = Callable[[str, int, int], None]
"""Reports progress: what is going on, how much of it is done, how much there is."""
Result = tuple[Record, pd.DataFrame, pd.DataFrame]
"""A record with its samples and its curve."""
Measure = Callable[[Run, Say], Result]
Opener = Callable[[Store], Measure]
"""Called once in each worker: imports what is needed and returns what measures a run."""


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
class Stuck:
    """The records cannot be written, which no further run can change."""

    sentence: str


def main(pipe: Connection, opener: Opener, store: Store, log: Path) -> None:
    """Serves runs until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends its workers
    signal.signal(signal.SIGTERM, leave)
    redirect(log)
    measure = opener(store)
    while (run := receive(pipe)) is not None:
        send(pipe, serve(run, measure, store, pipe))


def serve(run: Run, measure: Measure, store: Store, pipe: Connection) -> Finished | Stuck:
    record, samples, curve = attempt(run, measure, Reporter(run.id, pipe))
    try:
        store.put(record, samples, curve)
    except Refused as refusal:
        return Stuck(str(refusal))
    if record.status == "done":
        shutil.rmtree(store.partial(run), ignore_errors=True)
    return Finished(run.id, None if record.error is None else record.error.split("\n")[0])


def attempt(run: Run, measure: Measure, say: Say) -> Result:
    """Measures a run; whatever goes wrong in it becomes its record, and costs no other run anything."""
    try:
        return measure(run, say)
    except Refused as refusal:
        return failed(run, str(refusal))
    except Exception as error:  # noqa: BLE001  the one place that isolates runs from each other
        sentence = " ".join(f"{type(error).__name__}: {error}".split())
        return failed(run, f"{sentence}\n\n{traceback.format_exc()}")


def failed(run: Run, error: str) -> Result:
    """The record of a run that failed, with no numbers in it."""
    record = Record(run.id, run.paper, run.arm.name, run.seed, run.scale, "failed", error, {}, {}, run.content, {})
    return record, pd.DataFrame(), pd.DataFrame(columns=list(CURVE))


class Reporter:
    """Sends progress, a few times a second at most; so a worker also notices soon that its parent is gone."""

    def __init__(self, run_id: str, pipe: Connection, every_s: float = 0.2) -> None:
        self._run_id, self._pipe, self._every_s, self._last = run_id, pipe, every_s, 0.0

    def __call__(self, phase: str, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._last >= self._every_s:
            self._last = now
            send(self._pipe, Progress(self._run_id, phase, done, of))


def send(pipe: Connection, message: Progress | Finished | Stuck) -> None:
    """Ends the process when nobody listens any more."""
    try:
        pipe.send(message)
    except OSError:
        sys.exit("the parent process is gone")


def receive(pipe: Connection) -> Run | None:
    """The next run, or None when there is no more."""
    try:
        run: Run | None = pipe.recv()
    except (EOFError, OSError):
        return None
    return run


def redirect(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(handle, 1)
    os.dup2(handle, 2)


def leave(number: int, frame: FrameType | None) -> None:
    """Ends the process by an exception, so that half-written files are removed on the way out."""
    raise SystemExit(128 + number)


def measuring(store: Store) -> Measure:
    """The opener of the main job. What it imports takes seconds, so it is imported in the workers alone."""
    from repro.measure import Desk

    return Desk(store).measure
