"""Simulated cases that the repository keeps: what claims, tables and figures of memory are read from."""
from __future__ import annotations

from functools import cache
from pathlib import Path

from repro.memory.cases import Case
from repro.memory.found import GIB, Found
from repro.memory.simulated import kept_as

FOLDER = Path(__file__).resolve().parent.parent.parent / "results" / "reference" / "memory"


@cache
def _of_key(key: str) -> Found | None:
    return kept_as(key, FOLDER, any_version=True)


def known(case: Case) -> Found | None:
    """What is kept of a case; None where nothing is."""
    return _of_key(case.key)


def gib(case: Case) -> float | None:
    """Its peak."""
    found = known(case)
    return None if found is None else found.gib


def bound_gib(case: Case) -> float | None:
    """What no implementation can do without."""
    found = known(case)
    return None if found is None else found.bound.bytes / GIB
