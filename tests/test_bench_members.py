"""The cost of members at a paper's shapes, every case run on a toy shape on the CPU."""
from __future__ import annotations

import pytest
import torch

from methods.parts import Refused
from repro.bench_members import bench, bench_7b, drawn
from repro.shapes import LLAMA_2_7B, LLAMA_2_13B, Shapes

TOY = Shapes("toy", "llama", 32, 64, 2, 2, 1024, 256, "made up")


def test_every_case_runs_and_members_cost_their_bytes():
    found = bench(TOY, rounds=2, device="cpu", members=(0, 1, 3), batches=(1, 2))
    assert len(found["rows"]) == 2 * 2 * 3
    assert all(row["step_s"] > 0 for row in found["rows"])
    by_members = {row["members"]: row["state_bytes"] for row in found["rows"]}
    assert by_members[0] == 0
    assert by_members[3] == 3 * by_members[1] > 0


def test_shapes_are_those_of_the_models():
    for shapes, weights in ((LLAMA_2_7B, 6_738_415_616), (LLAMA_2_13B, 13_015_864_320)):
        assert sum(p.numel() for p in shapes.model().parameters()) == weights
    member = drawn(TOY.model("cpu"), 0)
    assert len(member.factors) == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    with pytest.raises(Refused, match="no CUDA device"):
        bench_7b()
