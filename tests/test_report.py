"""The report on one paper: complete, honest about what failed or is missing, and the README's block follows from records."""
from __future__ import annotations

import html.parser
import json
from pathlib import Path

import pytest

from methods.parts import Refused
from repro import report
from repro.papers import PAPERS
from repro.papers.lisa.arms import arms, trials
from repro.scales import get
from repro.site import write as sites
from tests.fake_study import Memory, fill, rates_in, tuned_rates
from tests.test_lisa_paper import IDS

LOSSES = {"vanilla": 2.2, "full": 0.57, "lisa": 0.60, "lora": 0.75, "embeddings-and-head": 0.80, "lisa-fixed": 0.70}
HOUSE = Path(report.__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="module")
def some_rates(tmp_path_factory: pytest.TempPathFactory) -> object:
    with rates_in(tmp_path_factory.mktemp("tuned")) as folder:
        tuned_rates(folder, trials("tiny"))
        yield


@pytest.fixture(scope="module")
def core() -> Memory:
    return fill(Memory(), [a for a in arms("tiny") if a.core], LOSSES, items=40, failed=("galore",))


@pytest.fixture(scope="module")
def page(core: Memory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(core, tmp_path_factory.mktemp("report"))


def written(source: Memory, root: Path) -> Path:
    """The paper's page."""
    sites.write((PAPERS["lisa"],), get("tiny"), source, root, "core")
    return root / "tiny" / "lisa" / "index.html"


class Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [v for k, v in attrs if k in ("href", "src") and v and not v.startswith("#")]


def test_every_link_of_the_page_leads_somewhere(page: Path) -> None:
    links = Links()
    links.feed(page.read_text())
    assert len(links.found) > 40
    assert all((page.parent / link.partition("#")[0]).is_file() for link in links.found)


def test_the_page_names_its_scale_what_failed_and_what_stands_in(page: Path) -> None:
    text = page.read_text()
    assert "about this scale alone" in " ".join(text.split()) or "about this\nscale alone" in text
    assert "stands in for TinyLlama" in text
    assert "failed: GaLore, seed 0" in text
    assert "--arms all" in text
    assert "not available" in text


def test_every_claim_has_a_verdict_with_its_controls(page: Path) -> None:
    found = json.loads((page.parent / "verdicts.json").read_text())
    assert [v["claim"] for v in found] == IDS
    assert all(v["headline"] and v["why"] for v in found)
    for v in found:
        for part in v["contrasts"]:
            assert "missing" in part or {"effect", "low_90", "high_90", "p", "n_seeds", "n_items"} <= set(part)
    assert all(v["claim"] in (page.parent / "verdicts.md").read_text() for v in found)


def test_tables_come_in_three_formats(page: Path) -> None:
    stems = {f.stem for f in (page.parent / "tables").iterdir()}
    assert "table-2" in stems
    assert all((page.parent / "tables" / f"{s}.{x}").exists() for s in stems for x in ("md", "csv", "tex"))
    assert "failed" in (page.parent / "tables" / "table-2.md").read_text()


def test_a_second_report_changes_nothing(page: Path, core: Memory) -> None:
    before = {f: f.stat().st_mtime_ns for f in page.parent.rglob("*") if f.is_file()}
    (page.parent / ".made.json").unlink()
    del before[page.parent / ".made.json"]
    written(core, page.parent.parent.parent)
    assert {f: f.stat().st_mtime_ns for f in before} == before, "made again, and the same"


def test_a_report_without_records_shows_no_numbers(tmp_path: Path) -> None:
    page = written(Memory(), tmp_path)
    found = json.loads((page.parent / "verdicts.json").read_text())
    assert {v["verdict"] for v in found if not v["counted"]} == {"not run", "untestable"}
    assert {f.stem for f in tmp_path.rglob("*.png")} == {
        f.id for f in PAPERS["lisa"].figures("tiny") if f.counted is not None}, "only what is counted at shapes"
    assert "±" not in page.read_text().replace("mean ± standard error", "").replace("within ± ", "")


def test_the_block_takes_its_place_in_a_readme(core: Memory, tmp_path: Path) -> None:
    block = report.readme_block([PAPERS["lisa"]], get("tiny"), core, tmp_path, "results/reference/figures")
    made = report.with_block(f"before\n{report.START}\nstale words\n{report.END}\nafter\n", block)
    assert made.startswith("before\n")
    assert made.endswith("\nafter\n")
    assert "stale words" not in made
    assert "| C5 |" in made
    assert "](results/reference/figures/lisa-methods-and-controls.svg)" in made
    assert report.with_block(made, block) == made
    with pytest.raises(Refused, match="add both lines"):
        report.with_block("no markers", block)
