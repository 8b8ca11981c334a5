"""What the papers print: `reported/*.csv`, each number with where it comes from. Unverified cells are empty there."""
from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from methods.parts import Refused

FOLDER = Path(__file__).resolve().parent / "reported"
COLUMNS = ("table", "model", "method", "setting", "benchmark", "metric", "value", "unit", "version", "source", "status")
Status = Literal["verified", "approximate reading", "not available"]


@dataclass(frozen=True)
class Printed:
    """A paper's number as printed. `value` is None where it could not be verified."""

    value: float | None
    text: str
    status: Status
    source: str = ""


ABSENT = Printed(None, "not available", "not available")


@functools.cache
def reported(paper: str, folder: Path = FOLDER) -> pd.DataFrame:
    """All rows of a paper. Raises Refused when the file lacks a column."""
    frame = pd.read_csv(folder / f"{paper}.csv", dtype=str, keep_default_na=False)
    lacking = [c for c in COLUMNS if c not in frame.columns]
    if lacking:
        raise Refused(f"cannot read {paper}.csv; because it has no column {lacking[0]}; use {', '.join(COLUMNS)}")
    return frame


def printed(paper: str, where: Mapping[str, str], folder: Path = FOLDER) -> Printed:
    """The one printed number under these equal columns; a verified version is preferred to an approximate reading.

    Raises Refused when several numbers fit equally well: a table cell must name one.
    """
    frame = reported(paper, folder)
    hit = frame
    for column, value in where.items():
        hit = hit[hit[column] == value]
    for status in ("verified", "approximate reading"):
        found = hit[hit["status"] == status]
        if len(found) > 1:
            raise Refused(f"cannot show one printed number for {dict(where)}; because {len(found)} fit; name more columns")
        if len(found) == 1:
            return _of(found.iloc[0])
    return ABSENT


def _of(row: pd.Series) -> Printed:
    try:
        value = float(row["value"])
    except ValueError:
        value = None
    mark = "≈ " if row["status"] == "approximate reading" else ""
    return Printed(value, mark + row["value"], row["status"], f"{row['version']}: {row['source']}")
