"""A paper's page: every id once, the p that decided, code as code, numbers without rounding's digits, notes and tallies."""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro.papers import PAPERS
from repro.papers.lisa.arms import arms
from repro.scales import get
from repro.site import write as sites
from tests.fake_study import Memory, fill, rates_of_all_papers
from tests.test_site import Tags

LOSSES = {"vanilla": 2.2, "full": 0.57, "lisa": 0.60, "lora": 0.75, "embeddings-and-head": 0.30, "lisa-fixed": 0.70}


@pytest.fixture(autouse=True, scope="module")
def some_rates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with rates_of_all_papers(tmp_path_factory.mktemp("tuned")):
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LISA's records; of the other papers what needs none."""
    root, lisa = tmp_path_factory.mktemp("site"), [a for a in arms("tiny") if a.core or "dev" in a.points]
    sites.write(tuple(PAPERS.values()), get("tiny"), fill(Memory(), lisa, LOSSES, items=40), root, "core")
    return root


@pytest.mark.parametrize("name", list(PAPERS))
def test_an_id_stands_once_on_a_page(site: Path, name: str) -> None:
    ids = Tags(site / "tiny" / name / "index.html").ids
    assert len(ids) > 10
    assert sorted(ids) == sorted(set(ids))


def test_a_figure_and_a_table_of_one_name_have_places_of_their_own(site: Path) -> None:
    lisa, colm = (Tags(site / "tiny" / name / "index.html").ids for name in ("lisa", "colm"))
    assert {"table-1", "fig-table-1"} <= set(lisa)
    assert "fig-figure-3a-memory" in colm


def test_the_page_shows_the_p_that_decided_and_how_an_effect_is_read(site: Path) -> None:
    text = (site / "tiny" / "lisa" / "index.html").read_text()
    refuted = re.findall(r"the opposite is shown: [^<\n]*?\. Corrected p (?:<|=) (0\.\d+) against it\.", text)
    assert refuted, "LISA is above embeddings and head alone here"
    assert len(refuted) == text.count("the opposite is shown: ")
    assert max(map(float, refuted)) <= 0.05
    assert "within bounds" in text
    assert "that it fails by chance" not in text


def test_no_backtick_is_left_and_no_number_has_the_digits_of_rounding(site: Path) -> None:
    for page in (site / "tiny" / "lisa" / "index.html", site / "tiny" / "colm" / "index.html", site / "index.html",
                 *sorted((site / "tiny" / "runs").glob("*.html"))):
        text = page.read_text()
        assert "`" not in text, page.name
        assert not re.search(r"\d\.\d{12,}", text), page.name
    assert "<code>python -m repro bench lisa</code>" in (site / "tiny" / "lisa" / "index.html").read_text()


def test_what_is_judged_stands_beside_the_statement_and_the_tally_counts_headlines(site: Path) -> None:
    paper, overview = ((site / p).read_text() for p in ("tiny/lisa/index.html", "index.html"))
    assert all("fits within 24 GB" in text for text in (paper, overview))
    shown = paper.count('badge partly">supported, but explained by its control')
    assert shown
    assert all(f"{shown} supported but explained by controls" in text for text in (paper, overview))
