"""All figures of all papers, from the reference records: a method looks the same everywhere, nothing overlaps or is cut off."""
from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from repro import canvas, look, plot, plot_dots, plot_pareto
from repro.claims import FigureSpec
from repro.leaderboard import boards
from repro.papers import PAPERS
from repro.papers.lisa import memory_table
from repro.report import evidence_of
from repro.scales import get
from repro.store import Store
from tests.fake_study import Memory

REFERENCE = Path(plot.__file__).resolve().parent.parent / "results" / "reference"
there = pytest.mark.skipif(not (REFERENCE / "tiny" / "index" / "lisa.json").exists(), reason="no reference records yet")


@dataclass(frozen=True)
class Shown:
    """A figure as it is written; `spec` is None for a leaderboard's."""

    name: str
    spec: FigureSpec | None
    figure: Figure


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Shown]]:
    """Every figure at the tiny scale, made and laid out, not written; in its style also while it is looked at, for ticks are made
    anew."""
    with matplotlib.rc_context(look.STYLE):
        yield _every(tmp_path_factory.mktemp("figures"))


def _every(folder: Path) -> list[Shown]:
    store, scale, made = Store(REFERENCE), get("tiny"), list[Figure]()
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "write", lambda title, make, files: made.append(_placed(canvas.finished(title, make))))
        for paper in PAPERS.values():
            evidence = evidence_of(paper, scale, store)
            for spec in paper.figures("tiny"):
                plot.draw(spec, evidence, folder / paper.name)
                shown += [Shown(f"{paper.name} {spec.id}", spec, figure) for figure in made]
                made.clear()
        found = boards.of(list(PAPERS.values()), "tiny", store)
        style = plot_pareto.styles(found)
        for group, cost in itertools.product(dict.fromkeys(b.group for b in found), plot_pareto.AXES):
            plot_pareto.write([b for b in found if b.group == group], cost, style, f"{group}-{cost}", folder)
            shown += [Shown(f"{group} {cost}", None, figure) for figure in made]
            made.clear()
    return shown


def _placed(figure: Figure) -> Figure:
    """With its legends' texts in their places, which they take in drawing."""
    figure.draw_without_rendering()
    return figure


def _drawn(figure: Figure) -> Iterator[tuple[Any, str, Any]]:
    """(axes, label, line) of all that has a label."""
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            line = handle[0] if isinstance(handle, tuple) else handle
            if isinstance(line, matplotlib.lines.Line2D):
                yield axes, label, line


def _look(line: Any) -> tuple[str, str, str]:
    return matplotlib.colors.to_hex(line.get_color()), str(line._dash_pattern), str(line.get_marker())


@there
def test_there_are_figures_of_every_paper_and_of_the_leaderboard(figures: list[Shown]) -> None:
    assert {s.name.partition(" ")[0] for s in figures} >= set(PAPERS)
    assert sum(s.spec is None for s in figures) >= 2
    drawn = {s.spec.draws for s in figures if s.spec is not None}
    assert drawn >= {"curves", "norms", "scan", "dots", "speed", "landscape", "reliability", "wrong", "coverage", "matrix",
                     "radar", "growth", "stacks", "peaks"}


@there
def test_no_two_lines_of_a_figure_look_the_same(figures: list[Shown]) -> None:
    for shown in figures:
        by_axes: dict[Any, dict[str, tuple[str, str, str]]] = {}
        for axes, label, line in _drawn(shown.figure):
            by_axes.setdefault(axes, {})[label] = _look(line)
        for of in by_axes.values():
            assert len(set(of.values())) == len(of), (shown.name, of)


@there
def test_a_method_is_drawn_as_the_table_says_in_every_figure(figures: list[Shown]) -> None:
    seen = set()
    for shown in figures:
        if shown.spec is None or shown.spec.draws == "matrix":
            continue
        for line in shown.spec.lines:
            method = look.canonical(line.method or line.arm)
            assert method in look.TABLE, f"{method} of {shown.name} has no look of its own"
            for label, drawn in ((of, d) for _, of, d in _drawn(shown.figure) if of.partition(" (n")[0] == line.label):
                assert matplotlib.colors.to_hex(drawn.get_color()) == look.TABLE[method].colour.lower(), (shown.name, label)
                assert drawn.get_marker() == look.TABLE[method].marker, (shown.name, label)
                seen.add(method)
    assert len(seen) > 20


@there
def test_controls_are_hollow_and_methods_are_not(figures: list[Shown]) -> None:
    lines = [line for shown in figures if shown.spec and shown.spec.draws == "dots" for line in shown.spec.lines]
    assert {line.group for line in lines} >= {"method", "control"}
    for line in lines:
        of = look.looks([line.arm])[line.arm]
        assert of.control == (line.group == "control"), line.arm
        assert (of.face == "white") == of.control


@there
def test_nothing_is_cut_off_overlaps_or_hides_data(figures: list[Shown]) -> None:
    for shown in figures:
        assert _troubles(shown.figure) == [], shown.name
        assert shown.figure.get_figwidth() <= canvas.WIDTH, f"{shown.name} would be scaled down where it is read"
    assert sum(len(_legends(shown.figure)) for shown in figures) > 20


def _troubles(figure: Figure) -> list[str]:
    box, (wide, high) = figure.get_tightbbox(), figure.get_size_inches()
    cut = min(box.x0, box.y0) < -0.01 or box.x1 > wide + 0.01 or box.y1 > high + 0.01
    data = [axes.patch.get_window_extent() for axes in figure.axes if axes.get_visible()]
    over = [legend for legend in _legends(figure) if any(legend.get_window_extent().overlaps(of) for of in data)]
    boxes = [(text, text.get_window_extent().padded(-1.0)) for text in _texts(figure)]
    pairs = [(one, other) for (one, a), (other, b) in itertools.combinations(boxes, 2) if a.overlaps(b)]
    return [*["something is cut off"] * bool(cut), *["a legend lies over data"] * bool(over),
            *(f"{one.get_text()!r} over {other.get_text()!r}" for one, other in pairs
              if not (one.get_rotation() % 90 and other.get_rotation() % 90))]  # slanted text is smaller than its box


@there
def test_the_words_of_an_axis_are_no_longer_than_it(figures: list[Shown]) -> None:
    for shown in figures:
        for axes in (a for a in shown.figure.axes if a.get_visible() and a.get_ylabel()):
            label, lines = axes.yaxis.label, axes.get_ylabel().split("\n")
            assert label.get_window_extent().height <= 1.03 * axes.get_window_extent().height, (shown.name, lines)
            assert len(lines) == 1 or len(lines[-1]) > 3, (shown.name, lines)


@there
def test_no_marker_hides_its_interval(figures: list[Shown]) -> None:
    """The ends of an interval are taller than the marker, so that they are seen even where they lie within it."""
    dots = [axes for s in figures if s.spec is not None and s.spec.draws == "dots" for axes in s.figure.axes]
    found = [(c.lines[0], cap) for axes in dots for c in axes.containers for cap in c.lines[1]]
    assert len(found) > 20
    assert all(cap.get_markersize() > line.get_markersize() + 2 for line, cap in found)


@there
def test_baselines_are_half_filled(figures: list[Shown]) -> None:
    found = {f"{s.name} {line.arm}" for s in figures if s.spec for line in s.spec.lines if line.group == "baseline"}
    assert found >= {"colm methods-and-controls random-2x", "colm methods-and-controls random-4x"}
    half = [line for s in figures for axes in s.figure.axes for line in axes.lines if line.get_fillstyle() == "left"]
    assert len(half) == len(found)
    for s in figures:
        groups = {line.group for line in s.spec.lines} if s.spec and s.spec.draws == "dots" else set()
        if "baseline" in groups:
            assert {text.get_text() for text in s.figure.legends[0].get_texts()} >= {"method", "baseline", "control"}


@there
def test_speed_shows_what_is_claimed_and_what_is_tested(figures: list[Shown]) -> None:
    (shown,) = [s for s in figures if s.spec is not None and s.spec.draws == "speed"]
    axes = shown.figure.axes[0]
    levels = {round(float(line.get_ydata()[0]), 9) for line in axes.lines if len(set(line.get_ydata())) == 1}
    assert levels >= {20.0, 5.0}
    assert [t.get_text() for t in axes.texts] == ["claimed: up to 20x", "tested (C1): 5x"]
    assert axes.get_ylim()[1] > 20
    assert shown.spec is not None
    assert "zo-sign" in {line.arm for line in shown.spec.lines}


@there
@pytest.mark.parametrize("name", ["lisa figure-8", "lisa figure-9", "lisa figure-10"])
def test_lines_over_each_other_are_shown_apart_below(figures: list[Shown], name: str) -> None:
    (shown,) = [s for s in figures if s.name == name]
    above, below = shown.figure.axes
    lines = [line for line in above.lines if not line.get_label().startswith("_")]
    assert len(lines) == len(below.lines) == 3
    for line, apart in zip(lines, below.lines, strict=True):
        assert np.allclose(apart.get_ydata(), np.subtract(line.get_ydata(), lines[0].get_ydata()))
        assert _look(line) == _look(apart)
    most = max(np.abs(line.get_ydata()).max() for line in below.lines)
    assert np.ptp(below.get_ylim()) < 3 * most < np.ptp(above.get_ylim())


def test_the_legends_word_for_the_least_memory_is_that_of_the_table_and_is_explained(figures: list[Shown]) -> None:
    table = memory_table.table_1()
    for spec in (s for s in memory_table.figures() if s.id in ("figure-3", "table-1")):
        (shown,) = [s for s in figures if s.name == f"lisa {spec.id}"]
        words = {text.get_text() for text in shown.figure.legends[0].get_texts()}
        assert plot_dots.LEAST in words
        assert any(plot_dots.LEAST in column.label for column in table.columns)
        assert f"{plot_dots.LEAST.capitalize()}: " in spec.note
        assert "eager attention" in spec.note
        assert "PyTorch's own" in spec.note


def test_what_is_cut_off_or_overlaps_is_found() -> None:
    def bad(fault: str) -> Figure:
        figure, ((axes,),) = canvas.new(2.0, legend=["a line"])
        axes.plot([1, 2], label="a line")
        if fault == "legend":
            axes.legend()
        else:
            canvas.legend(figure, canvas.labelled([axes]))
        axes.text(0.0, 1.5, "one")
        axes.text(0.01 if fault == "texts" else 0.6, 1.5, "other")
        if fault == "cut":
            axes.text(1.0, 1.5, "text that goes on " * 5).set_in_layout(False)
        return _placed(canvas.finished("title", lambda: figure))

    assert [_troubles(bad(fault)) for fault in ("", "legend", "texts")] == [
        [], ["a legend lies over data"], ["'one' over 'other'"]]
    figure = bad("cut")
    figure.axes[0].texts[-1].set_in_layout(True)
    assert _troubles(figure)[0] == "something is cut off"


def _legends(figure: Figure) -> list[Any]:
    return [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]


def _texts(figure: Figure) -> Iterator[Text]:
    """All text that is seen: a tick's where it is within its axis."""
    if figure._suptitle is not None:
        yield figure._suptitle
    for axes in (a for a in figure.axes if a.get_visible()):
        yield from (t for t in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts) if t.get_text())
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            yield from (t.label1 for t in axis.get_major_ticks()
                        if t.label1.get_visible() and t.label1.get_text() and low <= t.get_loc() <= high)
    for legend in _legends(figure):
        yield from legend.get_texts()


@there
def test_the_papers_points_are_hollow_black_diamonds_in_every_figure_that_has_some(figures: list[Shown]) -> None:
    found = [(s.name, line) for s in figures for _, label, line in _drawn(s.figure) if label == "paper"]
    assert {name for name, _ in found} == {"lisa figure-3", "lisa table-1", "helene figure-peaks", "colm figure-3a-memory"}
    for _, line in found:
        assert (line.get_marker(), line.get_markeredgecolor(), line.get_linestyle()) == ("D", "#000000", "None")
    assert all(s.spec and "Diamonds:" in s.spec.note for s in figures if s.name in dict(found))


# ------------------------------------------------------------------------------------------------------- the table of looks


def test_no_two_methods_of_the_table_share_colour_and_marker_and_none_looks_like_a_papers_point() -> None:
    points = [(of.colour, of.marker) for of in look.TABLE.values()]
    assert len(set(points)) == len(points)
    assert (look.BLACK, "D") not in points
    assert set(look.TABLE) >= look.CONTROLS
    assert set(look.SAME.values()) <= set(look.TABLE)
    assert {of.line for of in look.TABLE.values()} <= set(look.LINES)


@pytest.mark.parametrize(("name", "same"), [("ft", "full"), ("helene@rte-512", "helene"), ("mezo@rte-512/lora", "mezo/lora"),
                                            ("kl|ensemble of 3", "kl|ensemble"), ("lora|member at 2", "lora"), ("LISA", "lisa")])
def test_where_a_method_was_run_does_not_change_how_it_is_drawn(name: str, same: str) -> None:
    assert look.looks([name])[name] == look.TABLE[same]


def test_a_method_that_is_not_in_the_table_is_drawn_by_its_name_alone() -> None:
    names = [f"model {i}" for i in range(60)]
    found = look.looks([*names, "lisa"])
    assert found == look.looks(["lisa", *reversed(names)])
    assert len({(of.colour, of.marker, of.line) for of in found.values()}) == len(found)
    assert found["lisa"] == look.TABLE["lisa"]
    alone = [look.looks([name])[name] for name in names]
    assert len({of.colour for of in alone}) > 5
    assert not {(of.colour, of.marker) for of in alone} & {(of.colour, of.marker) for of in look.TABLE.values()}


def test_unknown_methods_keep_off_colours_in_use_while_there_are_others() -> None:
    for name in (f"model {i}" for i in range(40)):
        assert look.looks([name, "lisa", "full"])[name].colour not in (look.VERMILION, look.BLACK)


def test_a_variant_that_is_not_in_the_table_has_its_methods_colour() -> None:
    found = look.looks(["lisa-by-norm", "lisa-bernoulli", "lisa", "colm-l2", "head|logits", "lora-embeddings-small"])
    assert found["lisa-by-norm"].colour == found["lisa-bernoulli"].colour == look.VERMILION
    assert found["colm-l2"].colour == look.SKY
    assert found["lora-embeddings-small"].colour == look.BLUE
    assert len({(of.colour, of.marker, of.line) for of in found.values()}) == len(found)
    assert look.looks(["lisabon"])["lisabon"].marker != look.TABLE["lisa"].marker


VISION = {"all cones": np.eye(3),
          "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                                  [-0.003882, -0.048116, 1.051998]]),
          "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                                    [-0.011820, 0.042940, 0.968881]]),
          "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                                  [0.004733, 0.691367, 0.303900]])}
"""How linear red, green and blue are seen (Machado, Oliveira and Fernandes 2009, severity 1)."""
APART = 15.0
"""In CIELAB, where 2.3 is a difference that is just seen."""


def _seen(colour: str, vision: str) -> Any:
    """L*, a*, b* (D65) of a colour as it is seen."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(
        VISION[vision] @ linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_colours_can_be_told_apart_by_colour_blind_readers(vision: str) -> None:
    for one, other in itertools.combinations(look.COLOURS, 2):
        assert np.linalg.norm(_seen(one, vision) - _seen(other, vision)) > APART, (one, other)


def test_the_measure_of_colours_finds_a_pair_that_is_not_safe() -> None:
    red, green = "#C03A2B", "#6E7F1E"
    assert np.linalg.norm(_seen(red, "all cones") - _seen(green, "all cones")) > 50
    assert np.linalg.norm(_seen(red, "deuteranopia") - _seen(green, "deuteranopia")) < APART


# ----------------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("spec", memory_table.figures(), ids=lambda s: s.id)
def test_counted_figures_are_the_same_bytes_each_time(spec: FigureSpec, tmp_path: Path) -> None:
    nothing = plot.Evidence(Memory(), "lisa", "tiny", ())
    one, other = (plot.draw(spec, nothing, tmp_path / name) for name in ("1", "2"))
    assert [f.suffix for f in one.files] == [".png", ".svg"]
    assert [f.read_bytes() for f in one.files] == [f.read_bytes() for f in other.files]


def test_a_figure_is_laid_out_once_for_all_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    times, plain = [], ConstrainedLayoutEngine.execute
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda self, figure: (times.append(1), plain(self, figure)))
    canvas.write("title", lambda: canvas.new(2.0)[0], canvas.files_of(tmp_path, "x"))
    assert len(times) == 1
    assert sorted(f.name for f in tmp_path.iterdir()) == ["x.png", "x.svg"]


@pytest.mark.parametrize(("labels", "most"), [(["a"], 1), (["a", "b"], 2), (["x" * 60, "b", "c"], 1), (["a b"] * 5, 5), ([], 1)])
def test_a_legend_has_as_many_columns_as_stand_beside_each_other(labels: list[str], most: int) -> None:
    assert canvas.columns(canvas.WIDTH, labels) == most
