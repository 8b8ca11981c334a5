"""The benches that are cheap enough run through: every contender finishes, and what they say is whole. No time is looked at."""
from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from methods import papers
from methods.parts import Refused
from repro.bench_colm import bench_colm
from repro.bench_selection import K, agreements, contenders, features
from repro.bench_shapes import Case, bench, bench_phi, lisa, measured, opt, phi
from repro.commands.measuring import show_shapes
from repro.shapes import Shapes


def test_a_colm_step_is_told_by_phase_under_full_tuning_and_lora() -> None:
    found = bench_colm(rounds=2)
    assert [limit["at"].partition(",")[0] for limit in found["limits"]] == ["full", "LoRA"]
    assert all(0 < limit["ratio"] < 1 and math.isfinite(limit["ratio"]) for limit in found["limits"])
    assert all("passes" in line for line in found["phases"])


def test_every_facility_location_picks_as_many_and_ours_agree() -> None:
    points = features(128, 64)
    picks = {name: pick(points) for name, pick in contenders().items()}
    assert all(len(set(found)) == K for found in picks.values())
    assert all(agreements(points, picks).values())


TOYS = {"opt": Shapes("toy OPT", "opt", 32, 64, 2, 4, 64, 64, "ours"),
        "phi": Shapes("toy Phi", "phi", 32, 64, 2, 2, 64, 64, "ours"),
        "llama": Shapes("toy Llama", "llama", 32, 64, 4, 2, 64, 64, "ours")}


@pytest.mark.parametrize(("kind", "cases"), [("opt", opt()), ("phi", phi())])
def test_every_case_at_a_papers_shapes_takes_its_steps(kind: str, cases: list[Case], capsys: pytest.CaptureFixture[str]) -> None:
    small = [replace(case, batch=max(2, case.batch // 16), micro_batch=case.micro_batch and 2) for case in cases]
    found = bench(TOYS[kind], small, 24, 2, device="cpu")
    assert [row["name"] for row in found["rows"]] == [case.name for case in cases]
    assert all(row["step_s"] > 0 and row["peak_bytes"] is None for row in found["rows"])
    assert all(0 < row["selecting_s"] < row["step_s"] for row in found["rows"])
    assert all(row["bound_s"] == row["operations"] / found["matrix_rates"][row["precision"]] for row in found["rows"])
    assert all(row["step_over_bound"] > 1 for row in found["rows"] if row["precision"] == "fp32"), "a CPU's bf16 has no one rate"
    width = {case.precision: 2 if case.precision == "bf16" else 4 for case in cases}
    assert all(row["weight_bytes"] % width[row["precision"]] == 0 for row in found["rows"])
    show_shapes(found)
    assert "–" in capsys.readouterr().out


def test_lisas_table_is_measured_beside_what_was_simulated() -> None:
    cases = [replace(c, predicted_bytes=100) for c in lisa(TOYS["llama"])]
    found = bench(TOYS["llama"], cases, 24, 2, device="cpu")
    assert [row["name"] for row in found["rows"]][:2] == ["full", "LoRA r 128"]
    for row in found["rows"]:
        assert row["predicted_bytes"] == 100
        assert {"switch", "selection", "gradient", "forward", "update"} == set(row["phases_s"])
        assert row["phases_s"]["forward"] < row["phases_s"]["gradient"]
        assert row["tokens_per_s"] > 0


def test_a_case_that_does_not_fit_is_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr("repro.bench_shapes.timed", full)
    assert measured(TOYS["opt"], Case("a", papers.mezo(1e-3), 2, "fp32"), 8, 1, "cpu")["missing"] == "out of memory"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_papers_shapes_are_refused_in_a_sentence() -> None:
    with pytest.raises(Refused, match="cannot measure Phi-2's shapes here; because PyTorch finds no CUDA device"):
        bench_phi()
