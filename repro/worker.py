"""A worker process: it imports once, then measures one run after the other and writes their records itself.

Its output goes to a log of its own, so that the terminal shows progress alone and a crash leaves its last words. It holds the
lock of the run in hand: processes that share a folder make each run once, and a run whose worker died is free at once.
"""
from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import pandas as pd

from methods.parts import Refused
from repro import provenance
from repro.disk import FULL, Unwritable, spoken
from repro.messages import Elsewhere, Finished, Message, Reporter, Stuck, Task, receive, send
from repro.schema import Damaged
from repro.store import CURVE, Store
from repro.study import Record, Run

Say = Callable[[str, int, int], None]
"""Reports progress: what is going on, how much of it is done, how much there is."""
Result = tuple[Record, pd.DataFrame, pd.DataFrame]
"""A record with its samples and its curve."""
Measure = Callable[[Run, Say], Result]
Opener = Callable[[Store], Measure]
"""Called once in each worker: imports what is needed and returns what measures a run."""
GRACE_S = 5.0
"""How long a worker whose parent is gone may take to leave by itself."""


def main(pipe: Connection, opener: Opener, store: Store, log: Path) -> None:
    """Serves runs until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends its workers
    signal.signal(signal.SIGTERM, leave)
    threading.Thread(target=outlive_no_parent, daemon=True).start()
    try:
        redirect(log)
    except Refused as refusal:
        send(pipe, Stuck(str(refusal)))
        return
    provenance.checkout()  # now, as the code is imported
    measure = opener(store)
    while (task := receive(pipe)) is not None:
        send(pipe, serve(task, measure, store, pipe))


def serve(task: Task, measure: Measure, store: Store, pipe: Connection) -> Message:
    run = task.run
    try:
        with store.lock(run.id, run.scale) as mine:
            if not mine:
                return Elsewhere(run.id)
            return finished(made_meanwhile(task, store) or make(run, measure, store, Reporter(run.id, pipe)))
    except Unwritable as trouble:
        return Stuck(str(trouble))


def made_meanwhile(task: Task, store: Store) -> Record | None:
    """The record that another process has left since the plan, for the holder of the run's lock.

    A plan asks for no run that is done: one that is, is new. One that failed is so by its stamp, and would fail here.
    """
    with suppress(Damaged):
        found = store.whole(task.run.id, task.run.scale)
        if found is not None and (found.status == "done" or store.stamp(task.run) != task.before):
            return found
    return None


def make(run: Run, measure: Measure, store: Store, say: Say) -> Record:
    """Raises Unwritable where the disk is full or read-only."""
    store.clear(run)
    record, samples, curve = attempt(run, measure, say, store.root)
    record = provenance.traced(record, gpu_of(run))
    store.put(record, samples, curve)
    if record.status == "done":
        shutil.rmtree(store.partial(run), ignore_errors=True)
    return record


def finished(record: Record) -> Finished:
    return Finished(record.run_id, None if record.error is None else record.error.split("\n")[0])


def attempt(run: Run, measure: Measure, say: Say, place: Path) -> Result:
    """Measures a run; whatever goes wrong in it becomes its record, and costs no other run anything.

    Raises Unwritable alone: a disk that is full under `place`, or wherever else the run writes, stays so for other runs.
    """
    try:
        with spoken(place, FULL):
            return measure(run, say)
    except Unwritable:
        raise
    except Refused as refusal:
        return failed(run, str(refusal))
    except Exception as error:  # noqa: BLE001  the one place that isolates runs from each other
        sentence = " ".join(f"{type(error).__name__}: {error}".split())
        return failed(run, f"{sentence}\n\n{traceback.format_exc()}")


def failed(run: Run, error: str) -> Result:
    """The record of a run that failed, with no numbers in it."""
    record = Record(run.id, run.paper, run.arm.name, run.seed, run.scale, "failed", error, {}, {}, run.content, {})
    return record, pd.DataFrame(), pd.DataFrame(columns=list(CURVE))


def gpu_of(run: Run) -> str | None:
    """The GPU's name, where the run was on one."""
    if run.pins.get("device", "cpu") == "cpu":
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def outlive_no_parent() -> None:
    """Ends the process soon after its parent, whatever it is doing."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def redirect(log: Path) -> None:
    with spoken(log.parent):
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
