"""Records: what goes in comes out, files are whole, and one record serves every arm that is the same run."""
from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from methods.parts import Refused
from repro import files
from repro.schema import Damaged
from repro.store import Store
from repro.study import Record
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
    store, real, one = Store(tmp_path), Path.replace, run("a")
    store.put(*result(one))
    monkeypatch.setattr(Path, "replace", lambda a, b: (order.append(b.suffix), order.append(store.get(one.id)), real(a, b))[2])
    store.put(*result(one))
    assert order == [".parquet", None, ".parquet", None, ".json", None], "no record stands beside another's samples"


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


@pytest.mark.parametrize("part", ["samples", "curve"])
def test_parts_that_are_not_as_written_are_never_read(tmp_path: Path, part: str) -> None:
    store, one = Store(tmp_path), run("a")
    store.put(*result(one))
    path = tmp_path / "tiny" / f"{one.id}.{part}.parquet"
    content = path.read_bytes()
    for harm in (content[:-1], content[:9] + bytes([content[9] ^ 1]) + content[10:], None):
        if harm is None:
            path.unlink()
        else:
            path.write_bytes(harm)
        for reading in (getattr(store, part), store.the):
            with pytest.raises(Damaged, match=f"the {part} .*{part}.parquet; because"):
                reading(one.id)
    assert store.get(one.id) is not None


def test_what_is_damaged_is_set_aside_whole_and_nothing_is_lost(tmp_path: Path) -> None:
    store, one, other = Store(tmp_path), run("a"), run("b")
    for value in (0.25, 0.5):
        store.put(*result(one, value))
        store.put(*result(other, value))
        path = tmp_path / "tiny" / f"{one.id}.json"
        path.write_bytes(path.read_bytes()[:-5])
        store.clear(one)
        store.clear(other)
    aside = sorted(p.name for p in (tmp_path / "tiny").glob("*.damaged*"))
    assert aside == sorted(f"{one.id}{suffix}.damaged{again}" for suffix in (".json", ".samples.parquet", ".curve.parquet")
                           for again in ("", "-2"))
    assert [r.run_id for r in store.all("tiny")] == [other.id]


def test_litter_of_a_killed_process_is_cleared_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    store, dead, busy = Store(tmp_path), run("a"), run("b")
    for of in (dead, busy):
        (tmp_path / "tiny" / f".{of.id}.staged").mkdir(parents=True)
        (tmp_path / "tiny" / "partial" / f".{of.id}.x").mkdir(parents=True)
        (tmp_path / "tiny" / "locks").mkdir(exist_ok=True)
        (tmp_path / "tiny" / "locks" / f"{of.id}.lock").touch()
    with store.lock(busy.id, "tiny") as mine:
        assert mine
        store.tidy("tiny")
        left = [p.name for p in tmp_path.rglob("*") if p.name.startswith(".") or p.suffix == ".lock"]
    assert sorted(left) == sorted([f".{busy.id}.staged", f".{busy.id}.x", f"{busy.id}.lock"])


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    assert Store(tmp_path).get("nope") is None
    with pytest.raises(Refused, match="nope"):
        Store(tmp_path).samples("nope")


# ---------------------------------------------------------------------------------- while others write, and without checksums


def test_a_file_that_goes_while_it_is_read_is_no_record(tmp_path: Path) -> None:
    """A name that leads nowhere: listed, and gone when it is opened."""
    store, one, gone = Store(tmp_path), run("a"), run("b")
    store.put(*result(one))
    (tmp_path / "tiny" / f"{gone.id}.json").symlink_to(tmp_path / "nowhere")
    store.write_index("tiny", "fake", [one, gone])
    assert [r.run_id for r in store.all("tiny")] == [one.id]
    assert [r.run_id for r in store.readable("tiny")] == [one.id]
    assert [r.run_id for r in store.records("tiny", "fake")] == [one.id]
    assert (store.get(gone.id), store.whole(gone.id, "tiny"), store.done(gone.id, "tiny")) == (None, None, False)
    for reading in (store.the, store.samples, store.curve):
        with pytest.raises(Refused, match="has no record of it") as refusal:
            reading(gone.id)
        assert not isinstance(refusal.value, Damaged)


@pytest.mark.parametrize("read", [lambda store, i: store.whole(i, "tiny"), lambda store, i: store.samples(i)],
                         ids=["whole", "samples"])
def test_a_record_that_is_replaced_while_it_is_read_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                    read: Callable[[Store, str], Any]) -> None:
    store, one = Store(tmp_path), run("a")
    path, real = tmp_path / "tiny" / f"{one.id}.json", files.content_of
    acts: list[Callable[[], None]] = []

    def meanwhile(*words: Any) -> bytes:
        """Before the first part is read, another process acts."""
        while acts:
            acts.pop(0)()
        return real(*words)

    monkeypatch.setattr(files, "content_of", meanwhile)
    store.put(*result(one, 0.25))
    acts += [lambda: store.put(*result(one, 0.75))]
    found = read(store, one.id)
    assert (found.metrics["mmlu"]["acc"].value if isinstance(found, Record) else found["correct"].item()) == 0.75
    acts += [lambda: store.put(*result(one, 0.5)), path.unlink]  # it has come as far as the parts
    try:
        assert read(store, one.id) is None
    except Refused as refusal:
        assert type(refusal) is Refused  # noqa: PT017  of samples, which cannot be none


def test_the_old_files_are_out_of_the_way_before_the_new_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To remove a file takes a disk milliseconds, which readers without a record would wait for."""
    store, real, one = Store(tmp_path), Path.replace, run("a")
    store.put(*result(one))
    there: list[bool] = []
    monkeypatch.setattr(Path, "replace", lambda a, b: (there.append(b.exists()), real(a, b))[1])
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: pytest.fail(f"{path} is removed"))
    store.put(*result(one, 0.75))
    assert there == [False] * 3
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("part", ["samples", "curve"])
def test_without_checksums_what_is_no_parquet_is_damaged_and_nothing_else_is_raised(tmp_path: Path, part: str) -> None:
    store, one = Store(tmp_path), run("a")
    store.put(*result(one))
    path = tmp_path / "tiny" / f"{one.id}.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in values.items() if k not in ("schema", "code", "machine", "digests")}))
    beside = path.with_suffix(f".{part}.parquet")
    content, random, sound = beside.read_bytes(), np.random.default_rng(0), 0
    for at in random.integers(0, 8 * len(content), 150):
        harmed = bytearray(content)
        harmed[at // 8] ^= 1 << at % 8
        beside.write_bytes(harmed if at % 2 else content[:at // 8])
        with suppress(Damaged):
            files.frame(store.part(one.id, part))
            sound += 1
    assert sound < 75
    beside.write_bytes(content[:-9])
    with pytest.raises(Damaged, match=f"{beside.name}; because it is no Parquet"):
        store.whole(one.id, "tiny")
