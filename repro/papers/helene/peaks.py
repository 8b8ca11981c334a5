"""HELENE's peak memory by variant at OPT-1.3B and RoBERTa-large, beside MeZO, Adam and LoRA; label words, float32.

The paper prints no figure of memory; MeZO's table 22 (arXiv 2305.17333) has OPT-1.3B on texts of about 400 tokens, one at a time.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from methods import papers
from methods.objective.label_words import LabelWords
from methods.recipe import Recipe
from methods.training import Training
from repro.memory.beside import Beside
from repro.memory.cases import Case, Model
from repro.memory.found import Found
from repro.papers.helene.memory import METHODS, QUERY_VALUE, RATE
from repro.papers.numbers import Printed, printed
from repro.shapes import OPT_1_3B, ROBERTA_LARGE, Shapes

STEPS = 3
MASK = 50264
"""RoBERTa's mask token."""
WORDS = (1000, 2000)
SETTINGS: Mapping[str, tuple[int, int]] = {OPT_1_3B.name: (1, 400), ROBERTA_LARGE.name: (16, 128)}
"""Batch and tokens of a text."""
RECIPES: Mapping[str, Recipe] = {**METHODS, "LoRA (AdamW)": replace(papers.lora(RATE, r=8, alpha=16.0), scope=QUERY_VALUE)}
PRINTED = {"MeZO": "Zero-shot / MeZO", "FT (AdamW)": "Full-parameter FT"}


def case(shapes: Shapes, label: str) -> Case:
    batch, tokens = SETTINGS[shapes.name]
    objective = LabelWords(WORDS, MASK if shapes.kind == "roberta" else None)
    return Case(label, Model.of(shapes), replace(RECIPES[label], objective=objective), Training(steps=STEPS, batch_size=batch),
                tokens, "eager")


def every() -> tuple[Case, ...]:
    return tuple(case(shapes, label) for shapes in (OPT_1_3B, ROBERTA_LARGE) for label in RECIPES)


def of_paper(shapes: Shapes, label: str) -> Printed | None:
    """MeZO's own figures: half precision for MeZO, and what nvidia-smi shows."""
    if shapes is not OPT_1_3B or label not in PRINTED:
        return None
    return printed("helene", {"table": "MeZO Table 22", "model": "OPT-1.3B", "method": PRINTED[label],
                              "metric": "gpu_memory_total"})


def sections(found: Mapping[str, Found]) -> list[tuple[str, list[Beside]]]:
    made = []
    for shapes in (OPT_1_3B, ROBERTA_LARGE):
        batch, tokens = SETTINGS[shapes.name]
        rows = [Beside(c, found[c.key], of_paper(shapes, c.label), note(shapes, c.label)) for c in every()
                if c.model.name == shapes.name]
        made.append((f"HELENE: peak memory at {shapes.name}, batch {batch}, {tokens} tokens, float32", rows))
    return made


def note(shapes: Shapes, label: str) -> str:
    if of_paper(shapes, label) is None:
        return ""
    return ("the number is MeZO's (its table 22), which ran in half precision, and what the driver shows" if label == "MeZO" else
            "the number is MeZO's (its table 22) and what the driver shows")
