"""The ensemble's bench runs through at a tiny size, and says whether members agree. No time is looked at."""
from __future__ import annotations

import math

import pytest

from repro.bench_ensemble import LOOP, MIXED, OURS, PLAIN, Setting, bench_ensemble
from repro.commands.measuring import show_bench
from tests.toys import toy_llama


@pytest.mark.parametrize("everywhere", [False, True])
def test_every_contender_runs_and_gives_the_same(everywhere: bool, capsys: pytest.CaptureFixture[str]) -> None:
    found = bench_ensemble(3, {"toy": Setting(lambda: toy_llama().eval(), (1, 2), everywhere)}, (1, 3))
    cases = [f"toy, {kind}, batch {batch}" for kind in ("scoring", "decoding") for batch in (1, 3)]
    assert [row["name"] for row in found["rows"]] == [f"{case}: {way}" for case in cases for way in (OURS, LOOP, MIXED, PLAIN)]
    assert all(0 < row["ratio"] < math.inf and row["flop_bound_to_one_pass"] >= 1 for row in found["rows"])
    assert list(found["equal"]) == [f"{case}: {OURS} = {way}" for case in cases for way in (LOOP, MIXED)]
    assert all(found["equal"].values())
    assert sum("at least" in limit["what"] for limit in found["limits"]) == 2
    assert ["peak extra bytes" in line for line in found["phases"]] == [True, False, True, False]
    show_bench(found)
    assert "equal" in capsys.readouterr().out
