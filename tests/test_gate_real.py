"""The gate on records that were really measured: the committed reference against itself, and with a regression put in."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from repro.gate.compare import compare
from repro.papers import PAPERS
from repro.store import Store
from tests.gate_toys import check_of, failing

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference"
SUFFIXES = (".json", ".samples.parquet", ".curve.parquet")


def rows(scale: str, paper: str) -> dict[tuple[str, int], str]:
    found = json.loads((REFERENCE / scale / "index" / f"{paper}.json").read_text())
    return {(row["arm"], row["seed"]): row["run_id"] for row in found}


def fresh(folder: Path, scale: str, paper: str, arms: dict[str, str]) -> Store:
    """Fresh records of some arms: copies of the reference's, under the arms' names that are asked for."""
    place, known = folder / scale, rows(scale, paper)
    (place / "index").mkdir(parents=True)
    index = []
    for arm, seed in known:
        if arm in arms and (arms[arm], seed) in known:
            taken = known[arms[arm], seed]
            for suffix in SUFFIXES:
                (place / f"{taken}{suffix}").write_bytes((REFERENCE / scale / f"{taken}{suffix}").read_bytes())
            index.append({"arm": arm, "seed": seed, "run_id": taken, "core": True})
    (place / "index" / f"{paper}.json").write_text(json.dumps(index))
    return Store(folder)


@pytest.mark.parametrize("paper", sorted(PAPERS))
def test_the_reference_passes_against_itself(tmp_path: Path, paper: str) -> None:
    store = fresh(tmp_path, "smoke", paper, {arm: arm for arm, _ in rows("smoke", paper)})
    found = compare(store, Store(REFERENCE), "smoke", PAPERS, (paper,))
    assert found.runs > 5
    assert found.failing == []


def test_a_lisa_that_never_switched_is_caught(tmp_path: Path) -> None:
    """LISA's own arm against its control, which keeps the layers of the first draw: its losses leave the path."""
    found = compare(fresh(tmp_path, "smoke", "lisa", {"lisa": "lisa-fixed"}), Store(REFERENCE), "smoke", PAPERS)
    assert ("lisa", "path") in failing(found)
    path = check_of(found, "lisa", "training path")
    assert path.change is not None
    assert path.margin is not None
    assert path.change > 2 * path.margin
    assert check_of(found, "lisa", "heldout nll").outcome == "same", "the test items alone would not have told"
