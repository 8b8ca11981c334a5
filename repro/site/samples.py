"""Some of a run's sample outputs in words: what was asked, what the model wrote or chose, and whether that is right."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from repro.site.parts import codes, values

SHOWN = 20
COLUMNS = ("suite", "item", "fact", "correct", "target", "gold", "loglik", "answer", "nll", "tokens", "members", "points",
           "truncated", "tied")
LONGEST = 2000
"""Letters of a text that are shown."""


@dataclass(frozen=True)
class Sample:
    """One item. `written`: what the model wrote; None where it wrote nothing and `said` is in our words."""

    suite: str
    item: str
    fact: str
    wanted: str
    written: str | None
    said: str
    outcome: str
    notes: str


@dataclass(frozen=True)
class Samples:
    shown: tuple[Sample, ...]
    total: int


def of(table: pa.Table) -> Samples:
    """At most `SHOWN`, from all suites in turn: texts of the model first, then choices, then what has a loss alone."""
    if not table.num_rows or "suite" not in table.column_names:
        return Samples((), table.num_rows)
    few = table.take(pa.array(_in_turn(table)))
    columns = [values(few, name) for name in COLUMNS]  # few: what is not shown never becomes a Python value
    return Samples(tuple(_sample(dict(zip(COLUMNS, row, strict=True))) for row in zip(*columns, strict=True)), table.num_rows)


def _in_turn(table: pa.Table) -> list[int]:
    """Rows with a text, then with a choice, then others: in each of these the first of each suite, the second of each ..."""
    known = {c: np.asarray(table[c].is_valid()) for c in ("answer", "loglik") if c in table.column_names}
    none = np.zeros(table.num_rows, dtype=bool)
    written, chose = known.get("answer", none), known.get("loglik", none)
    chosen: list[int] = []
    _, suite = codes(table, "suite")
    for of_rank in (written, chose & ~written, ~chose & ~written):
        rows = np.flatnonzero(of_rank)
        chosen += rows[np.lexsort((rows, _turns(suite[rows])))][:SHOWN - len(chosen)].tolist()
        if len(chosen) == SHOWN:
            break
    return chosen


def _turns(suite: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[N] how many of the same suite come before."""
    together = np.argsort(suite, kind="stable")
    new = np.flatnonzero(np.diff(suite[together], prepend=-1))
    turns = np.empty_like(together)
    turns[together] = np.arange(len(suite)) - np.repeat(new, np.diff(np.append(new, len(suite))))
    return turns


def _sample(row: dict[str, Any]) -> Sample:
    answer = row["answer"]
    gold = row["gold"]
    wanted = short(str(row["target"])) if row["target"] not in (None, "") else ""
    if gold is not None:
        wanted = f"option {int(gold) + 1}" + (f": {wanted}" if wanted else "")
    notes = [word for word in ("truncated", "tied") if row[word] is True]
    return Sample(str(row["suite"]), str(row["item"]), short("" if row["fact"] is None else str(row["fact"])), wanted,
                  None if answer is None else short(str(answer)), _said(row), _outcome(row), ", ".join(notes))


def _said(row: dict[str, Any]) -> str:
    """What it chose among options, or the loss of the wanted text."""
    loglik = row["loglik"]
    if isinstance(loglik, list) and loglik:
        own = loglik[-(len(loglik) // max(1, int(row["points"] or 1) * int(row["members"] or 1))):]
        best = max(range(len(own)), key=lambda i: -math.inf if own[i] is None else own[i])
        who = "The last member, at the last look," if row["members"] and int(row["members"]) > 1 else "The model"
        return f"{who} finds option {best + 1} of {len(own)} likeliest."
    if row["nll"] is not None:
        over = f" over {int(row['tokens'])} tokens" if row["tokens"] else ""
        return f"Loss of the wanted text: {row['nll']:.3g} nats{over}."
    return ""


def _outcome(row: dict[str, Any]) -> str:
    """Right or wrong in a word; a grade or a loss has no such word."""
    correct = row["correct"]
    if correct is None or (isinstance(correct, float) and math.isnan(correct)) or row["correct"] == row["nll"]:
        return ""
    if str(row["suite"]).startswith("mt_bench"):
        return f"graded {float(correct):g} of 10"
    return {0.0: "wrong", 1.0: "right"}.get(float(correct), f"{float(correct):.3g}")


def short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} letters in all)"
