"""What an ensemble takes in scoring, at LLaMA-2-7B and 13B: the base alone, and 1, 5 and 10 members of rank 8 on query and value.

The paper prints no cost; its abstract says that the overhead is almost that of one model.
"""
from __future__ import annotations

from collections.abc import Mapping

from methods import papers
from methods.training import Training
from repro.memory.beside import Beside
from repro.memory.cases import Case, Model
from repro.memory.found import Found
from repro.shapes import LLAMA_2_7B, LLAMA_2_13B, Shapes

RATE = 1e-5
"""No byte depends on it."""
MODELS, MEMBERS, BATCHES, TOKENS = (LLAMA_2_7B, LLAMA_2_13B), (0, 1, 5, 10), (1, 8), 128


def case(shapes: Shapes, members: int, batch: int) -> Case:
    label = "base alone" if not members else f"{members} member{'s' * (members > 1)}"
    recipe = papers.lora_ensemble(RATE, members=members) if members else papers.full(RATE)
    training = Training(steps=1, batch_size=batch, precision="bf16")
    return Case(f"{label}, batch {batch}", Model.of(shapes), recipe, training, TOKENS, "sdpa", "scoring")


def every() -> tuple[Case, ...]:
    return tuple(case(shapes, m, batch) for shapes in MODELS for batch in BATCHES for m in MEMBERS)


def sections(found: Mapping[str, Found]) -> list[tuple[str, list[Beside]]]:
    return [(f"LoRA ensembles: scoring {TOKENS} tokens, bfloat16, members of rank 8 on query and value",
             [Beside(c, found[c.key]) for c in every()])]
