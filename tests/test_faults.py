"""Kills at any moment, damaged files, full and read-only disks, two calls at once: one sentence, nothing else lost, and the next
healthy call ends in the same records."""
from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro.files import read_record
from repro.seal import sealed
from tests.fault_toys import ARMS, MADE
from tests.test_execute import alive, until

HOUSE = Path(__file__).resolve().parent.parent
TIMES = ("wall_s", "train_s", "eval_s")


def start(out: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """The command in a process group of its own."""
    environment = {**os.environ, "FAULT_BASE": str(out / "base"), **variables}
    return subprocess.Popen([sys.executable, "-m", "tests.fault_toys", *(words or ("run", "--jobs", "2")), "--out", str(out)],
                            cwd=HOUSE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True)


def end(process: subprocess.Popen[str], kill: Callable[[int, int], None]) -> None:
    """By SIGKILL, of the whole group or of the parent alone."""
    kill(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def call(out: Path, *words: str) -> tuple[int, str]:
    """Status and what it said on stderr."""
    process = start(out, *words)
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def records(out: Path) -> dict[str, Any]:
    """Every file of the records but for times, the digest over them, and the checkout, which may move on while tests run."""
    place = out / "runs" / "tiny"
    found: dict[str, Any] = {p.name: p.read_bytes() for p in place.glob("*.parquet")}
    for path in place.glob("*.json"):
        values = json.loads(path.read_text())
        del values["digests"]["record"], values["code"]
        found[path.name] = {**values, "cost": {k: v for k, v in values["cost"].items() if k not in TIMES}}
    return found


def litter(out: Path) -> list[str]:
    """What is neither a record, an index, a log nor set aside."""
    place = out / "runs" / "tiny"
    known = {".json", ".parquet", ".log", ".damaged"}
    return [p.name for p in place.rglob("*") if p.is_file() and p.suffix not in known and p.name != ".lock"] + [
        p.name for p in place.glob("*.staged")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after an undisturbed call."""
    out = tmp_path_factory.mktemp("whole")
    assert call(out)[0] == 0
    assert len(records(out)) == 3 * ARMS
    return out


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copied"))


# --------------------------------------------------------------------------------------------------------- kills


def test_killed_at_random_moments_a_plain_call_ends_in_the_same_records(whole: Path, tmp_path: Path) -> None:
    """The whole group, or the parent alone; counted from the first run in hand, over about half as long as all runs take."""
    moments = random.Random(0)
    for kill in (os.killpg, os.kill):
        before = len(records(tmp_path))
        process = start(tmp_path)
        until(lambda: (tmp_path / "runs" / "tiny" / "locks").exists() and any((tmp_path / "runs/tiny/locks").iterdir()), 120)
        time.sleep(moments.uniform(0, 0.25))
        end(process, kill)
        assert len(records(tmp_path)) >= before
    assert before < 3 * ARMS, "the first kill came while runs were left"
    assert call(tmp_path)[0] == 0
    assert records(tmp_path) == records(whole)
    assert litter(tmp_path) == []


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc to see whether workers are gone")
def test_a_worker_that_says_nothing_does_not_outlive_its_parent(tmp_path: Path) -> None:
    process = start(tmp_path, FAULT_MUTE="1")
    made = tmp_path / MADE
    until(lambda: made.exists() and len(made.read_text().splitlines()) == 2, 120)
    workers = [int(line.split()[1]) for line in made.read_text().splitlines()]
    assert all(map(alive, workers))
    end(process, os.kill)
    until(lambda: not any(map(alive, workers)), 30)


# --------------------------------------------------------------------------------------------------------- two at once


def test_two_calls_at_once_make_each_run_once(whole: Path, tmp_path: Path) -> None:
    calls = [start(tmp_path), start(tmp_path)]
    said = [c.communicate(timeout=300)[1] for c in calls]
    assert [c.returncode for c in calls] == [0, 0], said
    made = Counter(line.split()[0] for line in (tmp_path / MADE).read_text().splitlines())
    assert set(made.values()) == {1}
    assert len(made) == ARMS
    assert records(tmp_path) == records(whole)
    assert litter(tmp_path) == []


# --------------------------------------------------------------------------------------------------------- damage


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


DAMAGE = ((".json", flip), (".json", cut), (".samples.parquet", flip), (".curve.parquet", cut), (".samples.parquet", Path.unlink))


def test_damaged_files_are_set_aside_and_their_runs_made_anew(copied: Path, whole: Path) -> None:
    place = copied / "runs" / "tiny"
    stems = sorted(p.stem for p in place.glob("*.json"))
    for stem, (suffix, harm) in zip(stems, DAMAGE, strict=False):
        harm(place / f"{stem}{suffix}")
    status, said = call(copied, "report")
    assert (status, said.count("\n")) == (2, 1), said
    status, said = call(copied)
    assert status == 0, said
    told = [line for line in said.splitlines() if "is to be run anew" in line]
    assert sorted(line.split()[1] for line in told) == stems[:len(DAMAGE)]
    assert all(f"{stem}{suffix}; because" in said for stem, (suffix, _) in zip(stems, DAMAGE, strict=False))
    assert records(copied) == records(whole)
    aside = sorted(p.name for p in place.glob("*.damaged"))
    assert len(aside) == 3 * len(DAMAGE) - 1, "all that was left of each run; one file was gone"
    made = Counter(line.split()[0] for line in (copied / MADE).read_text().splitlines())
    assert {i for i, n in made.items() if n == 2} == set(stems[:len(DAMAGE)]), "the others were not repeated"
    assert "all 6 runs are done" in call(copied)[1]


def test_a_record_of_a_newer_program_stops_the_call_and_is_left_alone(copied: Path) -> None:
    path = next((copied / "runs" / "tiny").glob("*.json"))
    values = json.loads(path.read_text()) | {"schema": 9}
    del values["digests"]
    path.write_bytes(sealed(values, b"", b""))
    before = path.read_bytes()
    status, said = call(copied)
    assert (status, said.count("\n")) == (2, 1), said
    assert "schema version 9" in said
    assert path.read_bytes() == before


def test_an_older_record_without_checksums_is_used(copied: Path) -> None:
    path = next((copied / "runs" / "tiny").glob("*.json"))
    values = json.loads(path.read_text())
    for newer in ("schema", "code", "machine", "digests"):
        del values[newer]
    path.write_text(json.dumps(values, indent=1))
    assert "all 6 runs are done" in call(copied)[1]
    assert read_record(path).machine is None


# --------------------------------------------------------------------------------------------------------- the disk


def mounted(place: Path, size: str, script: str) -> str:
    """What a shell script says that runs with a small disk at `place`, in a mount namespace of its own."""
    place.mkdir()
    tried = subprocess.run(["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size={size} tmpfs {place}"], check=False,
                           capture_output=True, text=True) if shutil.which("unshare") else None
    if tried is None or tried.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    environment = {**os.environ, "FAULT_BASE": str(place.parent / "base"), "D": str(place),
                   "RUN": f"{sys.executable} -m tests.fault_toys run --jobs 1 --out {place}"}
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size={size} tmpfs $D && {script}"], check=True,
                          capture_output=True, text=True, cwd=HOUSE, env=environment)
    return done.stdout


def test_a_full_disk_is_one_sentence_and_the_next_call_completes(tmp_path: Path, whole: Path) -> None:
    """Room for some of the records; then for all."""
    said = mounted(tmp_path / "disk", "80k", f"""
        $RUN 2>$D.err; echo status $?; ls $D/runs/tiny | grep -c json$; cat $D.err | tail -1
        mount -o remount,size=9m $D; $RUN 2>/dev/null; echo status $?; cp -r $D/runs {tmp_path}/saved; cp $D/{MADE} {tmp_path}
    """).splitlines()
    assert said[0] == "status 2"
    assert 0 < int(said[1]) < ARMS
    assert "cannot write to" in said[2]
    assert "because the disk is full" in said[2]
    assert said[3] == "status 0"
    (tmp_path / "after").mkdir()
    (tmp_path / "saved").rename(tmp_path / "after" / "runs")
    assert records(tmp_path / "after") == records(whole)
    assert litter(tmp_path / "after") == []
    made = Counter(line.split()[0] for line in (tmp_path / MADE).read_text().splitlines())
    assert len(made) == ARMS
    assert sum(made.values()) == ARMS + 1, "what was written before the disk was full was not repeated"


def test_a_read_only_folder_is_one_sentence(tmp_path: Path) -> None:
    said = mounted(tmp_path / "disk", "9m", "mount -o remount,ro $D; $RUN 2>&1; echo status $?").splitlines()
    assert said[-1] == "status 2"
    assert len(said) == 2, said
    assert "because the disk is read-only" in said[0]


