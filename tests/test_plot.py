"""Figures: the same records give the same bytes, what is missing is said, nothing is drawn from nothing."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from repro import plot, plot_lines, traces
from repro.claims import FigureSpec, Line
from repro.evidence import Evidence
from repro.landscape import Panel, walk
from repro.papers.lisa.measures import LOSS
from tests.fake_study import Memory, fill
from tests.test_verdict import arm

ARMS = tuple(dataclasses.replace(arm(name, 0.1 * (i + 1), (0, 1, 2)), label=name) for i, name in enumerate("abc"))
LINES = (Line("a", "first"), Line("b", "second & <b>"))
CURVES = FigureSpec("curves", "Loss", "curves", LINES, y="loss (nats)")
SPECS = (CURVES, FigureSpec("norms", "Norms", "norms", LINES, x="layer"),
         FigureSpec("scan", "Scan", "scan", (Line("a", "m", 1.0), Line("b", "m", 2.0)), measure=LOSS, level=Line("c", "level")),
         FigureSpec("dots", "Dots", "dots", LINES, measure=LOSS, level=Line("c", "level"), x="difference"))


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence(fill(Memory(), ARMS, {"a": 1.0, "b": 1.5, "c": 0.8}, items=40), "lisa", "tiny", ARMS)


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.id)
def test_the_same_records_give_the_same_bytes(spec: FigureSpec, evidence: Evidence, tmp_path: Path) -> None:
    one, other = plot.draw(spec, evidence, tmp_path / "1"), plot.draw(spec, evidence, tmp_path / "2")
    assert [f.suffix for f in one.files] == [".png", ".svg"]
    for f, g in zip(one.files, other.files, strict=True):
        assert f.read_bytes() == g.read_bytes()
        assert f.stat().st_size > 1000
    assert one.files[0].read_bytes().startswith(b"\x89PNG")


def test_a_figure_is_drawn_again_only_when_its_numbers_change(evidence: Evidence, tmp_path: Path) -> None:
    svg = plot.draw(CURVES, evidence, tmp_path).files[1]
    svg.write_text("mark")
    plot.draw(CURVES, evidence, tmp_path)
    assert svg.read_text() == "mark"
    plot.draw(dataclasses.replace(CURVES, lines=LINES[:1]), evidence, tmp_path)
    assert svg.read_text() != "mark"


def test_what_is_missing_is_said(evidence: Evidence, tmp_path: Path) -> None:
    absent = Evidence(evidence.source, "lisa", "tiny", (*ARMS, dataclasses.replace(ARMS[0], name="d", base="other")))
    spec = dataclasses.replace(CURVES, lines=(*LINES, Line("d", "third")))
    assert "third: arm d has not been run" in plot.draw(spec, absent, tmp_path).caption
    nothing = plot.draw(dataclasses.replace(CURVES, id="none", lines=(Line("d", "third"),)), absent, tmp_path)
    assert nothing.files == ()
    assert not list(tmp_path.glob("none*"))


def test_a_line_counts_its_seeds_and_its_band_holds_them(evidence: Evidence) -> None:
    for trace in traces.of(dataclasses.replace(CURVES, kind="dev_loss"), evidence).found:
        assert trace.n == 3
        assert all(low <= y <= high for low, y, high in zip(trace.low, trace.y, trace.high, strict=True))


def test_differences_are_paired(evidence: Evidence) -> None:
    dots = {t.label: t for t in traces.of(SPECS[3], evidence).found}
    assert dots["first"].y[0] == pytest.approx(0.2, abs=0.02)
    assert dots["first"].high[0] - dots["first"].low[0] < 0.1


def test_norms_show_step_0_and_the_change(evidence: Evidence) -> None:
    found = traces.of(SPECS[1], evidence).found
    assert {t.part for t in found} == {"norm", "norm of the change at the end"}
    assert any("step 0" in t.label for t in found)
    assert found[0].x == ("embedding", "0", "1", "2", "3", "4", "5", "head")


def test_an_illustration_needs_no_records_and_is_drawn_again_only_when_its_paths_change(tmp_path: Path) -> None:
    nothing = Evidence(Memory(), "lisa", "tiny", ())
    paths = [walk("SGD", power, exact=True, steps=3) for power in (-4, -5)]
    spec = FigureSpec("toy", "Toy", "landscape", (), note="An illustration.", panels=lambda: (Panel("exact", (paths[0],)),))
    one, other = plot.draw(spec, nothing, tmp_path / "1"), plot.draw(spec, nothing, tmp_path / "2")
    assert one.caption == "An illustration."
    for f, g in zip(one.files, other.files, strict=True):
        assert f.read_bytes() == g.read_bytes()
    png = one.files[0]
    png.write_text("mark")
    plot.draw(spec, nothing, tmp_path / "1")
    assert png.read_text() == "mark"
    plot.draw(dataclasses.replace(spec, panels=lambda: (Panel("exact", tuple(paths)),)), nothing, tmp_path / "1")
    assert png.read_bytes().startswith(b"\x89PNG")


def test_curves_stand_against_steps_forward_passes_or_seconds(evidence: Evidence) -> None:
    lines = (dataclasses.replace(LINES[0], passes=2.0), LINES[1])
    spec = dataclasses.replace(CURVES, kind="dev_loss", lines=lines)
    by = {per: traces.of(dataclasses.replace(spec, per=per), evidence).found for per in ("step", "pass", "second")}
    steps = [t.x for t in by["step"]]
    assert [t.x for t in by["pass"]] == [tuple(2.0 * x for x in steps[0]), steps[1]]
    assert by["second"][0].x == pytest.approx([x * 2.0 / 40.0 for x in steps[0]])
    assert [t.y for t in by["pass"]] == [t.y for t in by["second"]] == [t.y for t in by["step"]]


def test_a_line_that_diverges_does_not_hide_the_others(evidence: Evidence, tmp_path: Path) -> None:
    spec = dataclasses.replace(CURVES, kind="dev_loss")
    plain = traces.of(spec, evidence).found
    assert plot_lines.top(spec, plain) is None
    wild = dataclasses.replace(plain[1], y=tuple(10.0**i for i in range(len(plain[1].y))))
    assert plot_lines.top(spec, (plain[0], wild)) == 2 * max(plain[0].y[0], 1.0)
    assert plot_lines.top(dataclasses.replace(spec, kind="lr"), (plain[0], wild)) is None
