"""Seconds and peak bytes of 1, 5 and 10 LoRA members in one pass at LLaMA-2's shapes, random weights, on the GPU that is there.

Scoring is one pass over prompts, decoding goes on token by token with all members' caches. Neither depends on what the weights
hold. A case that does not fit is a row that says so.
"""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from methods.adapters import Adapters
from methods.decoding import generate
from methods.parts import Refused
from methods.stacked import repeated, stacked
from repro import pins
from repro.bench_device import empty, wait
from repro.shapes import LLAMA_2_7B, LLAMA_2_13B, Shapes

MEMBERS, RANK, TARGETS = (0, 1, 5, 10), 8, ("q_proj", "v_proj")
"""0: the base model alone."""
BATCHES, PROMPT, NEW = (1, 8, 32), 128, 16


def bench_7b(rounds: int = 12) -> dict[str, Any]:
    """LLaMA-2-7B. Raises Refused without a GPU."""
    return bench(LLAMA_2_7B, rounds)


def bench_13b(rounds: int = 12) -> dict[str, Any]:
    """LLaMA-2-13B. Raises Refused without a GPU."""
    return bench(LLAMA_2_13B, rounds)


def bench(shapes: Shapes, rounds: int, device: str = "cuda", members: Sequence[int] = MEMBERS,
          batches: Sequence[int] = BATCHES) -> dict[str, Any]:
    """`rows`: median seconds and peak bytes of each number of members, batch and kind of work."""
    if device == "cuda" and not torch.cuda.is_available():
        raise Refused(f"cannot measure {shapes.name}'s shapes here; because PyTorch finds no CUDA device; run it on a machine "
                      "with a GPU")
    torch.manual_seed(0)
    model = shapes.model(device, torch.bfloat16 if device == "cuda" else torch.float32).eval()
    rows = [measured(model, work, m, batch, rounds, device) for batch in batches for work in (score, write) for m in members]
    named = torch.cuda.get_device_name() if device == "cuda" else device
    return {"rows": rows, "versions": dict(pins.versions()),
            "setting": f"{shapes.name} with random weights, members of rank {RANK} on {' and '.join(TARGETS)}, {PROMPT} tokens "
                       f"a prompt, {NEW} new ones, {named}, {rounds} rounds"}


def drawn(model: nn.Module, seed: int) -> Adapters:
    """A member of random numbers."""
    g = torch.Generator().manual_seed(seed)

    def factor(rows: int, columns: int, like: Tensor) -> Tensor:
        return (torch.randn(rows, columns, generator=g) * 0.02).to(like)

    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in TARGETS}
    return Adapters({n: (factor(RANK, m.in_features, m.weight), factor(m.out_features, RANK, m.weight))
                     for n, m in layers.items()})


def score(model: Any, members: Sequence[Adapters], ids: Tensor) -> None:
    """The last position's logits of every prompt, by every member."""
    if not members:
        model(input_ids=ids, use_cache=False, logits_to_keep=1)
        return
    with stacked(model, members):
        model(input_ids=repeated(ids, len(members)), use_cache=False, logits_to_keep=1)


def write(model: Any, members: Sequence[Adapters], ids: Tensor) -> None:
    if members:
        generate(model, members, ids, torch.ones_like(ids), NEW, None, 0)
    else:
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, min_new_tokens=NEW,
                       do_sample=False, pad_token_id=0)


Work = Callable[[Any, Sequence[Adapters], Tensor], None]


@torch.no_grad()
def measured(model: nn.Module, work: Work, members: int, batch: int, rounds: int, device: str) -> dict[str, Any]:
    """One case as JSON values; `peak_bytes` is None where the device does not count."""
    who = "base alone" if not members else f"{members} member{'s' * (members > 1)}"
    row = {"name": f"{who}, {'scoring' if work is score else 'decoding'}", "members": members, "batch": batch,
           "micro_batch": None, "precision": str(model.dtype).removeprefix("torch.")}
    empty(device)
    try:
        team = [drawn(model, m) for m in range(members)]
        ids = torch.randint(3, 1000, (batch, PROMPT), device=device)
        taken = []
        for turn in range(rounds + 1):
            wait(device)
            began = time.perf_counter()
            work(model, team, ids)
            wait(device)
            if turn:  # the first warms up
                taken.append(time.perf_counter() - began)
    except torch.OutOfMemoryError:
        return row | {"missing": "out of memory"}
    middle = statistics.median(taken)
    return row | {"step_s": middle, "selecting_s": 0.0, "steps_per_s": 1 / middle,
                  "state_bytes": sum(t.nbytes for one in team for pair in one.factors.values() for t in pair),
                  "weight_bytes": sum(p.nbytes for p in model.parameters()),
                  "peak_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else None}
