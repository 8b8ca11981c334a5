"""What LISA's tables and claims measure: per item from the suites, per run from the curves."""
from __future__ import annotations

import pandas as pd

from repro.claims import OfCurve, OfItems, OfMean
from repro.norms import skew

LOSS = OfItems("heldout", "held-out loss", "nats", higher=False, column="nll", weight="tokens")
MMLU = OfItems("mmlu", "MMLU", "%", higher=True, times=100)
AGIEVAL = OfItems("agieval", "AGIEval", "%", higher=True, times=100)
WINOGRANDE = OfItems("winogrande", "WinoGrande", "%", higher=True, times=100)
GSM8K = OfItems("gsm8k", "GSM8K", "%", higher=True, times=100)
PUBMEDQA = OfItems("pubmedqa", "PubMedQA", "%", higher=True, times=100)

CHAT = ("writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities")


def chat(category: str) -> OfItems:
    """Two-turn questions of a category: 10 for an answer that a rule finds right, else 1."""
    return OfItems(f"mt_bench/{category}", category, "points of 1-10", higher=True)


CHAT_ALL = OfMean(tuple(chat(c) for c in CHAT), "overall")


def _drift(curve: pd.DataFrame) -> float:
    return skew("norm", "mean")(curve) - skew("norm", "start")(curve)


def _rise(curve: pd.DataFrame) -> float:
    """Last dev loss minus the least before it: below 0 where the loss still falls. Raises LookupError where the run took fewer
    than two. (Minus the least of all it could not be below 0, and three runs that still fall would be three equal zeros.)"""
    dev = curve[curve["kind"] == "dev_loss"].sort_values("step")["value"]
    if len(dev) < 2:
        raise LookupError("dev_loss")
    return float(dev.iloc[-1] - dev.iloc[:-1].min())


SKEW = OfCurve("skew", "skew of layer norms (ends against the median block)", "log10", True, skew("norm", "mean"))
SKEW_OF_CHANGE = OfCurve("skew of change", "skew of the norm of the change", "log10", True, skew("delta_norm", "end"))
DRIFT = OfCurve("drift", "skew in training minus skew at step 0", "log10", True, _drift)
RISE = OfCurve("rise", "last dev loss minus the least before it", "nats", False, _rise)
