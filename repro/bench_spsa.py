"""The zeroth-order step, side by side in one run: against two bare forward passes and against the straightforward step.

The embedded base model, 64 to 4,096 tokens a batch. The straightforward step is what a careful reader of MeZO's algorithm
1 writes: four sweeps, each drawing every tensor's numbers by one call of torch; it makes its batch at every step, as `fit`
does, and takes the same loss (the two bare passes have their batch made beforehand).
"""
from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from methods import anatomy, directions, papers
from methods.examples import collate
from methods.fit import Training, fit
from methods.recipe import Recipe
from methods.streams import Streams
from repro.bench import TOKENS, Field, Row, answer_loss, examples, race, summary
from repro.scales import HOUSE
from suites import models

SIZES = (64, 1024, 4096)
LR, EPS = 1e-6, 1e-3
FORWARDS, NAIVE, SWEEPS, MEZO, HELENE, SCALAR = ("two forward passes", "straightforward step", "three sweeps alone",
                                                 "fit, MeZO", "fit, HELENE", "fit, HELENE scalar")
Start = Callable[[], Iterator[Any]]


@lru_cache(maxsize=1)
def base() -> nn.Module:
    return models.load(HOUSE / "suites" / "world" / "base")[0]


def by_fit(recipe: Recipe, steps: int, batch: int) -> Start:
    def start() -> Iterator[Any]:
        stream = fit(copy.deepcopy(base()), recipe, examples(), Training(steps=steps, batch_size=batch), Streams(0), pad_id=0)
        next(stream)
        return stream
    return start


def passes(steps: int, batch: int) -> Start:
    def start() -> Iterator[Any]:
        net, rows = copy.deepcopy(base()), collate(examples(), range(batch), 0)
        for _ in range(steps):
            with torch.no_grad():
                float(answer_loss(net, rows) - answer_loss(net, rows))
            yield net, 0
    return start


def straightforward(steps: int, batch: int) -> Start:
    def start() -> Iterator[Any]:
        net, data = copy.deepcopy(base()), examples()
        for step in range(steps):
            rows = collate(data, range(batch), 0)
            with torch.no_grad():
                naive_sweep(net, step, EPS)
                plus = float(answer_loss(net, rows))
                naive_sweep(net, step, -2 * EPS)
                minus = float(answer_loss(net, rows))
                naive_sweep(net, step, EPS)
                naive_sweep(net, step, -LR * (plus - minus) / (2 * EPS))
            yield net, 0
    return start


def naive_sweep(net: nn.Module, seed: int, by: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=by)


def sweeps(steps: int) -> Start:
    def start() -> Iterator[Any]:
        net = copy.deepcopy(base())
        tensors = [w.tensor.detach() for w in anatomy.read(net).weights]
        for step in range(steps):
            for by in (EPS, -2 * EPS, EPS):
                directions.shift(tensors, step, by)
            yield net, 0
    return start


def contenders(steps: int, tokens: int) -> Field:
    batch = tokens // TOKENS
    return {
        FORWARDS: (FORWARDS, passes(steps, batch)), NAIVE: (FORWARDS, straightforward(steps, batch)),
        SWEEPS: (FORWARDS, sweeps(steps)), MEZO: (FORWARDS, by_fit(papers.mezo(lr=LR, eps=EPS), steps, batch)),
        HELENE: (MEZO, by_fit(papers.helene(lr=LR, eps=EPS), steps, batch)),
        SCALAR: (MEZO, by_fit(papers.helene(lr=LR, eps=EPS, curvature="scalar"), steps, batch)),
    }


def bench_spsa(rounds: int = 12, stretch: int = 3) -> dict[str, Any]:
    """Rows as `bench_fit` gives them, and `limits`: what is asked for, what was found, what bounds the step."""
    rows, limits = [], []
    for tokens in SIZES:
        found, _ = race(contenders(rounds * stretch + stretch, tokens), rounds, stretch)
        rows += [summary(row, found, FORWARDS) | {"tokens": tokens, "name": f"{tokens} tokens: {row.name}"}
                 for row in found.values()]
        limits += demands(tokens, found)
    return {"rows": rows, "limits": limits, "equal": {},
            "setting": f"the embedded base model, batches of {TOKENS}-token texts, {torch.get_num_threads()} threads, "
                       f"{rounds} rounds of {stretch} steps"}


def demands(tokens: int, found: dict[str, Row]) -> list[dict[str, Any]]:
    """Each a limit with its ratio (median over rounds) and whether it holds."""
    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(found[one].step_s, found[other].step_s, strict=True))
    bound = "random numbers" if ratio(SWEEPS, FORWARDS) > 1 else "forward passes"
    asked = [("HELENE's step against MeZO's, at most", HELENE, MEZO, 1.5)]
    if tokens >= 1024:
        asked.append(("MeZO's step against two forward passes, at most", MEZO, FORWARDS, 1.25))
    out = [{"at": f"{tokens} tokens", "what": what, "limit": most, "ratio": ratio(one, other),
            "holds": ratio(one, other) <= most, "bound by": bound} for what, one, other, most in asked]
    if tokens == SIZES[0]:
        faster = ratio(NAIVE, MEZO)
        out.append({"at": f"{tokens} tokens", "what": "the straightforward step against MeZO's, at least", "limit": 1.3,
                    "ratio": faster, "holds": faster >= 1.3, "bound by": bound})
    return out
