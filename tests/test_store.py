"""Records: what goes in comes out, files are whole, and one record serves every arm that is the same run."""
from __future__ import annotations

import dataclasses
import errno
import math
import os
from pathlib import Path

import pytest

from methods.parts import Refused
from repro.store import Store
from tests.engine_fakes import record, result, run


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    store, one = Store(tmp_path), run("a")
    store.put(*result(one, 0.25))
    got = store.get(one.id)
    assert got is not None
    assert math.isnan(got.metrics["mmlu"]["acc"].stderr)
    exact = {"mmlu": {"acc": dataclasses.replace(got.metrics["mmlu"]["acc"], stderr=0.0)}}
    assert dataclasses.replace(got, metrics=exact) == dataclasses.replace(record(one, 0.25), metrics=exact)
    assert store.samples(one.id).equals(result(one, 0.25)[1])
    assert store.curve(one.id)["value"].tolist() == [2.0]
    assert store.done(one.id, "tiny")


def test_the_json_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(Path(b).suffix), real(a, b))[1])
    Store(tmp_path).put(*result(run("a")))
    assert order == [".parquet", ".parquet", ".json"]


def test_a_full_disk_is_one_sentence_and_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, one = Store(tmp_path), run("a")
    store.put(*result(one, 0.25))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refused, match="the disk is full"):
        store.put(*result(one, 0.75))
    got = store.get(one.id)
    assert got is not None
    assert got.metrics["mmlu"]["acc"].value == 0.25
    assert not list(tmp_path.rglob(".*"))


def test_arms_that_are_the_same_run_share_a_record(tmp_path: Path) -> None:
    store, one = Store(tmp_path), run("a")
    twin = dataclasses.replace(one, arm=dataclasses.replace(one.arm, name="b", label="B"))
    assert twin.id == one.id
    store.write_index("tiny", "fake", [one, twin, run("missing")])
    store.put(*result(one))
    assert [(r.arm, r.run_id) for r in store.records("tiny", "fake")] == [("a", one.id), ("b", one.id)]


def test_records_of_older_code_are_left_out(tmp_path: Path) -> None:
    store, now = Store(tmp_path), run("a")
    before = dataclasses.replace(now, pins={"code": "old"})
    store.put(*result(before))
    assert len(store.records("tiny", "fake")) == 1
    store.write_index("tiny", "fake", [now])
    assert store.records("tiny", "fake") == []


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "0.json").write_text('{"metrics": 3}')
    with pytest.raises(Refused, match=r"tiny/0\.json"):
        Store(tmp_path).all("tiny")


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    assert Store(tmp_path).get("nope") is None
    with pytest.raises(Refused, match="nope"):
        Store(tmp_path).samples("nope")
