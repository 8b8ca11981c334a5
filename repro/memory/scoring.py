"""Scoring prompts by an ensemble's members in one pass, simulated: the base's own pass where the recipe has no members."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from methods.fit import Watch
from methods.scope.full import Full
from repro.bench_members import drawn, score
from repro.memory.cases import Case
from repro.memory.found import Found
from suites.cost.bounds import Bound
from suites.cost.loops import Shown
from suites.cost.simulate import simulate_loop


def run(config: Any, case: Case) -> Found:
    """The bound: the weights of base and members; their products for every token."""
    members = members_of(case)
    of_members = [0, 0]

    def loop(model: nn.Module, watch: Watch) -> Iterator[Shown]:
        model.to(case.training.weight_dtype).eval()
        team = [drawn(model, m) for m in range(members)]
        factors = [t for one in team for pair in one.factors.values() for t in pair]
        of_members[:] = sum(t.nbytes for t in factors), sum(t.numel() for t in factors)
        yield Shown(model, 0, ())
        ids = torch.ones(case.training.batch_size, case.tokens, dtype=torch.long)
        with watch("forward"), torch.no_grad():
            score(model, team, ids)
        yield Shown(model, 0, ())

    found = simulate_loop(config, loop, case.training, attention=case.attention)
    texts = case.training.batch_size * case.tokens
    forward = 2 * texts * (found.weights * max(1, members) + of_members[1])
    return Found(found, Bound(found.weight_bytes + of_members[0], forward, 0, 0))


def members_of(case: Case) -> int:
    """0: the base alone."""
    return 0 if isinstance(case.recipe.scope, Full) else int(case.recipe.ensemble.members)
