"""A CoLM step by phase on the embedded model: how much of it is selection, and what of that is passes and what is picking.

The tiny world's mathematics, b examples out of a pool of 2 b as at the tiny scale, against random batches of b and 2 b. All take
turns in one run; a share is the median over rounds.
"""
from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from methods import papers
from methods.examples import Example
from methods.fit import Snapshot, Training, fit
from methods.objective.nll import Nll
from methods.probe import Pool, small_sources
from methods.recipe import Recipe
from methods.selection.colm import Colm
from methods.streams import Streams
from repro import scales
from repro.papers.colm import cost
from repro.scale import DataRef
from suites import data, models

MOST = 0.35
"""The share of a step that selection may take."""


@dataclass
class Phases:
    """Seconds of each measured step, and of what selecting took of it."""

    step_s: list[float] = field(default_factory=list)
    selecting_s: list[float] = field(default_factory=list)
    passes_s: list[float] = field(default_factory=list)


def bench_colm(rounds: int = 12) -> dict[str, Any]:
    """`phases`: sentences for people; `limits`: the share of selection under full tuning and under LoRA."""
    scale = scales.get("tiny")
    ref = scale.model(scale.setting("colm.base"))
    model, tokenizer = models.load(ref.place)
    training = scale.data("math-instruct")
    assert isinstance(training, DataRef)
    examples = data.load_examples(training, tokenizer)
    b, twice, _ = scale.setting("colm.sizes")
    rule = Colm(pool=2, h=scale.setting("colm.h"), eps=scale.setting("colm.eps"))
    lines, limits = [], []
    for name, plain in {"full": papers.full(1e-3), "LoRA": papers.lora(1e-3, r=scale.setting("colm.r"))}.items():
        found = race({"random b": (plain, b), "random 2 b": (plain, twice), "CoLM": (replace(plain, selection=rule), b)},
                     model, examples, scale.setting("colm.micro_batch"), rounds)
        share = ratio(found["CoLM"].selecting_s, found["CoLM"].step_s)
        lines.append(f"{name}, {b} of {twice}: {milliseconds(found['CoLM'].step_s)} a step, {share:.0%} selection "
                     f"({ratio(found['CoLM'].passes_s, found['CoLM'].selecting_s):.0%} of that passes, the rest picking); "
                     f"{ratio(found['CoLM'].step_s, found['random b'].step_s):.2f}x of random b, "
                     f"{ratio(found['CoLM'].step_s, found['random 2 b'].step_s):.2f}x of random 2 b")
        least = cost.share(twice / b, scale.setting("colm.scored"), scale.setting("colm.blocks"),
                           cost.WEIGHTS if name == "full" else cost.ADAPTERS)
        limits.append({"at": f"{name}, {b} of {twice}", "what": "selection's share of a CoLM step, at most", "limit": MOST,
                       "unit": "", "ratio": share, "holds": share <= MOST,
                       "bound by": f"the passes: {least:.0%} of the arithmetic"})
    return {"phases": lines, "limits": limits}


def race(field_: dict[str, tuple[Recipe, int]], model: Any, examples: list[Example], micro_batch: int,
         rounds: int) -> dict[str, Phases]:
    """One step each in turn; the first round warms up. CoLM's passes are timed on the pool that it saw."""
    streams = {name: iter(fit(copy.deepcopy(model), recipe, examples,
                              Training(steps=rounds + 1, batch_size=size, micro_batch=micro_batch), Streams(0), pad_id=0))
               for name, (recipe, size) in field_.items()}
    before = {name: next(stream) for name, stream in streams.items()}
    found = {name: Phases() for name in field_}
    for turn in range(rounds + 1):
        for name, stream in streams.items():
            now = next(stream)
            if turn:
                found[name].step_s.append(now.seconds - before[name].seconds)
                found[name].selecting_s.append(now.selecting - before[name].selecting)
                if now.selecting > before[name].selecting and isinstance(field_[name][0].selection, Colm):
                    found[name].passes_s.append(passes(now, examples, micro_batch))
            before[name] = now
    return found


def passes(now: Snapshot, examples: list[Example], micro_batch: int) -> float:
    """Seconds to score as many examples of large sources as the last pool can have had."""
    few = small_sources(examples)
    large = [i for i in now.used if examples[i].source not in few]
    pool = Pool(examples, [*large, *_others(examples, few, len(now.used))], few, Nll(), now.model, None, 0, micro_batch,
                torch.device("cpu"))
    pool.slopes(torch.arange(1), (0,), 1e-3)  # takes the model apart, which a run does once
    began = time.perf_counter()
    pool.slopes(torch.arange(len(pool)), (0,), 1e-3)
    return time.perf_counter() - began


def _others(examples: list[Example], few: frozenset[str], n: int) -> Iterator[int]:
    """Examples of large sources in the place of those of the pool that were not chosen."""
    return (i for i, _ in zip((i for i, e in enumerate(examples) if e.source not in few), range(n), strict=False))


def ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def milliseconds(seconds: list[float]) -> str:
    return f"{1e3 * statistics.median(seconds):.0f} ms"
