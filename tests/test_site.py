"""The site: whole, linked, escaped, honest about what failed, the same bytes again, and nothing made twice."""
from __future__ import annotations

import html.parser
import itertools
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from methods.parts import Refused
from repro import report
from repro.claims import Claim, Column, Contrast, OfItems, Paper, Row, TableSpec
from repro.papers.rates import Trial, Tuned
from repro.scales import get
from repro.site import curves, files, pages, recipes, samples, svg
from repro.site import write as sites
from repro.site.beside import beside
from repro.site.run import page_name
from repro.store import CURVE, Store
from repro.study import Metric, Record, Run
from tests.fake_study import rates_in
from tests.leaderboard_toys import arm

HOSTILE = '<script>alert("run")</script></details></table>\'"<img src=x onerror=alert(1)>\x00\x1b\u202e'
ARMS = (arm("good"), arm("better", 2e-3, label="<b>Better</b>"), arm("broken", 3e-3))
MMLU = OfItems("mmlu", "MMLU", "%", True, "correct", 100.0)


def toy(name: str = "toy") -> Paper:
    claim = Claim("C1", "Better is above good", "page 1", "the opposite", (Contrast("above", "better", "good", MMLU),))
    spec = TableSpec("table-1", "Table 1", tuple(Row(a.label, a.name) for a in ARMS), (Column("MMLU", MMLU),))
    return Paper(name, "Toy: <i>a paper</i>", "0000.00000", lambda scale: ARMS, lambda scale: {}, lambda scale: (spec,),
                 lambda scale: (), lambda scale: (claim,))


def broken_text(texts: list[bytes | None]) -> pa.Array:
    """A column of strings whose bytes need not be UTF-8."""
    raw = pa.array(texts, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())


def samples_of(seed: int, answers: list[bytes | None]) -> pa.Table:
    n = len(answers)
    right = (np.random.default_rng(seed).random(n) < 0.5).astype(float)
    return pa.table({"suite": ["mmlu"] * n, "task": ["mmlu"] * n, "item": range(n), "fact": [f"f{i // 2}" for i in range(n)],
                     "correct": right, "target": ["<b>four</b>"] * n, "answer": broken_text(answers)})


class Spoiled(Store):
    """A store whose failed runs hold half a character, which JSON can say and no encoding can."""

    def records(self, scale: str, paper: str) -> list[Record]:
        return [replace(r, error=f"{r.error}\ud800") if r.error else r for r in super().records(scale, paper)]


def put(store: Store, run: Run, status: str = "done", error: str | None = None) -> None:
    done = status == "done"
    record = Record(run.id, run.paper, run.arm.name, run.seed, "tiny", status, error,  # type: ignore[arg-type]
                    {"mmlu": {"acc": Metric(0.5, 0.1, 40), "</td>odd": Metric(float("nan"), float("nan"), 1)}} if done else {},
                    {"wall_s": 9.0, "train_s": 6.0, "steps": 10.0, "state_bytes_peak": 8.0}, run.content, {"torch": "0<1"})
    curve = pd.DataFrame([(s, "train_loss", None, 2.0 / s) for s in range(1, 200)] + [(1, "lr", None, 1.0), (2, "lr", None, 1.0)],
                         columns=list(CURVE))
    texts: list[bytes | None] = [b"  two  spaces </pre><script>alert(2)</script>", b"\xff\xfe broken", *[b"4"] * 38]
    frame = samples_of(run.seed, texts).drop_columns(["answer"]).to_pandas()
    store.put(record, frame, curve)
    if done:  # the very same run, with text that pandas would not write
        from repro import disk, seal
        from repro.files import parquet, record_json
        sink = pa.BufferOutputStream()
        pq.write_table(samples_of(run.seed, texts), sink)
        content, place = sink.getvalue().to_pybytes(), store.root / "tiny" / run.id
        whole = seal.sealed(record_json(record), content, parquet(curve))
        disk.write_together({place.with_suffix(".samples.parquet"): content, place.with_suffix(".json"): whole},
                            store.root / "tiny" / ".stage")


def fill(root: Path, name: str = "toy") -> Store:
    store = Spoiled(root)
    runs = [Run(name, a, seed, "tiny", 1, {"code": "c"}) for a in ARMS for seed in a.seeds]
    store.write_index("tiny", name, runs)
    for run in runs:
        bad = run.arm.name == "broken"
        put(store, run, "failed" if bad else "done", f"Diverged: {HOSTILE}\n\nTraceback" if bad else None)
    return store


@pytest.fixture(autouse=True, scope="module")
def some_rates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("tuned")
    for name in ("toy", "other"):
        trials = {"good": (Trial(1e-3, 0, 1.0, 10, "x"), Trial(1e-2, 0, 2.0, 10, "x"))}
        (folder / f"{name}_tiny.json").write_text(Tuned(name, "tiny", trials).to_json())
    with rates_in(folder):
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return fill(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("out") / "site"
    assert sites.write([toy()], get("tiny"), store, root) == root / "index.html"
    return root


class Tags(html.parser.HTMLParser):
    """The elements of a page, its links and ids."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]

    @property
    def links(self) -> list[str]:
        return [v for _, attrs in self.tags for k, v in attrs.items() if k in ("href", "src") and v]

    @property
    def ids(self) -> list[str]:
        return [v for _, attrs in self.tags for k, v in attrs.items() if k == "id" and v]


def pages_of(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_there_is_a_page_of_every_kind(site: Path) -> None:
    found = {p.relative_to(site).as_posix() for p in pages_of(site)}
    runs = {p for p in found if p.startswith("tiny/runs/") and not p.endswith("index.html")}
    assert found - runs == {"index.html", "recipes.html", "tiny/toy/index.html", "tiny/leaderboard/index.html",
                            "tiny/runs/index.html"}
    assert len(runs) == 9
    assert (site / "tiny" / "toy" / "verdicts.json").is_file()
    assert (site / "tiny" / "toy" / "tables" / "table-1.csv").is_file()


def test_every_link_leads_to_a_file_or_a_place_of_the_site(site: Path) -> None:
    for page in pages_of(site):
        links = Tags(page).links
        assert len(links) > 3
        for link in links:
            path, _, place = unquote(link).partition("#")
            aim = (page.parent / path).resolve() if path else page
            assert aim.is_file(), (page, link)
            assert aim.is_relative_to(site.resolve())
            assert not place or place in Tags(aim).ids, (page, link)


def test_pages_have_landmarks_one_h1_and_headings_in_order(site: Path) -> None:
    for page in pages_of(site):
        found = Tags(page)
        names = [tag for tag, _ in found.tags]
        assert (names.count("h1"), names.count("main"), names.count("header")) == (1, 1, 1)
        levels = [int(tag[1]) for tag in names if tag in ("h1", "h2", "h3", "h4")]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), (page, levels)
        assert len(found.ids) == len(set(found.ids))
        assert all(img["alt"] for img in found.of("img"))
        assert found.of("a")[0] == {"class": "skip", "href": "#main"}


def test_nothing_but_own_files_may_load(site: Path) -> None:
    for page in pages_of(site):
        found = Tags(page)
        assert [m["content"] for m in found.of("meta") if m.get("http-equiv")] == [pages.POLICY]
        assert [s.keys() for s in found.of("script")] == [{"src", "defer"}]
        assert found.of("style") == []
        assert not [a for _, a in found.tags if "style" in a or any(k.startswith("on") for k in a)]


def test_what_a_run_said_is_text_and_nothing_else(site: Path) -> None:
    for page in pages_of(site):
        text = page.read_text(encoding="utf-8")
        found = Tags(page)
        assert not any(a.get("src") == "x" for a in found.of("img"))
        assert not files.NO_TEXT.search(text)
        assert "Better</b>" not in text
    failed = next(p for p in pages_of(site) if "Why it failed" in p.read_text())
    assert "&lt;script&gt;alert(&#34;run&#34;)&lt;/script&gt;&lt;/details&gt;" in failed.read_text()
    good = next(p for p in pages_of(site) if "The model wrote" in p.read_text())
    assert "<pre" in good.read_text()
    assert ">  two  spaces &lt;/pre&gt;&lt;script&gt;alert(2)" in good.read_text(), "white space is kept"
    assert "\ufffd\ufffd broken" in good.read_text()
    assert "right</strong>" in good.read_text()
    assert "wrong</strong>" in good.read_text()
    assert "not a number" in good.read_text()


def test_a_failed_run_is_shown_as_failed_everywhere(site: Path) -> None:
    paper, overview, index = ((site / p).read_text() for p in ("tiny/toy/index.html", "index.html", "tiny/runs/index.html"))
    assert "failed: Broken, seed 0" in paper
    assert "6 runs done, 3 failed, 0 missing" in paper
    assert "6 runs done, 3 failed, 0 missing" in overview
    assert index.count("failed</strong>") == 3


def test_a_table_opens_to_what_stands_behind_it(site: Path, store: Store) -> None:
    text = (site / "tiny" / "toy" / "index.html").read_text()
    first = store.records("tiny", "toy")[0]
    assert f'<a href="../runs/{page_name(first.run_id)}">{first.run_id}</a> (done)' in text
    for words in ("Arm <code>good</code>", "Base: tinyllama", "AdamW(lr=0.001)", "on alpaca-gpt4; steps 10",
                  "n = 3 seeds × 40 items"):
        assert words in text


def test_the_same_records_give_the_same_bytes_and_nothing_is_written_again(site: Path, store: Store, tmp_path: Path,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    sites.write([toy()], get("tiny"), store, tmp_path / "site")
    mine = {p.relative_to(site): p.read_bytes() for p in site.rglob("*") if p.is_file()}
    assert mine == {p.relative_to(tmp_path / "site"): p.read_bytes() for p in (tmp_path / "site").rglob("*") if p.is_file()}
    before = {p: p.stat().st_mtime_ns for p in site.rglob("*") if p.is_file()}
    monkeypatch.setattr(report, "write", None)
    monkeypatch.setattr("repro.site.run.write", None)
    monkeypatch.setattr("repro.leaderboard.write.write", None)
    monkeypatch.setattr(recipes, "outcomes", None)
    sites.write([toy()], get("tiny"), store, site)
    assert before == {p: p.stat().st_mtime_ns for p in site.rglob("*") if p.is_file()}


def test_a_page_that_changed_or_is_gone_is_made_again(store: Store, tmp_path: Path) -> None:
    root = fill(tmp_path / "runs").root
    sites.write([toy()], get("tiny"), Spoiled(root), tmp_path / "site")
    page = tmp_path / "site" / "tiny" / "runs" / page_name(store.records("tiny", "toy")[0].run_id)
    whole = page.read_bytes()
    page.write_bytes(whole[:100])
    other = next(p for p in page.parent.glob("*.html") if p.name not in (page.name, "index.html"))
    other.unlink()
    sites.write([toy()], get("tiny"), Spoiled(root), tmp_path / "site")
    assert page.read_bytes() == whole
    assert other.exists()
    run = Run("toy", ARMS[0], 0, "tiny", 1, {"code": "c"})
    put(Store(root), run, "failed", "now it failed")
    sites.write([toy()], get("tiny"), Spoiled(root), tmp_path / "site")
    assert "now it failed" in page.read_text()
    assert "now it failed" in (tmp_path / "site" / "tiny" / "toy" / "index.html").read_text()


def test_another_paper_joins_and_runs_that_stand_for_nothing_go(tmp_path: Path) -> None:
    store, root = fill(tmp_path / "runs"), tmp_path / "site"
    sites.write([toy()], get("tiny"), store, root)
    fill(tmp_path / "runs", "other")
    sites.write([toy("other")], get("tiny"), store, root)
    assert "tiny/toy/index.html" in (root / "index.html").read_text()
    assert "tiny/other/index.html" in (root / "index.html").read_text()
    assert (root / "tiny" / "runs" / "index.html").read_text().count("<td>toy</td>") == 9
    gone = Run("other", ARMS[0], 0, "tiny", 1, {"code": "c"})
    store.write_index("tiny", "other", [gone])
    store.write_index("tiny", "toy", [gone])
    sites.write([toy(), toy("other")], get("tiny"), store, root)
    assert {p.name for p in (root / "tiny" / "runs").glob("*.html")} == {"index.html", page_name(gone.id)}


def test_a_site_of_nothing_says_so(tmp_path: Path) -> None:
    sites.write([], get("tiny"), Store(tmp_path / "none"), tmp_path / "empty")
    assert "Nothing has been written yet" in (tmp_path / "empty" / "index.html").read_text()
    sites.write([toy()], get("tiny"), Store(tmp_path / "none"), tmp_path / "site")
    assert "not run" in (tmp_path / "site" / "index.html").read_text()
    assert "0 runs done, 0 failed, 9 missing" in (tmp_path / "site" / "index.html").read_text()
    assert "No run has left a record yet" in (tmp_path / "site" / "tiny" / "runs" / "index.html").read_text()
    assert "No board has a record yet" in (tmp_path / "site" / "tiny" / "leaderboard" / "index.html").read_text()


def test_a_damaged_file_is_refused_by_its_name(tmp_path: Path) -> None:
    store = fill(tmp_path / "runs")
    record = store.records("tiny", "toy")[-1]
    (store.root / "tiny" / f"{record.run_id}.curve.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(Refused, match=record.run_id):
        sites.write([toy()], get("tiny"), store, tmp_path / "site")


def test_a_summary_of_another_version_is_named(tmp_path: Path, store: Store) -> None:
    (tmp_path / "site" / "small" / "toy").mkdir(parents=True)
    (tmp_path / "site" / "small" / "toy" / "summary.json").write_text(json.dumps({"scale": "small"}))
    sites.write([toy()], get("tiny"), store, tmp_path / "site")
    assert "not shown: small/toy." in (tmp_path / "site" / "index.html").read_text()


# ---------------------------------------------------------------------------------------------------------- its parts


def test_blocks_hold_every_recipe_once() -> None:
    outcome = {(a, b, c): "no" if a == "x" and b == "2" else None for a in "xy" for b in "12" for c in "pq"}
    found = list(recipes.blocks([("x", "y"), ("1", "2"), ("p", "q")], outcome))
    assert [(b.values, b.refusal) for b in found] == [
        ((("x",), ("1",), ("p", "q")), None), ((("x",), ("2",), ("p", "q")), "no"), ((("y",), ("1", "2"), ("p", "q")), None)]
    told = [(a, b, c) for block in found for a in block.values[0] for b in block.values[1] for c in block.values[2]]
    assert sorted(told) == sorted(outcome)


def test_the_page_of_recipes_counts_what_the_matrix_holds(site: Path) -> None:
    from methods.matrix import product

    cells = list(product())
    text = (site / "recipes.html").read_text()
    assert f"Of {len(cells):,} recipes, {sum(c.refusal is None for c in cells):,} run" in text
    assert "projection of their gradients saves nothing" in text


def test_a_curve_is_drawn_thinned_and_what_stays_is_said() -> None:
    steps = 200
    columns: dict[str, list[object]] = {
        "step": [*range(steps), *range(steps), 0], "kind": ["train_loss"] * steps + ["active"] * steps + ["train_loss"],
        "layer": [None] * (2 * steps + 1), "value": [*(1 / (s + 1) for s in range(steps)), *[5.0] * steps, float("nan")]}
    found = curves.of(pa.table(columns))
    (loss,) = found.figures
    assert loss.svg.count(",") >= 50
    assert loss.svg.count("<polyline") == 1
    assert loss.note == "Means of 4 neighbouring steps."
    assert found.constant == ("Weights that move: 5 weights throughout",
                              "1 values of the curve are not numbers and are not drawn")
    assert svg.ticks(0.0, 10.0) == [0.0, 5.0, 10.0]
    assert [svg.shown(v) for v in (0.0, 250000.0, 1.5e6, -0.5, 1e-5)] == ["0", "250k", "1.5M", "−0.5", "1e−5"]
    assert "&lt;b&gt;" in svg.chart([svg.Line("l", np.array([0.0, 1.0]), np.array([1.0, 1.0]))], "x", "<b>", "about")


def test_samples_come_from_all_suites_in_turn_texts_first() -> None:
    n = 30
    table = pa.table({"suite": ["loss"] * n + ["choice"] * n + ["text"] * n, "item": [*range(n)] * 3,
                      "answer": [None] * 2 * n + ["a" * 5000] * n, "loglik": [None] * n + [[-1.0, -0.5]] * n + [None] * n,
                      "gold": [None] * n + [0] * n + [None] * n, "correct": [0.5] * n + [0.0] * n + [1.0] * n,
                      "nll": [0.5] * n + [None] * 2 * n, "tokens": [3] * 3 * n})
    found = samples.of(table)
    assert (found.total, {s.suite for s in found.shown}) == (90, {"text"})
    assert found.shown[0].written is not None
    assert "5,000 letters in all" in found.shown[0].written
    found = samples.of(table.slice(0, 61))
    assert [s.suite for s in found.shown] == ["text"] + ["choice"] * 19
    assert (found.shown[1].said, found.shown[1].wanted, found.shown[1].outcome) == (
        "The model finds option 2 of 2 likeliest.", "option 1", "wrong")
    (only,) = samples.of(table.slice(0, 1)).shown
    assert (only.said, only.outcome) == ("Loss of the wanted text: 0.5 nats over 3 tokens.", "")


@pytest.mark.parametrize("run_id", ["../../etc/passwd", "a b", ".hidden", "", "x" * 200, "a\ud800", "a/b"])
def test_a_page_has_a_plain_name_whatever_the_run_is_called(run_id: str) -> None:
    name = page_name(run_id)
    assert len(name) == 25
    assert name.removesuffix(".html").isalnum()
    assert page_name("01ab") == "01ab.html"


def test_writing_fails_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.html"
    files.write_text(page, "old")
    monkeypatch.setattr(Path, "replace", lambda self, to: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError):
        files.write_text(page, "new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("page.html", "old")]


def test_a_record_that_stands_for_two_arms_has_one_page(tmp_path: Path) -> None:
    store = fill(tmp_path / "runs")
    runs = [Run("toy", replace(a, name=name, label=name), 0, "tiny", 1, {"code": "c"})
            for name, a in (("one", ARMS[0]), ("two", ARMS[0]))]
    assert runs[0].id == runs[1].id
    store.write_index("tiny", "toy", runs)
    paper = replace(toy(), arms=lambda scale: tuple(r.arm for r in runs), tables=lambda scale: (), claims=lambda scale: ())
    sites.write([paper], get("tiny"), store, tmp_path / "site")
    text = (tmp_path / "site" / "tiny" / "runs" / page_name(runs[0].id)).read_text()
    assert "arm <code>one</code>" in text
    assert "arm <code>two</code>" in text


# ------------------------------------------------------------------------------------------------- a process beside


@pytest.mark.parametrize("apart", [False, True])
def test_work_beside_is_done_when_the_block_is_through(tmp_path: Path, apart: bool) -> None:
    with beside(lambda: (tmp_path / "pid").write_text(str(os.getpid())) and None, apart):
        pass
    assert ((tmp_path / "pid").read_text() == str(os.getpid())) != apart


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("error", [Refused("cannot do it; because so; use that"), OSError(28, "No space left on device")])
def test_what_fails_beside_fails_here(apart: bool, error: Exception) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error), match=str(error.args[-1])), beside(work, apart):
        pass


def test_a_process_beside_that_is_killed_is_a_sentence() -> None:
    with pytest.raises(Refused, match="ended too early"), beside(lambda: os.kill(os.getpid(), signal.SIGKILL), apart=True):
        pass


def test_a_block_that_fails_ends_the_process_beside(tmp_path: Path) -> None:
    with pytest.raises(KeyError), beside(lambda: time.sleep(600), apart=True):
        raise KeyError("block")
    assert multiprocessing.active_children() == []


def test_a_site_of_many_runs_is_the_same_site(site: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "MANY", 1)
    sites.write([toy()], get("tiny"), store, tmp_path / "site")
    mine = {p.relative_to(site): p.read_bytes() for p in site.rglob("*") if p.is_file()}
    assert mine == {p.relative_to(tmp_path / "site"): p.read_bytes() for p in (tmp_path / "site").rglob("*") if p.is_file()}
