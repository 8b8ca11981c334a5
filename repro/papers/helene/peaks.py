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
from repro.claims import FigureSpec
from repro.memory import reference
from repro.memory.beside import Beside
from repro.memory.cases import Case, Model
from repro.memory.drawn import Peak
from repro.memory.found import GIB, Found
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


LOOKS: Mapping[str, str] = {
    "FT (AdamW)": "full", "FT (SGD)": "ft-sgd", "MeZO": "mezo", "MeZO with momentum": "zo-momentum", "MeZO-Adam": "zo-adam",
    "ZO-Sophia": "zo-sophia", "HELENE": "helene", "HELENE, bf16 state": "helene-bf16",
    "HELENE, one curvature a tensor": "helene-scalar", "LoRA-HELENE": "helene/lora", "LoRA (AdamW)": "lora"}
"""Row -> the method as which it is drawn."""


def figure() -> FigureSpec:
    return FigureSpec("figure-peaks", "Peak memory by variant at the paper's models, simulated", "peaks", (),
                      x="peak memory (GiB)", counted=_points,
                      note="Float32, label words; OPT-1.3B: one text of 400 tokens, RoBERTa-large: 16 of 128. Diamonds: not "
                           "HELENE's paper, which prints none, but MeZO's (its table 22), on another scale: half precision for "
                           "MeZO, and what the driver shows, where ours is allocated bytes.")


def _points() -> tuple[Peak, ...]:
    shown = [(shapes, label, reference.known(case(shapes, label))) for shapes in (OPT_1_3B, ROBERTA_LARGE) for label in RECIPES]
    return tuple(Peak(shapes.name, label, LOOKS[label], found.gib, found.bound.bytes / GIB, _value(of_paper(shapes, label)))
                 for shapes, label, found in shown if found is not None)


def _value(number: Printed | None) -> float | None:
    return None if number is None else number.value
