"""The numbers that rank methods on a suite, each with its unit and with which way is better."""
from __future__ import annotations

from repro.claims import Measure, OfItems
from repro.papers.helene.measures import NAMES as TASKS
from repro.papers.lisa.measures import CHAT_ALL, LOSS
from repro.papers.lora_ensembles.measures import on
from repro.study import SuiteCall

NAMES = {"mmlu": "MMLU", "agieval": "AGIEval", "winogrande": "WinoGrande", "gsm8k": "GSM8K", "pubmedqa": "PubMedQA"}
DIAGNOSTIC = frozenset({"coresets", "probe"})
"""Suites that look at how a method works and not at how well the model does."""


def ranking(call: SuiteCall) -> tuple[Measure, ...]:
    """None for a diagnostic, and for dev questions, by which methods are tuned. A suite that is not known here is ranked by what
    every suite writes for each item: `correct`."""
    family, _, key = call.suite.partition(":")
    if family in DIAGNOSTIC or call.suite.endswith("/dev"):
        return ()
    if family == "heldout":
        return (LOSS,)
    if family == "mt_bench":
        return (CHAT_ALL,)
    if family == "options":
        return (on(key, "accuracy"), on(key, "nll"))
    name = {"glue": TASKS.get(key, key), "math": f"mathematics ({key})"}.get(family, NAMES.get(call.suite, call.suite))
    return (OfItems(call.suite, name, "%", higher=True, times=100),)


def title(call: SuiteCall, measure: Measure, world: str = "") -> str:
    """E.g. "MMLU (%), 0 shots, 24 items a task"; `world` stands before the name of what is measured, where that is a stand-in."""
    family, _, key = call.suite.partition(":")
    name = {"heldout": f"{measure.label} on {world}{key}", "mt_bench": f"{world}MT-Bench overall",
            "options": f"{measure.label} on {world}{key}"}.get(family, f"{world}{measure.label}")
    shots = [] if call.shots is None else [f"{call.shots} shot{'s' * (call.shots != 1)}"]
    limit = [] if call.limit is None else [f"at most {call.limit} items a task"]
    return ", ".join([f"{name} ({measure.unit})", *shots, *limit])
