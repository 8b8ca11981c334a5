"""The shape of a record's file: the committed schema is the one in the code, versions are migrated or refused, damage is seen."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts import Refused
from repro import schema
from repro.files import record_json, record_of
from repro.schema import Damaged
from repro.seal import LENGTH, Seal, digest, sealed
from repro.store import Store
from repro.study import Record
from tests.engine_fakes import record, run

HOUSE = Path(__file__).resolve().parent.parent
HERE = Path("here.json")
TEXT = sealed(record_json(record(run("a"))), b"samples", b"curve")


def first_version(**changed: Any) -> bytes:
    """A record as version 1 wrote it."""
    values = record_json(record(run("a")))
    for newer in ("schema", "code", "machine"):
        del values[newer]
    return json.dumps(values | changed, indent=1).encode()


def test_the_committed_schema_is_the_one_in_the_code() -> None:
    committed = (HOUSE / "repro" / "record.schema.json").read_text()
    assert committed == schema.json_schema(), "write it anew: python -m repro.schema > repro/record.schema.json"


def test_the_digests_are_those_of_the_files() -> None:
    digests = json.loads(TEXT)["digests"]
    assert (digests["samples"], digests["curve"]) == (digest(b"samples"), digest(b"curve"))
    assert digests["record"] == digest(TEXT.replace(digests["record"].encode(), b""))
    assert Seal.of(TEXT) == Seal.of(TEXT[-LENGTH:]) == Seal(**digests)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 8 * len(TEXT) - 1))
def test_one_flipped_bit_anywhere_is_seen(bit: int) -> None:
    flipped = bytearray(TEXT)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged, match=r"here\.json; because"):
        record_of(bytes(flipped), HERE)


@pytest.mark.parametrize("end", [0, 1, len(TEXT) // 2, len(TEXT) - 40, len(TEXT) - 1])
def test_a_record_cut_short_is_seen(end: int) -> None:
    with pytest.raises(Damaged, match=r"here\.json; because"):
        record_of(TEXT[:end], HERE)


def test_the_first_version_is_read_with_what_it_did_not_keep_unknown() -> None:
    values = schema.read(first_version(), HERE)
    assert (values["schema"], values["code"], values["machine"], values["digests"]) == (2, None, None, None)
    found = record_of(first_version(), HERE)
    assert isinstance(found, Record)
    assert (found.run_id, found.code, found.machine) == (run("a").id, None, None)


def test_a_newer_version_is_refused_by_its_number_and_is_not_damage() -> None:
    with pytest.raises(Refused, match=r"here\.json; because it is of schema version 9 and this .* up to 2; update") as found:
        schema.read(first_version(schema=9), HERE)
    assert not isinstance(found.value, Damaged)


@pytest.mark.parametrize("changed", [
    {"schema": "2"}, {"schema": 0}, {"schema": True}, {"metrics": 3}, {"seed": "0"}, {"status": "half"}, {"more": 1},
    {"metrics": {"mmlu": {"acc": {"value": 1.0, "stderr": None}}}}], ids=str)
def test_what_is_no_record_is_refused_by_its_field(changed: dict[str, Any]) -> None:
    with pytest.raises(Damaged, match=next(iter(changed)) if "schema" not in changed else "no record"):
        schema.read(first_version(**changed), HERE)


@pytest.mark.parametrize("text", [b"[]", b"3", b"null", b"\xff\xfe"])
def test_other_json_is_no_record(text: bytes) -> None:
    with pytest.raises(Damaged):
        schema.read(text, HERE)


def test_the_committed_records_are_read() -> None:
    """Whatever version they are of."""
    paths = sorted((HOUSE / "results" / "reference" / "smoke").glob("*.json"))
    assert paths
    assert {record_of(p.read_bytes(), p).run_id for p in paths} == {p.stem for p in paths}


def test_half_a_character_in_an_error_is_kept_as_its_escape(tmp_path: Path) -> None:
    broken = dataclasses.replace(record(run("bad")), status="failed", error="ValueError: \ud800 é")
    store = Store(tmp_path)
    store.put(broken, pd.DataFrame(), pd.DataFrame())
    found = store.get(broken.run_id)
    assert found is not None
    assert found.error == "ValueError: \\ud800 é"
