"""A device between two measurements, its work done, its memory freed; and how fast it multiplies matrices."""
from __future__ import annotations

import gc
import statistics
import time

import torch


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def empty(device: str) -> None:
    """Frees what earlier cases left, and counts the peak from here."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def matrix_rate(device: str, dtype: torch.dtype, size: int | None = None) -> float:
    """Operations a second (a multiplication and an addition are two) of a product of large square matrices: the median of ten.

    What a step's own products, which are smaller, can at best come near to.
    """
    n = size or (8192 if device == "cuda" else 1024)
    left, right = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(12):
        wait(device)
        began = time.perf_counter()
        left @ right
        wait(device)
        seconds.append(time.perf_counter() - began)
    return 2 * n**3 / statistics.median(seconds[2:])
