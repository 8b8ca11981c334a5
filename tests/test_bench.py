"""The benches that are cheap enough run through: every contender finishes, and what they say is whole. No time is looked at."""
from __future__ import annotations

import math

from repro.bench_colm import bench_colm
from repro.bench_selection import K, agreements, contenders, features


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
