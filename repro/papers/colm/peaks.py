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
from repro.claims import FigureSpec
from repro.memory import reference
from repro.memory.beside import Beside
from repro.memory.cases import Case, Model
from repro.memory.drawn import Peak
from repro.memory.found import Found
from repro.papers.numbers import printed
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
    return [(title, [Beside(c, found[c.key]) for c in every()]),
            ("The same by phase of a step", [Beside(c, found[c.key], by_phase=True) for c in every()])]


def figure() -> FigureSpec:
    return FigureSpec("figure-3a-memory", "Figure 3a. Memory that CoLM saves, at Phi-2, simulated", "peaks", (),
                      x="peak memory below that of random batches (%)", counted=_points,
                      note="LoRA r 128, 512 tokens, bfloat16, one of four devices that accumulate eight parts. Diamonds: the "
                           "paper's savings, measured on its cards; whether its micro-batch grows with the batch (as for 4 and "
                           "8 here) or stays at 2 is not stated.")


PRINTED = {"FT 128, micro-batch 4": "against FT bs128", "FT 256, micro-batch 8": "against FT bs256"}
"""What is compared with -> the beginning of the paper's row."""
SETTING = "; LoRA r128 alpha512; MathInstruct; 1K iterations"


def _points() -> tuple[Peak, ...]:
    ours = reference.known(case(COLM))
    others = [(label, reference.known(case(label))) for label in (FIXED, *LARGER)]
    if ours is None:
        return ()
    return tuple(Peak("CoLM, 64 of 128, against random batches", f"{FIXED}, micro-batch {PART}" if label == FIXED else label,
                      "colm", 100 * (1 - ours.gib / found.gib), None, _of_paper(label))
                 for label, found in others if found is not None)


def _of_paper(label: str) -> float | None:
    if label not in PRINTED:
        return None
    return printed("colm", {"table": "Figure 3a", "setting": PRINTED[label] + SETTING, "metric": "memory saving"}).value
