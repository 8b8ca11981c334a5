"""Where a record comes from: the checkout, the machine; all of it shown, none of it part of a run's name."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repro import provenance
from repro.__main__ import main
from repro.execute import Means, execute
from repro.gate.compare import compare
from repro.schema import Damaged
from repro.store import Store
from tests.engine_fakes import opener, run
from tests.gate_toys import Study
from tests.test_execute import Heard


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=x", "-c", "user.email=x@y")
    return subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_checkout_is_a_commit_and_whether_the_tree_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = provenance.checkout.__wrapped__
    unknown = {"commit": None, "dirty": None}
    house = (tmp_path / "house").resolve()
    house.mkdir()
    assert look(house) == unknown
    git(house, "init")
    assert look(house) == unknown, "no commit yet"
    (house / "code.py").write_text("1")
    git(house, "add", ".")
    git(house, "commit", "-m", "one")
    assert look(house) == {"commit": git(house, "rev-parse", "HEAD"), "dirty": False}
    (house / "code.py").write_text("2")
    assert look(house)["dirty"] is True
    (house / "inner").mkdir()
    assert look(house / "inner") == unknown, "somebody else's checkout around ours"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert look(house) == unknown, "no git on this machine"


def test_the_machine_is_told_once_a_process() -> None:
    told = provenance.machine()
    assert told is provenance.machine()
    assert told["cores"] >= 1
    assert told["memory_bytes"] > 2**28
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["processor"]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one run that was fine, one that raised, and one that lost its worker."""
    out = tmp_path_factory.mktemp("out")
    execute([run("a"), run("raise"), run("die")], opener, Store(out / "runs"), Means(1, 1), Heard())
    return out


def test_every_record_of_a_worker_says_where_it_was_made(executed: Path) -> None:
    records = Store(executed / "runs").all("tiny")
    assert {r.arm: r.status for r in records} == {"a": "done", "raise": "failed", "die": "failed"}
    for record in records:
        assert record.code == provenance.checkout()
        assert record.machine == {**provenance.machine(), "gpu": None}
        assert record.run_id == run(record.arm).id


def test_show_prints_all_of_it(executed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["repro", "show", run("a").id, "--out", str(executed)])
    main_ends(0)
    said = capsys.readouterr().out
    for word in ("base-a", "mmlu", "all items", "commit", "processor", "memory_bytes", "torch 0", "wall_s 2", "acc"):
        assert word in said
    monkeypatch.setattr(sys, "argv", ["repro", "show", run("a").id, "--out", str(executed), "--json"])
    main_ends(0)
    assert json.loads(capsys.readouterr().out)[0]["machine"] == {**provenance.machine(), "gpu": None}


def test_show_refuses_a_run_whose_curve_is_damaged(tmp_path: Path, executed: Path, monkeypatch: pytest.MonkeyPatch,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(shutil.copytree(executed, tmp_path / "out"))
    (out / "runs" / "tiny" / f"{run('a').id}.curve.parquet").write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["repro", "show", run("a").id, "--out", str(out)])
    main_ends(2)
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "curve.parquet; because" in said.err


def main_ends(status: int) -> None:
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code or 0) == status


@pytest.mark.parametrize("part", ["samples", "curve"])
def test_the_gate_refuses_what_is_damaged(tmp_path: Path, part: str) -> None:
    Study().write(tmp_path / "reference")
    fresh = Study().write(tmp_path / "fresh")
    path = next((fresh.root / "tiny").glob(f"*.{part}.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged, match=part):
        compare(fresh, Store(tmp_path / "reference"), "tiny", {})
