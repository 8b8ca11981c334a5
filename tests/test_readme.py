"""The README's verdicts are those of the committed records: this fails when either changes without the other."""
from __future__ import annotations

from pathlib import Path

import pytest

from repro import report
from repro.papers import PAPERS
from repro.scales import get
from repro.store import Store

HOUSE = Path(report.__file__).resolve().parent.parent
REFERENCE = HOUSE / "results" / "reference"
FIGURES = "results/reference/figures"


@pytest.mark.skipif(not (REFERENCE / "tiny" / "index" / "lisa.json").exists(), reason="no reference records are committed yet")
def test_the_readme_shows_the_reference_verdicts(tmp_path: Path) -> None:
    block = report.readme_block(PAPERS.values(), get("tiny"), Store(REFERENCE), tmp_path, FIGURES)
    readme = (HOUSE / "README.md").read_text()
    assert readme == report.with_block(readme, block), "run `python -m repro.readme` to renew it"
    for drawn in tmp_path.glob("*.svg"):
        assert (HOUSE / FIGURES / drawn.name).read_bytes() == drawn.read_bytes()
