"""Workers: isolation of runs from each other, replacement of the dead, clean stops."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path

import pytest

from methods.parts import Refused
from repro.execute import TRIES, Means, Pool, execute
from repro.locks import alone, among, free, single
from repro.plan import standing
from repro.store import Store
from repro.study import Run
from repro.worker import failed
from tests.engine_fakes import opener, result, run

HERE = Path(__file__).resolve().parent


class Heard:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = defaultdict(list)

    def started(self, run: Run) -> None:
        self.of[run.arm.name].append("started")

    def progress(self, run: Run, phase: str, done: int, of: int) -> None:
        self.of[run.arm.name].append(f"{phase} {done}/{of}")

    def ended(self, run: Run, error: str | None) -> None:
        self.of[run.arm.name].append(error or "done")

    def lost(self, run: Run, reason: str) -> None:
        self.of[run.arm.name].append("lost")

    def elsewhere(self, run: Run) -> None:
        self.of[run.arm.name].append("elsewhere")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Heard, dict[str, str]]:
    """One call with every kind of trouble between runs that are fine."""
    store, heard = Store(tmp_path_factory.mktemp("runs")), Heard()
    names = ["fine-1", "raise", "die-once", "refuse", "die", "fine-2", "fine-3"]
    failures = execute([run(n) for n in names], opener, store, Means(jobs=2, threads=1), heard)
    return store, heard, failures


def test_a_trouble_costs_its_own_run_alone(troubled: tuple[Store, Heard, dict[str, str]]) -> None:
    store, heard, failures = troubled
    status = {r.arm: r.status for r in store.all("tiny")}
    fine = dict.fromkeys(("fine-1", "fine-2", "fine-3", "die-once"), "done")
    assert status == fine | dict.fromkeys(("raise", "refuse", "die"), "failed")
    assert set(failures) == {run(n).id for n in ("raise", "refuse", "die")}
    assert {events[-1] for name, events in heard.of.items() if name in fine} == {"done"}


def test_a_killed_worker_is_replaced_and_its_run_tried_once_more(
        troubled: tuple[Store, Heard, dict[str, str]]) -> None:
    _, heard, failures = troubled
    assert [e for e in heard.of["die-once"] if e in ("started", "lost", "done")] == ["started", "lost", "started", "done"]
    assert heard.of["die"].count("started") == 2
    assert "signal 9" in failures[run("die").id]


def test_workers_stay_warm(troubled: tuple[Store, Heard, dict[str, str]]) -> None:
    """Two workers and two replacements for the dead ones at least, fewer processes than the runs would need alone."""
    store, _, _ = troubled
    pids = {r.metrics["mmlu"]["acc"].value for r in store.all("tiny") if r.status == "done"}
    assert len(pids) < 4


def test_a_failed_record_says_why(troubled: tuple[Store, Heard, dict[str, str]]) -> None:
    store, _, _ = troubled
    raised, refused = store.get(run("raise").id), store.get(run("refuse").id)
    assert raised is not None
    assert refused is not None
    assert raised.error is not None
    assert raised.error.split("\n")[0] == "ZeroDivisionError: by zero indeed"
    assert "behave" in raised.error
    assert refused.error == "cannot do this; because it is a test; use another"
    assert raised.metrics == {}


def test_nothing_half_written_is_left(troubled: tuple[Store, Heard, dict[str, str]]) -> None:
    store, _, _ = troubled
    assert [p.name for p in store.root.rglob(".*")] == [".lock"]


def test_the_first_of_several_tidies_and_who_must_be_alone_is_refused(tmp_path: Path) -> None:
    told: list[str] = []
    with (among(tmp_path, lambda: told.append("first")), among(tmp_path, lambda: told.append("second")),
          pytest.raises(Refused, match="another process"), alone(tmp_path)):
        pass
    with alone(tmp_path):
        told.append("alone")
    assert told == ["first", "alone"]


def test_a_run_has_one_maker_and_its_lock_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "x.lock"
    assert free(path)
    with single(path) as mine, single(path) as other:
        assert (mine, other, free(path)) == (True, False, False)
    assert not path.exists()
    path.write_text("")  # as a killed process leaves it
    with single(path) as mine:
        assert mine


def start(root: Path) -> subprocess.Popen[str]:
    """A process that executes a slow run in a worker, as the command line would."""
    code = f"""
import sys
sys.path.insert(0, {str(HERE.parent)!r})
from pathlib import Path
from tests.engine_fakes import opener, run
from repro.execute import Means, execute
from repro.store import Store
from tests.test_execute import Heard
if __name__ == "__main__":
    execute([run("slow")], opener, Store(Path({str(root)!r})), Means(1, 1), Heard())
"""
    heeds = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731  (a shell's background jobs ignore it)
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, preexec_fn=heeds)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc to see whether workers are gone")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "parent killed"])
def test_a_worker_ends_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path)
    mark = tmp_path / "mark-slow"
    until(lambda: mark.exists() and mark.read_text() != "")
    worker = int(mark.read_text())
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    until(lambda: not alive(worker))
    assert ("KeyboardInterrupt" in errors) == (number is signal.SIGINT)
    assert not list(tmp_path.rglob("*.json"))


def test_a_run_that_another_call_made_since_the_plan_is_taken_over(tmp_path: Path) -> None:
    store, heard, names = Store(tmp_path), Heard(), ("fine", "raise")
    assert not any(standing(run(n), store).done for n in names)
    store.put(*result(run("fine"), 0.25))
    store.put(*failed(run("raise"), "an earlier call"))  # a failed one is tried again, as every call does
    failures = execute([run(n) for n in names], opener, store, Means(1, 1), heard)
    found = store.get(run("fine").id)
    assert found is not None
    assert found.metrics["mmlu"]["acc"].value == 0.25, "not made again"
    assert heard.of["fine"][-1] == "done"
    assert list(failures) == [run("raise").id]
    assert "ZeroDivisionError" in failures[run("raise").id]


@pytest.mark.parametrize("before", [True, False], ids=["before the pool", "after"])
def test_a_lost_run_that_another_call_finished_stays_done(tmp_path: Path, before: bool) -> None:
    store, heard, one = Store(tmp_path), Heard(), run("die")
    if before:
        store.put(*result(one, 0.25))
    pool = Pool(opener, store, Means(1, 1), heard, deque([one]))
    if not before:
        store.put(*result(one, 0.25))
    for _ in range(TRIES):
        pool.lose(one, "was killed", 0)
    assert store.done(one.id, "tiny")
    assert (pool.failures, heard.of["die"][-1]) == ({}, "done")
