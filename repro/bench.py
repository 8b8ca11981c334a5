"""Speed, side by side in one run: `fit` against bare PyTorch loops of the same arithmetic, with the FLOP bound beside.

All contenders of a bench take turns in short stretches of steps, so that a machine whose speed drifts slows all alike;
what is reported is the ratio within each round (median over rounds, and the quartiles), never a time across runs.
"""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from methods import papers
from methods.examples import Example, collate
from methods.fit import Training, fit
from methods.likelihood import answer_losses
from methods.parts import Batch
from methods.recipe import Recipe
from methods.streams import Streams

BLOCKS, WIDTH, VOCABULARY, TOKENS, BATCH = 8, 96, 1024, 64, 16
LR, INTERVAL, GAMMA = 1e-3, 5, 2
Field = dict[str, tuple[str, Callable[[], Iterator[Any]]]]
"""Contenders: name -> (what its ratio is against, how to start it; each `next` of what it starts is one step)."""


@dataclass
class Row:
    """One contender: seconds per step in each round, FLOPs of a step's forward and backward, bytes of optimizer state."""

    name: str
    against: str
    step_s: list[float] = field(default_factory=list)
    flops: int = 0
    state_bytes: int = 0


def model() -> LlamaForCausalLM:
    """A random Llama of about 1.1 M parameters: 8 blocks of width 96."""
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=256, num_hidden_layers=BLOCKS,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=128, tie_word_embeddings=False))


def examples(n: int = 64) -> list[Example]:
    """n texts of 64 random tokens, a third of each the prompt."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(1, VOCABULARY, (n, TOKENS), generator=generator).tolist()
    return [Example(tuple(row), TOKENS // 3) for row in rows]


def by_fit(recipe: Recipe, steps: int) -> Callable[[], Iterator[Any]]:
    def start() -> Iterator[Any]:
        stream = fit(model(), recipe, examples(), Training(steps=steps, batch_size=BATCH), Streams(0), pad_id=0)
        next(stream)
        return stream
    return start


def batches(steps: int) -> Iterator[Batch]:
    """The batches that `fit` forms from the stream "order" with seed 0, in the same order."""
    data, streams = examples(), Streams(0)
    per_epoch = len(data) // BATCH
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        order = streams.permutation(len(data), "order", epoch).tolist()
        yield collate(data, order[place * BATCH:(place + 1) * BATCH], 0)


def answer_loss(net: nn.Module, batch: Batch) -> torch.Tensor:
    return answer_losses(net, batch).sum() / (batch.labels[:, 1:] != -100).sum()


def bare(steps: int, before: Callable[[nn.Module], Callable[[int], None]]) -> Callable[[], Iterator[Any]]:
    """PyTorch's own AdamW at its fastest, in the ten lines a careful user writes; `before` sees every step first."""
    def start() -> Iterator[Any]:
        net = model().train()
        prepare = before(net)
        optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.0, fused=True)
        for step, batch in enumerate(batches(steps)):
            prepare(step)
            loss = answer_loss(net, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            loss.item()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            yield net, sum(t.nbytes for s in optimizer.state.values() for t in s.values())
    return start


def everything_moves(net: nn.Module) -> Callable[[int], None]:
    return lambda step: None


def freeze_flags(net: nn.Module) -> Callable[[int], None]:
    """LISA as published code does it: flip requires_grad under one optimizer that never forgets a moment."""
    attached = lisa_keep().scope.attach(net, Streams(0))

    def flip(step: int) -> None:
        moving = {w.name for w in attached.active(step)}
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(name in moving)
    return flip


def lisa_keep() -> Recipe:
    return papers.lisa(lr=LR, gamma=GAMMA, K=INTERVAL, on_switch="keep")


def contenders(steps: int) -> Field:
    return {
        "bare PyTorch, full AdamW": ("bare PyTorch, full AdamW", bare(steps, everything_moves)),
        "fit, full AdamW": ("bare PyTorch, full AdamW", by_fit(papers.full(lr=LR), steps)),
        "naive freeze-flags LISA": ("fit, full AdamW", bare(steps, freeze_flags)),
        "fit, LISA keep": ("naive freeze-flags LISA", by_fit(lisa_keep(), steps)),
        "fit, LISA reset": ("fit, full AdamW", by_fit(papers.lisa(lr=LR, gamma=GAMMA, K=INTERVAL), steps)),
        "fit, LoRA r 16": ("fit, full AdamW", by_fit(papers.lora(lr=LR, r=16, alpha=32.0), steps)),
    }


def flops_of(start: Callable[[], Iterator[Any]]) -> int:
    """Floating-point operations of one step's matrix products, forward and backward, as executed."""
    stream = start()
    with FlopCounterMode(display=False) as counter:
        next(stream)
    return int(counter.get_total_flops())


def state_of(latest: Any) -> int:
    return int(latest[1]) if isinstance(latest, tuple) else int(latest.state_bytes)


def weights_of(latest: Any) -> dict[str, torch.Tensor]:
    net = latest[0] if isinstance(latest, tuple) else latest.model
    return {n: p.detach() for n, p in net.named_parameters()}


def race(field_: Field, rounds: int, stretch: int) -> tuple[dict[str, Row], dict[str, Any]]:
    """Runs all contenders in turns: their rows, and what each gave last."""
    streams = {name: start() for name, (_, start) in field_.items()}
    rows = {name: Row(name, against, flops=flops_of(start)) for name, (against, start) in field_.items()}
    latest: dict[str, Any] = {}
    for turn in range(rounds + 1):
        for name, stream in streams.items():
            began = time.perf_counter()
            for _ in range(stretch):
                latest[name] = next(stream)
            if turn:  # the first turn warms up
                rows[name].step_s.append((time.perf_counter() - began) / stretch)
    for name, row in rows.items():
        row.state_bytes = state_of(latest[name])
    return rows, latest


def bench_fit(rounds: int = 12, stretch: int = 5) -> dict[str, Any]:
    """Rows, ratios and whether the weights that should agree do."""
    rows, latest = race(contenders(rounds * stretch + stretch), rounds, stretch)
    return {"rows": [summary(row, rows) for row in rows.values()], "equal": agreements(latest),
            "setting": f"{BLOCKS} blocks of width {WIDTH}, batch {BATCH} x {TOKENS}, gamma {GAMMA}, K {INTERVAL}, "
                       f"{torch.get_num_threads()} threads, {rounds} rounds of {stretch} steps"}


def summary(row: Row, rows: dict[str, Row], full: str = "fit, full AdamW") -> dict[str, Any]:
    def ratios(other: str) -> Sequence[float]:
        return [a / b for a, b in zip(row.step_s, rows[other].step_s, strict=True)]
    low, middle, high = statistics.quantiles(ratios(row.against), n=4)
    return {"name": row.name, "step_ms": 1e3 * statistics.median(row.step_s), "against": row.against, "ratio": middle,
            "ratio_quartiles": [low, high], "ratio_to_full": statistics.median(ratios(full)),
            "flop_bound_to_full": row.flops / rows[full].flops, "state_bytes": row.state_bytes}


def agreements(latest: dict[str, Any]) -> dict[str, bool]:
    """Pairs whose final weights must be equal to the last bit."""
    pairs = (("bare PyTorch, full AdamW", "fit, full AdamW"), ("naive freeze-flags LISA", "fit, LISA keep"))
    found = {}
    for one, other in pairs:
        ours, theirs = weights_of(latest[one]), weights_of(latest[other])
        found[f"{one} = {other}"] = all(torch.equal(ours[n], theirs[n]) for n in ours)
    return found
