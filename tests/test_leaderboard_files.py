"""The leaderboard's files, figures and command: each number with its n, the same bytes again, nothing a run said unescaped."""
from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import pandas as pd
import pytest

from methods.parts import Refused
from repro import canvas, look, plot_pareto
from repro.__main__ import main
from repro.leaderboard import boards, export, peft
from repro.leaderboard.sparing import Sparing
from repro.leaderboard.write import write
from repro.papers import PAPERS
from repro.scales import get
from repro.store import Store
from repro.study import Record
from tests.fake_study import Memory
from tests.leaderboard_toys import Study, arm, board

LEVELS = {"good": 0.9, "same": 0.9, "bad": 0.5}
COST = {"good": {"state_bytes_peak": 2.0**23}, "same": {"state_bytes_peak": 0.0}, "bad": {"state_bytes_peak": 2.0**23}}
STUDY = Study(LEVELS, [arm("good"), arm("same", 2.0, label="<script>same</script>"), arm("bad", 3.0)], cost=COST,
              failed=frozenset({("bad", 1)}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("board")
    (group,) = write([STUDY.paper()], get("tiny"), STUDY.fill(Memory()), out)
    assert len(group.boards) == 1
    return out


def test_half_a_character_in_an_error_harms_no_format(tmp_path: Path) -> None:
    class Spoiled(Memory):
        def records(self, scale: str, paper: str) -> list[Record]:
            return [replace(r, error="became \ud800 nan" if r.error else None) for r in super().records(scale, paper)]

    write([STUDY.paper()], get("tiny"), STUDY.fill(Spoiled()), tmp_path)
    for ending in ("md", "json"):
        assert "ud800" not in (tmp_path / f"leaderboard.{ending}").read_text(encoding="utf-8")
    assert "became \ufffd nan" in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")


def test_csv_and_parquet_hold_the_same_rows_with_n_and_error(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "leaderboard.csv").read_text())))
    frame = pd.read_parquet(folder / "leaderboard.parquet")
    assert list(frame.columns) == list(rows[0])
    assert {str(t) for t in frame.dtypes} <= {"string", "Int64", "Float64", "boolean"}
    assert [r["method"] for r in rows] == frame["method"].tolist()
    for row, mean in zip(rows, frame["mean"], strict=True):
        assert float(row["mean"]) == mean
        assert float(row["stderr"]) > 0
        assert (int(row["items"]), row["arms"][:4]) == (80, "toy/")
        assert (row["train_s"] == "") == (row["train_s_n"] == "")
    assert {r["method"]: r["seeds"] for r in rows}["Bad"] == "2"


def test_markdown_and_latex_hold_every_method_with_its_sizes(folder: Path) -> None:
    text, tex = (folder / "leaderboard.md").read_text(), (folder / "leaderboard.tex").read_text()
    for words in ("(3 × 80)", "(2 × 80)", "1–2", "failed: Bad (seed 1"):
        assert words in text
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == 1
    assert r"3 $\times$ 80" in tex


def test_json_holds_every_test_of_a_pair(folder: Path) -> None:
    (found,) = json.loads((folder / "leaderboard.json").read_text())
    assert found["measure"] == {"label": "tiny-world MMLU", "unit": "%", "higher_is_better": True, "column": "correct"}
    assert len(found["pairs"]) == 3
    assert all(p["n_seeds"] >= 2 and p["n_items"] == 80 and 0 <= p["p_holm"] <= 1 for p in found["pairs"])
    assert {(p["first"], p["second"]) for p in found["pairs"] if p["differs"]} == {
        (m, "Bad") for m in ("Good", "<script>same</script>")}
    assert found["troubles"] == [{"label": "Bad", "kind": "failed", "why": "seed 1: Diverged: the loss <b>became</b> nan"}]


def test_writing_again_changes_no_file(folder: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    write([STUDY.paper()], get("tiny"), STUDY.fill(Memory()), folder)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == before


def test_without_a_record_nothing_is_written(tmp_path: Path) -> None:
    assert write([STUDY.paper()], get("tiny"), Memory(), tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------ PEFT's layout

RUN_INFO = {"created_at", "total_time", "experiment_name", "peft_branch", "train_config", "peft_config", "error_msg"}
TRAIN_CONFIG = {"model_id", "dtype", "max_seq_length", "batch_size", "batch_size_eval", "max_steps", "eval_steps", "compile",
                "query_template", "seed", "grad_norm_clip", "optimizer_type", "optimizer_kwargs", "lr_scheduler", "use_amp",
                "autocast_adapter_dtype", "generation_kwargs", "attn_implementation"}
TRAIN_INFO = {"accelerator_memory_reserved_avg", "accelerator_memory_max", "accelerator_memory_reserved_99th", "train_time",
              "file_size", "num_trainable_params", "num_total_params", "status", "metrics"}
META_INFO = {"model_info", "dataset_info", "package_info", "system_info", "pytorch_info"}


def test_peft_files_have_its_keys_and_null_where_nothing_is_known(folder: Path) -> None:
    files = sorted((folder / "peft").glob("*.json"))
    assert len(files) == 9
    values = json.loads((folder / "peft" / "toy--good--seed-2.json").read_text())
    assert set(values) == {"run_info", "train_info", "meta_info"}
    run, train, meta = values["run_info"], values["train_info"], values["meta_info"]
    assert (set(run), set(run["train_config"]), set(train), set(meta)) == (RUN_INFO, TRAIN_CONFIG, TRAIN_INFO, META_INFO)
    assert (run["experiment_name"], run["peft_config"], run["created_at"]) == ("toy/good-seed-2", None, None)
    config = run["train_config"]
    assert (config["seed"], config["max_steps"], config["optimizer_type"]) == (2, 10, "AdamW")
    assert (train["status"], train["train_time"], train["num_trainable_params"], train["file_size"]) == ("success", 8.0, 5, None)
    assert train["metrics"] == [{"step": 10, "test accuracy": 0.5, "train loss": 1.5, "train samples": 40,
                                 "train total tokens": 99, "test tiny-world mmlu acc": 0.5}]
    assert list(meta["dataset_info"]) == ["tiny-world alpaca-gpt4"]
    assert meta["package_info"]["torch-version"] == "0"
    assert meta["package_info"]["peft-version"] is None


def test_a_failed_run_says_so_in_peft_s_words(folder: Path) -> None:
    values = json.loads((folder / "peft" / "toy--bad--seed-1.json").read_text())
    assert (values["train_info"]["status"], values["train_info"]["metrics"]) == ("failed", [])
    assert values["run_info"]["error_msg"] == "Diverged: the loss <b>became</b> nan"


def test_a_lora_bears_peft_s_names() -> None:
    reference = Store(Path(export.__file__).resolve().parents[2] / "results" / "reference")
    record = next(r for r in Sparing(reference, frozenset({"lora"})).records("tiny", "lisa") if r.status == "done")
    config = peft.of(record, "embedded", reference.curve(record.run_id))["run_info"]["peft_config"]
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 8, 16.0)
    assert {"lora_dropout", "target_modules", "init_lora_weights", "base_model_name_or_path"} <= set(config)


# ------------------------------------------------------------------------------------------------------------ figures


def test_markers_stand_at_their_cost_unless_they_would_hide_each_other() -> None:
    step = plot_pareto.STEP
    places = [(50.0, 0.0, 9.0, False), (10.0, 0.0, 9.0, False), (50.0, 3.0, 12.0, True), (50.0, 20.0, 30.0, False),
              (51.0, 0.0, 9.0, False)]
    moved = plot_pareto.aside(places)
    assert moved[:4] == [step, 0.0, 0.0, 0.0]
    assert moved[4] == 2 * step
    assert plot_pareto.aside([(5.0, 0.0, 9.0, False)] * 4) == [0.0, step, 2 * step, 3 * step]


def test_points_of_one_cost_are_joined_to_it_and_the_front_meets_its_markers() -> None:
    levels = {f"m{i}": 0.6 + 0.001 * i for i in range(9)}
    cost = {m: {"state_bytes_peak": 147_552.0} for m in levels} | {"before": {}}
    base = replace(arm("before", seeds=(0,)), stages=())
    found = board(Study({**levels, "before": 0.598}, [*Study(levels).arms, base], cost=cost))
    of = plot_pareto.panel(found, "optimizer state")
    with matplotlib.rc_context(look.STYLE):
        figure = canvas.finished("t", lambda: plot_pareto.figure([of], "optimizer state", plot_pareto.styles([found])))
    (axes,) = [a for a in figure.axes if a.get_visible()]
    figure.draw_without_rendering()
    at = 147_552 / 2**20
    assert {round(p.cost[1], 9) for p in of.points} == {round(at, 9)}
    ticks = [line for line in axes.lines if line.get_marker() == "|"]
    assert len(ticks) == len(axes.texts) == 8
    assert {float(line.get_xdata()[0]) for line in ticks} == {at}
    assert {text.xy[0] for text in axes.texts} == {at}
    (front,) = [line for line in axes.lines if line.get_label() == plot_pareto.FRONT]
    for x, p in ((0.0, of.before), (at, of.points[0])):
        assert p is not None
        assert p.front
        assert (x, pytest.approx(p.mean)) in list(zip(*map(list, front.get_data()), strict=True))
        marker = next(c.lines[0] for c in axes.containers if c.lines[0].get_ydata()[0] == p.mean)
        shown = marker.get_transform().transform((p.cost[1], p.mean))
        assert shown == pytest.approx(axes.transData.transform((x, p.mean)), abs=1e-6)


@pytest.mark.parametrize("factor", [2.0, 90.0])
def test_no_axis_of_cost_begins_far_below_0(factor: float) -> None:
    cost = {m: {"state_bytes_peak": 0.0 if m == "bad" else factor**i} for i, m in enumerate(LEVELS)}
    found = board(Study(LEVELS, cost=cost))
    of = plot_pareto.panel(found, "optimizer state")
    axes = plot_pareto.figure([of], "optimizer state", plot_pareto.styles([found])).axes[0]
    assert (axes.get_xscale() == "linear") == (factor < plot_pareto.WIDE)
    (at, _), _ = (axes.transScale + axes.transLimits).transform([(0.0, 50.0), (1.0, 50.0)])
    assert 0.005 < at < 0.1


def test_a_stand_in_is_named_as_one_in_every_format(folder: Path) -> None:
    for ending in ("md", "tex", "json", "csv"):
        text = (folder / f"leaderboard.{ending}").read_text()
        for words in ("embedded model in place of TinyLlama", "tiny-world alpaca-gpt4", "tiny-world MMLU"):
            assert words in text, (ending, words)
    (group,) = write([STUDY.paper()], get("tiny"), STUDY.fill(Memory()), folder)
    assert group.title == "embedded model in place of TinyLlama, trained on tiny-world alpaca-gpt4"
    found = board(STUDY)
    assert plot_pareto.panel(found, "time").title.startswith("tiny-world MMLU (%)")
    real = replace(found, contest=replace(found.contest, scale="paper"))
    assert (real.setting, real.title.partition(",")[0]) == ("tinyllama, trained on alpaca-gpt4", "MMLU (%)")


def test_the_passes_of_scoring_have_a_column_where_ensembles_are() -> None:
    reference = Store(Path(export.__file__).resolve().parents[2] / "results" / "reference")
    found = boards.of([PAPERS["lora_ensembles"]], "tiny", reference)
    made = export.to_table(found[0])
    at = made.header.index(export.SCORING)
    assert {row[at] for row in made.rows if "ensemble of 5" in str(row[1])} == {"5"}
    assert {row[at] for row in made.rows if "ensemble of 5" not in str(row[1])} == {"1"}
    assert export.SCORING not in export.to_table(board(STUDY)).header


def test_a_method_keeps_its_colour_on_every_board() -> None:
    first = board(STUDY)
    again = board(Study({"bad": 0.9, "good": 0.1}, [arm("bad"), arm("good", 2.0)]))
    style = plot_pareto.styles([first, again])
    assert len({(look.colour, look.marker) for look in style.values()}) == len(style) == 3
    assert style == plot_pareto.styles([again, first])


@pytest.mark.parametrize("cost", ["optimizer state", "time"])
def test_every_point_and_interval_lies_within_its_axes_and_the_legend_outside(cost: plot_pareto.Cost) -> None:
    levels = {f"m{i}": 0.5 + 0.03 * i for i in range(10)}
    bytes_of = {m: {"state_bytes_peak": float(i % 3) * 2.0**20, "train_s": 1.0 + 100 * (i % 2)} for i, m in enumerate(levels)}
    found = board(Study(levels, cost=bytes_of))
    of = plot_pareto.panel(found, cost)
    with matplotlib.rc_context(look.STYLE):
        figure = canvas.finished("title", lambda: plot_pareto.figure([of], cost, plot_pareto.styles([found])))
        (axes,) = [a for a in figure.axes if a.get_visible()]
        box = axes.get_window_extent()
        marks = list(axes.containers)
        assert len(marks) == 10
        for mark in marks:
            drawn = mark.lines[0].get_window_extent()
            assert box.x0 <= drawn.x0 <= drawn.x1 <= box.x1
        assert all(axes.get_ylim()[0] < p.low <= p.high < axes.get_ylim()[1] for p in of.points)
        assert not figure.legends[0].get_window_extent().overlaps(box)
        assert "MiB" in axes.get_xlabel() or "(s)" in axes.get_xlabel()


# -------------------------------------------------------------------------------------------------------- the command


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["repro", "leaderboard", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_reference_has_its_boards(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--reference", "--suite", "glue:sst2", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["id"].startswith("tinyllama--sst2-512--glue-sst2")
    ranked = [m for m in found["methods"] if m["rank_best"] is not None]
    assert len(ranked) >= 2
    assert all(m["seeds"] >= 2 and m["items"] > 0 and m["stderr"] > 0 for m in ranked)
    shared = {(a["method"], b["method"]) for a in ranked for b in ranked if set(a["letters"]) & set(b["letters"])}
    assert all(((p["first"], p["second"]) in shared) != p["differs"] for p in found["pairs"])


def test_the_table_names_every_method_and_how_it_is_read(monkeypatch: pytest.MonkeyPatch,
                                                         capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--reference", "--suite", "glue:rte") == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in ("RTE (%)", "HELENE", "MeZO", "not trained", "(3 × 200)", "share a letter when they cannot be told apart"):
        assert words in out


def test_bad_input_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(monkeypatch, "--reference", "--suite", "chess") == 2
    assert "cannot use --suite chess; because" in capsys.readouterr().err
    assert call(monkeypatch, "--out", str(tmp_path)) == 2
    assert "holds no run of a method at scale tiny" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------- growth


def test_only_core_arms_are_read(tmp_path: Path) -> None:
    """A broken record of an ablation is never opened; one of a core arm is refused."""
    from repro.study import Run

    store = Store(tmp_path)
    arms = [arm("good"), arm("ablation", 2.0, core=False)]
    study = Study({"good": 0.9, "ablation": 0.5}, arms)
    study.fill(store)  # type: ignore[arg-type]
    runs = [Run("toy", a, s, "tiny", 1, study.pins) for a in arms for s in a.seeds]
    store.write_index("tiny", "toy", runs)
    (tmp_path / "tiny" / f"{runs[3].id}.json").write_text("broken")
    assert len(boards.of([study.paper()], "tiny", store)) == 1
    (tmp_path / "tiny" / f"{runs[0].id}.json").write_text("broken")
    with pytest.raises(Refused, match="cannot read the record"):
        boards.of([study.paper()], "tiny", store)


def test_every_paper_has_a_board_in_the_reference() -> None:
    found = boards.of(PAPERS.values(), "tiny", Store(Path(export.__file__).resolve().parents[2] / "results" / "reference"))
    papers = {name.partition("/")[0] for b in found for s in b.ranked for name in s.entrant.names}
    assert papers == set(PAPERS)
    assert len({b.id for b in found}) == len(found)
