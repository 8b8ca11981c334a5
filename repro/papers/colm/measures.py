"""What CoLM's tables and claims measure."""
from __future__ import annotations

from collections.abc import Sequence

from repro.claims import OfItems, OfMean

NAMED = {"colm": "CoLM", "many": "CoLM with many directions", "oracle": "CoLM with true gradients",
         "mixture": "random, same mixture", "random-2x": "random, 2 b"}
LOSS = OfItems("heldout", "held-out loss", "nats", higher=False, column="nll", weight="tokens")


def average(sets: Sequence[str], label: str) -> OfMean:
    """Over data sets, each with one weight."""
    return OfMean(tuple(accuracy(f"math:{name}", name) for name in sets), label)


def accuracy(suite: str, label: str, column: str = "correct") -> OfItems:
    """By the corrected scorer; the column "original" has the scorer that the paper's numbers come from."""
    return OfItems(suite, label, "%", higher=True, column=column, times=100)


def variance(rule: str) -> OfItems:
    """Of the batch's true gradient, as a share of that of random batches of b; `rule` may be at another size."""
    return OfItems("coresets", f"variance, {NAMED.get(rule, rule)}", "%", False, f"variance {rule}", 100)


def variance_gain(rule: str) -> OfItems:
    """By how much the variance of the batch's true gradient falls below that of random batches of the same size."""
    return OfItems("coresets", f"variance below random's, {NAMED.get(rule, rule)}", "%", True, f"variance gain {rule}", 100)


def error_gain(rule: str) -> OfItems:
    """By how much the squared distance to the data's own gradient falls below that of random batches."""
    label = f"squared distance to the data's gradient below random's, {NAMED.get(rule, rule)}"
    return OfItems("coresets", label, "%", True, f"error gain {rule}", 100)


def skill(rule: str) -> OfItems:
    """0: picks agree with those from true gradients as often as chance; 1: they are the same."""
    return OfItems("coresets", f"agreement with true gradients' picks, {NAMED.get(rule, rule)}", "%", True, f"skill {rule}", 100)
