"""What LoRA ensembles' tables and claims measure."""
from __future__ import annotations

from repro.claims import OfAnswers

ECE = "ece (15 bins)"
WORDS = {"accuracy": ("accuracy", "%", True, 100.0), "nll": ("NLL", "nats", False, 1.0), "brier": ("Brier", "0 to 2", False, 1.0),
         ECE: ("ECE", "%", False, 100.0), "ece (10 bins)": ("ECE, 10 bins", "%", False, 100.0),
         "ece (15 equal-mass bins)": ("ECE, equal mass", "%", False, 100.0),
         "ece if calibrated": ("ECE if calibrated", "%", False, 100.0), "auroc": ("AUROC of confidence", "%", True, 100.0),
         "aurc": ("AURC", "%", False, 100.0), "overconfidence": ("confidence minus accuracy", "%", False, 100.0),
         "confidence when wrong": ("confidence when wrong", "%", False, 100.0),
         "disagreement": ("members that disagree", "%", True, 100.0),
         "gap": ("largest gap between members", "%", True, 100.0),
         "ood auroc": ("AUROC against the other set", "%", True, 100.0), "fpr95": ("FPR95", "%", False, 100.0)}


def on(key: str, score: str, outside: str | None = None) -> OfAnswers:
    """A score on a set of questions; for the two of out-of-distribution detection, of telling `outside` from it by entropy."""
    label, unit, higher, times = WORDS[score]
    return OfAnswers(key, score, label, unit, higher, times, outside)
