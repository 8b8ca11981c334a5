"""CoLM's memory axis (figure 3a) at Phi-2: one of four devices that accumulate eight parts, with accumulation's baseline.

Source: figure 3a and its caption (20 % less than batches of 128, 45 % less than 256); LoRA r 128, texts of 512 tokens. That the
paper's micro-batch grows with the batch (2, 4, 8) follows from its four devices and eight parts. A batch of 8 stands for CoLM's
64: its peak is that of a micro-batch, and the features that it keeps are counted at 8 of 16.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from methods import papers
from methods.recipe import Recipe
from methods.selection.colm import Colm
from methods.training import Training
from repro.memory.beside import Beside
from repro.memory.cases import Case, Model
from repro.memory.found import Found
from repro.shapes import PHI_2

TOKENS, STEPS, PART = 512, 2, 2
COLM, FIXED = "CoLM 64 of 128", "FT 256"
LARGER = {"FT 128, micro-batch 4": 0.20, "FT 256, micro-batch 8": 0.45}
"""What CoLM is compared with -> the share that it is said to save."""


@dataclass(frozen=True)
class Way:
    """LoRA r 128 on batches of so many examples, so many at once."""

    name: str
    recipe: Recipe
    batch: int
    micro_batch: int


PLAIN = papers.lora(1e-6, r=128, alpha=512.0, targets=("q_proj", "k_proj", "v_proj", "fc1", "fc2"))
WAYS = (*(Way(f"FT {b}", PLAIN, b, PART) for b in (64, 128, 256)),
        *(Way(f"FT {b}, micro-batch {b // 32}", PLAIN, b, b // 32) for b in (128, 256)),
        Way(COLM, replace(PLAIN, selection=Colm(pool=2)), 64, PART))


def every() -> tuple[Case, ...]:
    return tuple(Case(way.name, Model.of(PHI_2), way.recipe,
                      Training(steps=STEPS, batch_size=8, micro_batch=way.micro_batch, precision="bf16"), TOKENS, "sdpa")
                 for way in WAYS if way.name not in ("FT 64", "FT 128"))


def case(label: str) -> Case:
    return next(c for c in every() if c.label == label)


def sections(found: Mapping[str, Found]) -> list[tuple[str, list[Beside]]]:
    title = "CoLM, figure 3a: peak memory at Phi-2, LoRA r 128, 512 tokens, bfloat16, PyTorch's attention"
    return [(title, [Beside(c, found[c.key]) for c in every()])]
