"""LISA the long way, as its first author describes running it: every interval is a new job with a new optimizer."""
from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def lisa_by_separate_jobs(model: nn.Module, blocks_of_interval: Sequence[set[int]], K: int, lr: float,
                          loss_at: Callable[[nn.Module, int], Tensor], block_of: Callable[[str], int | None]) -> nn.Module:
    """For each interval: load the last job's weights, freeze all other blocks, train K steps with a fresh AdamW."""
    saved = copy.deepcopy(model.state_dict())
    for interval, blocks in enumerate(blocks_of_interval):
        job = copy.deepcopy(model)
        job.load_state_dict(saved)
        for name, parameter in job.named_parameters():
            parameter.requires_grad = block_of(name) is None or block_of(name) in blocks
        optimizer = torch.optim.AdamW([p for p in job.parameters() if p.requires_grad], lr=lr, weight_decay=0.0,
                                      foreach=False, fused=False)
        for step in range(interval * K, (interval + 1) * K):
            optimizer.zero_grad()
            loss_at(job, step).backward()
            optimizer.step()
        saved = copy.deepcopy(job.state_dict())
    model.load_state_dict(saved)
    return model
