"""A device between two measurements: its work done, its memory freed."""
from __future__ import annotations

import gc

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
