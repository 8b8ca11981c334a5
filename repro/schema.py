"""The shape of a record's file, by version: checked on reading, older versions migrated, newer ones refused.

`python -m repro.schema > repro/record.schema.json` writes it as JSON Schema.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json
from typing_extensions import TypedDict  # pydantic reads docstrings and settings of this one on Python 3.11

from methods.parts import Refused
from repro.seal import Seal

VERSION = 2
STRICT = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


@with_config(STRICT)
class MetricFile(TypedDict):
    """A mean with its standard error (null: not a number) over `n` items."""

    value: float | None
    stderr: float | None
    n: int


@with_config(STRICT)
class StageFile(TypedDict):
    """One stretch of training."""

    recipe: dict[str, Any]
    """One value per slot: scope, estimator, update, selection, objective, ensemble."""
    data: str
    training: dict[str, Any]


@with_config(STRICT)
class SuiteFile(TypedDict):
    """A suite as it was measured."""

    suite: str
    shots: int | None
    limit: int | None


@with_config(STRICT)
class ContentFile(TypedDict):
    """What determines the numbers; the run is named by a hash of it."""

    base: str
    stages: list[StageFile]
    suites: list[SuiteFile]
    own_seeds: dict[str, int]
    probes: list[str]
    seed: int
    scale: str
    threads: int
    pins: dict[str, str]
    """Digests of the code, the base's weights and each training set ("data NAME"); device, settings, libraries."""


@with_config(STRICT)
class CodeFile(TypedDict):
    """The checkout that ran; its digest is in the pins."""

    commit: str | None
    """None outside of a git checkout."""
    dirty: bool | None
    """Whether the tree differed from the commit."""


@with_config(STRICT)
class MachineFile(TypedDict):
    """Where it ran."""

    processor: str
    cores: int
    """Those that the process may use."""
    memory_bytes: int
    system: str
    python: str
    gpu: str | None
    """The one that the run used."""


@with_config(STRICT)
class DigestsFile(TypedDict):
    """SHA-256 of the run's files; `record` is that of this file with this very digest left empty."""

    samples: str
    curve: str
    record: str


@with_config(STRICT)
class RecordFile(TypedDict):
    """What a run left behind; its samples and its curve lie beside it as Parquet."""

    schema: Literal[2]
    run_id: str
    paper: str
    arm: str
    seed: int
    scale: str
    status: Literal["done", "failed"]
    error: str | None
    metrics: dict[str, dict[str, MetricFile]]
    """Suite, or suite/part, to metric to value."""
    cost: dict[str, float | None]
    content: ContentFile
    versions: dict[str, str]
    """Packages."""
    code: CodeFile | None
    """None: not known, as in a record of version 1."""
    machine: MachineFile | None
    """None: not known, as in a record of version 1."""
    digests: DigestsFile | None
    """None: read from a record of version 1, which has none."""


RECORD = TypeAdapter(RecordFile)


ANEW = ("call `python -m repro run`, which sets a damaged run aside and runs it anew, or put a sound copy in its place")
RESTORED = ("restore the reference from version control; or remove the run's three files there, and accept it anew with "
            "`python -m repro accept`")


class Damaged(Refused):
    """A run's file is not as it was written."""

    what: str
    why: str

    @classmethod
    def because(cls, what: str, why: str, way_out: str = ANEW) -> Damaged:
        found = cls(f"cannot read {what}; because {why}; {way_out}")
        found.what, found.why = what, why
        return found

    def in_reference(self) -> Damaged:
        """The same of a reference's file, which no run makes anew."""
        return Damaged.because(self.what, self.why, RESTORED)


def to_2(values: dict[str, Any]) -> dict[str, Any]:
    """From 1: checkout, machine and digests were not kept."""
    return {**values, "schema": 2, "code": None, "machine": None, "digests": None}


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: to_2}
"""From each older version to the next."""


def read(text: bytes, path: Path) -> dict[str, Any]:
    """The values of a record's file in the present version.

    Raises Damaged where it is not as it was written, and Refused where a newer program wrote it.
    """
    seal = Seal.of(text)
    if seal is not None and not seal.holds(text):
        raise Damaged.because(f"the record {path}", "its content does not fit its checksum")
    try:
        values = from_json(text)
    except ValueError as error:
        raise Damaged.because(f"the record {path}", f"it is cut short or changed ({error})") from error
    version = values.get("schema", 1) if isinstance(values, dict) else None
    if type(version) is not int or version < 1:
        raise Damaged.because(f"the record {path}", "it is no record")
    if version > VERSION:
        raise Refused(f"cannot read the record {path}; because it is of schema version {version} and this program knows up to "
                      f"{VERSION}; update the project or use another folder with --out")
    if version > 1 and seal is None:
        raise Damaged.because(f"the record {path}", "its checksum is gone")
    return _checked(values, version, path)


def _checked(values: dict[str, Any], version: int, path: Path) -> dict[str, Any]:
    for older in range(version, VERSION):
        values = MIGRATIONS[older](values)
    try:
        found: dict[str, Any] = dict(RECORD.validate_python(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise Damaged.because(f"the record {path}", f"it is no record ({at}: {first['msg']})") from error
    return found


def json_schema() -> str:
    """The file record.schema.json."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Record"}
    return json.dumps({**RECORD.json_schema(), **about}, indent=1) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
