"""Scores on the sets by both scorers: a row per item, every mean with n and error, in- and out-of-domain averages.

Protocol: zero-shot, greedy; a program where the model writes one, else the number in the text, asked again without the
request for a program where there is neither (CoLM, arXiv 2407.19580, section 5; its code's 1024 new tokens).
"""
from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from methods.modes import evaluating
from methods.parts import Refused
from suites.clusters import clustered_mean
from suites.math.answering import CORRECTED, ORIGINAL, SCORERS, Answer, answers, judged, resolved
from suites.math.asking import Asked, Said
from suites.math.sets import SETS, Item, Set, items, stands_for_hub
from suites.suite import Call, Evaluation, Score

NAME = "math"
VERSION = "1"
AVERAGES = {"in-domain": ("in",), "out-of-domain": ("out",), "overall": ("in", "out")}
Calls = Sequence[tuple[str, int | None, int | None]]
Metrics = dict[str, Mapping[str, Score]]
log = logging.getLogger(__name__)


def evaluate(model: nn.Module, tokenizer: Any, calls: Calls, *, source: Path | None, batch_size: int,
             device: str | torch.device | None = None) -> Evaluation:
    """Measures a causal model by every call ("math:gsm8k", or "math" for all sets that can be had; shots None or 0; limit).

    `source` None: the Hub. A folder with sets under their Hub ids is asked alone; a folder of files adds to the Hub. An
    average is given where every set of it was measured with "math". Raises Refused where a set cannot be had, and at a NaN.
    """
    if not calls:
        raise Refused(f"cannot evaluate; because no set was named; name one as {NAME}:gsm8k")
    asked = Asked(model if device is None else model.to(device), tokenizer, batch_size)
    metrics: Metrics = {}
    tables, versions = [], {"batch_size": str(batch_size), f"{NAME}.new_tokens": str(asked.new_tokens), NAME: VERSION}
    for call in (Call(*c) for c in calls):
        chosen, missing = _sets(call, source)
        versions |= missing
        with evaluating(model):
            measured = {of.name: _measure(asked, of, rows) for of, rows in chosen}
        found = {f"{NAME}:{name}": means(table) for name, table in measured.items()}
        metrics |= found | by_source(measured) | (averages(found) if call.suite == NAME else {})
        tables += list(measured.values())
    samples = pd.concat(tables, ignore_index=True).astype({"gold": "Int64"})
    return Evaluation(metrics, samples, int(samples["truncated"].sum()), versions)


def means(table: pd.DataFrame) -> dict[str, Score]:
    """Both scorers' accuracies, the shares answered by a program and asked again; the error takes a fact as one cluster."""
    columns = {CORRECTED.name: "correct", ORIGINAL.name: ORIGINAL.name, "by_program": "by_program", "again": "again"}
    return {name: clustered_mean(table[column], [1.0] * len(table), table["fact"]) for name, column in columns.items()}


def by_source(measured: Mapping[str, pd.DataFrame]) -> Metrics:
    """Each source of a set whose rows name several."""
    return {f"{NAME}:{name}/{source}": means(rows) for name, table in measured.items() if table["source"].nunique() > 1
            for source, rows in table.groupby("source")}


def averages(found: Mapping[str, Mapping[str, Score]]) -> Metrics:
    """Means over sets, each set with one weight; the sets are independent."""
    made: Metrics = {}
    for name, domains in AVERAGES.items():
        sets = [f"{NAME}:{s.name}" for s in SETS.values() if s.domain in domains]
        if all(s in found for s in sets):
            made[f"{NAME}/{name}"] = {scorer.name: _mean([found[s][scorer.name] for s in sets]) for scorer in SCORERS}
    return made


def _mean(scores: Sequence[Score]) -> Score:
    error = math.sqrt(sum(s.stderr**2 for s in scores)) / len(scores)
    return Score(sum(s.value for s in scores) / len(scores), error, sum(s.n for s in scores))


def _sets(call: Call, source: Path | None) -> tuple[list[tuple[Set, list[Item]]], dict[str, str]]:
    """The sets of a call with their items, and why those that "math" stands for but cannot be had are missing."""
    suite, _, name = call.suite.partition(":")
    if suite != NAME or (name and name not in SETS):
        raise Refused(f"cannot evaluate {call.suite!r} here; because it is no set of {NAME}; use {NAME}:<set> with one of "
                      f"{', '.join(SETS)}")
    if call.shots:
        raise Refused(f"cannot show {call.shots} examples on {call.suite}; because the protocol is zero-shot; use no shots")
    if call.limit is not None and call.limit <= 0:
        raise Refused(f"cannot evaluate {call.limit} items of {call.suite}; because a mean needs one; use a limit above 0")
    if name:
        return [(SETS[name], resolved(items(SETS[name], source, call.limit)))], {}
    found, missing = [], {}
    for of in SETS.values():
        if of.domain == "ours" and (source is None or not stands_for_hub(source)):
            continue
        try:
            found.append((of, resolved(items(of, source, call.limit))))
        except Refused as why:
            missing[str(of)] = f"not measured: {why}"
            log.warning("%s", why)
    if not found:
        raise Refused(f"cannot evaluate on {NAME}; because none of its sets can be had from {source or 'the Hub'}; give a folder "
                      "with their files")
    return found, missing


def _measure(asked: Asked, of: Set, rows: Sequence[Item]) -> pd.DataFrame:
    """A row per item."""
    first = asked([item.question for item in rows], of.form, for_program=True)
    read = {s.name: answers([said.text for said in first], of.name, s) for s in SCORERS}
    again = [i for i in range(len(rows)) if any(not found[i].text for found in read.values())]
    second = dict(zip(again, asked([rows[i].question for i in again], of.form, for_program=False), strict=True))
    for scorer in SCORERS:
        open_ = [i for i in again if not read[scorer.name][i].text]
        for i, answer in zip(open_, answers([second[i].text for i in open_], of.name, scorer), strict=True):
            read[scorer.name][i] = answer
    return pd.DataFrame([_row(of, i, item, first[i], second.get(i), {name: found[i] for name, found in read.items()})
                         for i, item in enumerate(rows)])


def _row(of: Set, position: int, item: Item, first: Said, second: Said | None, read: Mapping[str, Answer]) -> dict[str, Any]:
    return {"suite": f"{NAME}:{of.name}", "task": of.name, "item": position, "fact": item.fact, "source": item.source,
            "correct": judged(item, read[CORRECTED.name], of.name, CORRECTED),
            ORIGINAL.name: judged(item, read[ORIGINAL.name], of.name, ORIGINAL),
            "by_program": float(read[CORRECTED.name].by_program), "again": float(second is not None),
            "target": item.reference, "gold": None, "loglik": None,
            "answer": first.text if second is None else f"{first.text}\n---\n{second.text}",
            "truncated": first.cut or (second is not None and second.cut), "tied": False}
