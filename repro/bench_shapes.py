"""Seconds and peak bytes of a step at a paper's own shapes, random weights, on the GPU that is there.

Neither depends on what the weights hold. A case that does not fit is a row that says so. Cases run one after the other, each
with the device's memory to itself; times are medians over steps, so that ratios between rows of one run can be read.
"""
from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from methods import papers
from methods.examples import Example
from methods.fit import fit
from methods.parts import Refused
from methods.recipe import Recipe
from methods.scope.lora import Lora
from methods.streams import Streams
from methods.training import Precision, Training
from repro import pins
from repro.bench_device import empty, matrix_rate, wait
from repro.memory import reference
from repro.papers.colm import peaks
from repro.papers.lisa import memory
from repro.shapes import LLAMA_2_7B, MISTRAL_7B, OPT_1_3B, PHI_2, TINYLLAMA, Shapes
from suites.cost.bounds import Work, bounds

WARM_UP = 2
"""Steps before the first that is timed."""
LARGE, SMALL = 9, 5
"""Sources of the random texts: nine of ten texts come from one of the large, the tenth from one of the small."""


@dataclass(frozen=True)
class Case:
    """One way to train; `micro_batch` None: the whole batch at once."""

    name: str
    recipe: Recipe
    batch: int
    precision: Precision
    micro_batch: int | None = None
    attention: str | None = None
    predicted_bytes: int | None = None
    """The peak that was simulated."""


def opt() -> list[Case]:
    """HELENE's comparison: 16 texts at once, in float32 and in bfloat16."""
    adapters = Lora(r=8, alpha=16.0, targets="query_value")
    recipes = {"MeZO": papers.mezo(1e-7), "HELENE": papers.helene(1e-7),
               "HELENE, one curvature a tensor": papers.helene(1e-7, curvature="scalar"),
               "LoRA-HELENE": papers.helene(1e-7, scope=adapters), "FT (AdamW)": papers.full(1e-6)}
    return [Case(name, recipe, 16, precision) for precision in ("fp32", "bf16") for name, recipe in recipes.items()]


def phi() -> list[Case]:
    """CoLM's comparison: with micro-batches of one size, and as the paper's four devices with eight parts have."""
    return [Case(way.name, way.recipe, way.batch, "bf16", way.micro_batch) for way in peaks.WAYS]


def bench_opt(rounds: int = 12) -> dict[str, Any]:
    """OPT-1.3B, 400 tokens a text. Raises Refused without a GPU."""
    return bench(OPT_1_3B, opt(), 400, rounds)


def bench_phi(rounds: int = 12) -> dict[str, Any]:
    """Phi-2, 512 tokens a text. Raises Refused without a GPU."""
    return bench(PHI_2, phi(), 512, rounds)


def lisa(shapes: Shapes) -> list[Case]:
    """LISA's Table 1 and Figure 4, with what was simulated of each row."""
    return [Case(label, memory.RECIPES[label], 1, "bf16", attention="eager",
                 predicted_bytes=None if (found := reference.known(memory.case(shapes, label))) is None else found.peak_bytes)
            for label in memory.PRINTED]


def bench_lisa(rounds: int = 12) -> dict[str, Any]:
    """TinyLlama, Mistral-7B and LLaMA-2-7B, texts of 1,024 tokens one at a time. Raises Refused without a GPU."""
    found = [bench(shapes, lisa(shapes), memory.TOKENS, rounds) for shapes in (TINYLLAMA, MISTRAL_7B, LLAMA_2_7B)]
    rows = [{**row, "name": f"{shapes}: {row['name']}"} for one, shapes in zip(found, ("TinyLlama", "Mistral-7B", "LLaMA-2-7B"),
                                                                             strict=True) for row in one["rows"]]
    return found[0] | {"rows": rows, "setting": "; ".join(one["setting"] for one in found)}


def bench(shapes: Shapes, cases: Sequence[Case], tokens: int, rounds: int, device: str = "cuda") -> dict[str, Any]:
    """`rows`: one a case, with median seconds of a step and of choosing its examples, and the peak of allocated bytes.

    `matrix_rates`: operations a second, by precision; `bound_s`: what a step's products (`suites.cost.bounds`) take at that rate.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise Refused(f"cannot measure {shapes.name}'s shapes here; because PyTorch finds no CUDA device; run it on a machine "
                      "with a GPU")
    named = torch.cuda.get_device_name() if device == "cuda" else device
    rates = {precision: matrix_rate(device, dtype_of(precision)) for precision in dict.fromkeys(c.precision for c in cases)}
    rows = [against(row, shapes, case, tokens, rounds, rates[case.precision])
            for case in cases for row in [measured(shapes, case, tokens, rounds, device)]]
    return {"rows": rows, "versions": dict(pins.versions()), "matrix_rates": rates,
            "setting": f"{shapes.name} with random weights, {tokens} tokens a text, {named}, {rounds} steps"}


def measured(shapes: Shapes, case: Case, tokens: int, rounds: int, device: str) -> dict[str, Any]:
    """One case as JSON values. `peak_bytes` is None where the device does not count; `missing` says why there is no time."""
    row = {"name": case.name, "batch": case.batch, "micro_batch": case.micro_batch, "precision": case.precision}
    empty(device)
    try:
        return row | timed(shapes, case, tokens, rounds, device)
    except torch.OutOfMemoryError:
        return row | {"missing": "out of memory"}


def against(row: dict[str, Any], shapes: Shapes, case: Case, tokens: int, rounds: int, rate: float) -> dict[str, Any]:
    """The row with how far its step is from its products alone, the median of the steps that were timed."""
    if "missing" in row:
        return row
    found = bounds(shapes.config, case.recipe, training_of(case, rounds), Work(tokens, tokens // 4))[WARM_UP:]
    operations = statistics.median(b.operations + b.pool for b in found)
    return row | {"operations": operations, "bound_s": operations / rate, "step_over_bound": row["step_s"] * rate / operations}


def training_of(case: Case, rounds: int) -> Training:
    return Training(steps=WARM_UP + rounds, batch_size=case.batch, micro_batch=case.micro_batch, precision=case.precision)


def dtype_of(precision: Precision) -> torch.dtype:
    """In which the products are done."""
    return torch.float32 if precision == "fp32" else torch.bfloat16


def timed(shapes: Shapes, case: Case, tokens: int, rounds: int, device: str) -> dict[str, Any]:
    torch.manual_seed(0)
    model = shapes.model(device, torch.bfloat16 if case.precision == "bf16" else torch.float32, case.attention)
    training = training_of(case, rounds)
    phases: dict[str, list[float]] = {}
    stream = fit(model, case.recipe, texts(4 * case.batch, tokens, shapes.vocabulary), training, Streams(0), pad_id=1,
                 watch=lambda phase: clocked(phase, phases, device))
    step_s, selecting_s, before = [], [], next(stream).selecting
    for turn in range(training.steps or 0):
        wait(device)
        if turn == WARM_UP and device == "cuda":
            torch.cuda.reset_peak_memory_stats()  # of training alone, not of making the model
        began = time.perf_counter()
        now = next(stream)
        wait(device)
        if turn >= WARM_UP:
            step_s.append(time.perf_counter() - began)
            selecting_s.append(now.selecting - before)
        before = now.selecting
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else None
    predicted = {} if case.predicted_bytes is None else {
        "predicted_bytes": case.predicted_bytes, "peak_over_predicted": None if peak is None else peak / case.predicted_bytes}
    step = statistics.median(step_s)
    return predicted | {
        "step_s": step, "step_quartiles_s": statistics.quantiles(step_s, n=4)[::2], "steps_per_s": 1 / step,
        "tokens_per_s": case.batch * tokens / step, "selecting_s": statistics.median(selecting_s),
        "phases_s": {name: statistics.median(taken) for name, taken in phases.items()}, "state_bytes": now.state_bytes,
        "weight_bytes": sum(p.nbytes for p in model.parameters()), "peak_bytes": peak,
        "reserved_bytes": torch.cuda.max_memory_reserved() if device == "cuda" else None}


@contextmanager
def clocked(phase: str, phases: dict[str, list[float]], device: str) -> Iterator[None]:
    """Adds the seconds of a phase, with the device's work done before and after. "gradient" holds "forward"."""
    wait(device)
    began = time.perf_counter()
    yield
    wait(device)
    phases.setdefault(phase, []).append(time.perf_counter() - began)


def texts(n: int, tokens: int, vocabulary: int) -> list[Example]:
    """Random tokens, a quarter of each text the answer, from sources of unequal size."""
    rows = torch.randint(2, vocabulary, (n, tokens), generator=torch.Generator().manual_seed(1)).tolist()
    return [Example(tuple(row), tokens - tokens // 4,
                    source=f"small {i // 10 % SMALL}" if i % 10 == 0 else f"large {i % LARGE}") for i, row in enumerate(rows)]
