"""LISA's Table 1, Figure 3 and the memory claims, as cases: batch 1, bfloat16 throughout, no checkpointing, eager attention.

Source: section 4.1 (flash attention off, texts of at most 1,024 tokens), the early version's Table 1 and Figure 3; that weights,
gradients and Adam's moments are all bfloat16 follows from the figure's bars. LLaMA-2-70B ran on four devices, one after the
other: what is simulated is an even share of the blocks with one end. Over many draws all drawn blocks lie on it at some time.
"""
from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from methods import papers
from methods.recipe import Recipe
from methods.training import Training
from repro.memory.cases import Attention, By, Case, Model
from repro.shapes import GPT_2, LLAMA_2_7B, LLAMA_2_70B, LLAMA_3_8B, MISTRAL_7B, PHI_2, QWEN_2_5_7B, TINYLLAMA, Shapes

RATE = 1e-5
"""No byte depends on it."""
INTERVAL, STEPS = 2, 6
"""Steps between draws, so that moments are there in a forward pass; three draws."""
TOKENS = 1024
MODELS = (GPT_2, TINYLLAMA, PHI_2, MISTRAL_7B, LLAMA_2_7B, LLAMA_2_70B)
LARGE_VOCABULARY = (LLAMA_3_8B, QWEN_2_5_7B)
DEVICES = {LLAMA_2_70B.name: 4}
GAMMAS = {"E+H": 0, "E+H+2L": 2, "E+H+4L": 4}
RECIPES: Mapping[str, Recipe] = {
    "full": papers.full(RATE), **{f"LoRA r {r}": papers.lora(RATE, r=r) for r in (16, 128, 256, 512)},
    **{f"LISA {parts}": papers.lisa(RATE, gamma=gamma, K=INTERVAL) for parts, gamma in GAMMAS.items()}}
PRINTED: Mapping[str, tuple[str, str]] = {
    "full": ("FT", ""), **{f"LoRA r {r}": ("LoRA", f"rank {r}") for r in (128, 256, 512)},
    **{f"LISA {parts}": ("LISA", parts) for parts in GAMMAS}}
"""(method, setting) of the paper's row in reported/lisa.csv."""
GROWTH_STEPS = 48
"""Draws anew at every other: 24 draws of 2 of 32 blocks, so that most blocks have been drawn."""


def case(shapes: Shapes, label: str, tokens: int = TOKENS, attention: Attention = "eager") -> Case:
    """A row of the table."""
    share = shapes.share(DEVICES.get(shapes.name, 1))
    steps = STEPS if label.startswith("LISA") else 2
    return Case(label, Model(shapes.name, share.config), RECIPES[label], _training(steps), tokens, attention)


def table_1() -> tuple[Case, ...]:
    return tuple(case(shapes, label) for shapes in MODELS for label in PRINTED)


def shorter() -> tuple[Case, ...]:
    """The 7B rows with texts of half the length, and with PyTorch's own attention: what the paper leaves open."""
    return tuple(case(LLAMA_2_7B, label, *open_) for open_ in ((TOKENS // 2, "eager"), (TOKENS, "sdpa")) for label in PRINTED)


def large_vocabularies() -> tuple[Case, ...]:
    """And a small rank: where the tie of LISA and LoRA ends."""
    return (*(case(shapes, label) for shapes in LARGE_VOCABULARY for label in ("LoRA r 128", "LISA E+H+2L")),
            case(LLAMA_2_7B, "LoRA r 16"))


def growth(shapes: Shapes = LLAMA_2_7B, steps: int = GROWTH_STEPS) -> tuple[Case, ...]:
    """Memory over many draws: what becomes of moments, and LISA as a freeze flag alone."""
    ways: Mapping[str, tuple[str, By]] = {"reset at each draw": ("reset", "fit"), "drop what froze": ("drop", "fit"),
                                          "keep": ("keep", "fit"), "freeze flags alone": ("reset", "freeze flags")}
    return tuple(Case(label, Model.of(shapes), papers.lisa(RATE, gamma=2, K=INTERVAL, on_switch=switch), _training(steps), TOKENS,
                      "sdpa", by) for label, (switch, by) in ways.items())


def peers() -> tuple[Case, ...]:
    """What users write around PyTorch: LoRA by PEFT, full tuning whose gradients are filled with zeros and not freed, and GaLore,
    by its authors' package too where that is installed."""
    galore = papers.galore(RATE, rank=128)
    theirs = (_peer("galore-torch r 128 in a plain loop", galore, "galore-torch"),) if find_spec("galore_torch") else ()
    return (_peer("GaLore r 128", galore, "fit"), *theirs,
            _peer("PEFT's LoRA r 128 in a plain loop", RECIPES["LoRA r 128"], "PEFT"),
            _peer("full tuning, gradients kept as zeros", papers.lisa(RATE, gamma=LLAMA_2_7B.layers, K=None),
                  "freeze flags, gradients kept"))


def _peer(label: str, recipe: Recipe, by: By) -> Case:
    return Case(label, Model.of(LLAMA_2_7B), recipe, _training(2), TOKENS, "eager", by)


def every() -> tuple[Case, ...]:
    return (*table_1(), *shorter(), *large_vocabularies(), *growth(), *peers())


def _training(steps: int) -> Training:
    return Training(steps=steps, batch_size=1, precision="bf16")
