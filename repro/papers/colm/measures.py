"""What CoLM's tables and claims measure."""
from __future__ import annotations

from repro.claims import OfItems

LOSS = OfItems("heldout", "held-out loss", "nats", higher=False, column="nll", weight="tokens")


def accuracy(suite: str, label: str) -> OfItems:
    return OfItems(suite, label, "%", higher=True, times=100)


def variance_gain(rule: str) -> OfItems:
    """By how much the variance of the batch's true gradient falls below that of random batches of the same size."""
    return OfItems("coresets", f"variance below random's ({rule})", "%", True, f"variance gain {rule}", 100)


def error_gain(rule: str) -> OfItems:
    return OfItems("coresets", f"distance to the data's gradient below random's ({rule})", "%", True, f"error gain {rule}", 100)


def skill(rule: str) -> OfItems:
    """0: picks agree with those from true gradients as often as chance; 1: they are the same."""
    return OfItems("coresets", f"agreement with true gradients' picks ({rule})", "%", True, f"skill {rule}", 100)
