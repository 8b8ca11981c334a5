"""Verdicts that flipped: a paper's claims judged on both sides, where every arm behind them ran on both.

What a claim counts is as it was accepted on the one side (`repro.gate.counts`) and as it is counted now on the other.
"""
from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa

from repro.answered import named
from repro.claims import Claim, Contrast, Paper
from repro.evidence import Evidence
from repro.files import frame, table
from repro.gate import counts, words
from repro.gate.lineup import Side
from repro.gate.words import Check
from repro.study import Arm, Record
from repro.verdict import Verdict, judge

RANK = {"supported": 3, "direction only": 2, "inconclusive": 1, "refuted": 0}


@dataclass(frozen=True)
class Arms:
    """The runs of some arms of one side, as `repro.evidence` reads them."""

    side: Side
    names: Collection[str]

    def records(self, scale: str, paper: str) -> list[Record]:
        wanted = [k for k in self.side.runs if k[0] == paper and k[1] in self.names]
        return [r for r in map(self.side.record, wanted) if r is not None]

    def samples(self, run_id: str) -> pd.DataFrame:
        return self._frame(run_id, "samples")

    def table(self, run_id: str) -> pa.Table:
        return table(self.side.part(run_id, "samples"))

    def curve(self, run_id: str) -> pd.DataFrame:
        return self._frame(run_id, "curve")

    def _frame(self, run_id: str, part: str) -> pd.DataFrame:
        return frame(self.side.part(run_id, part))


def checks(paper: Paper, before: Side, now: Side, moved: Collection[str]) -> Iterator[Check]:
    """One check a claim that can be judged on both sides. `moved`: the arms whose records differ at all."""
    scale = before.scale
    arms = paper.arms(scale)
    claims = paper.claims(scale)
    whole = {a.name for a in arms if _ran(paper.name, a, before) and _ran(paper.name, a, now)}
    found, accepted = counts.of(claims), counts.read(before.store.root, scale).get(paper.name, {})
    kept = {i: accepted.get(i, {}) for i in found}
    unkept = {i for i, of in found.items() if of.keys() != kept[i].keys()}
    judged = {c.id for c in claims if c.untried is None and used(c) <= whole and c.id not in unkept}
    yield from (Check(paper.name, i, "verdict", "verdict", "skipped", "the reference holds no counts of it, or others; `python "
                      "-m repro accept` keeps them") for i in sorted(unkept))
    if not any(used(c) & set(moved) or found.get(c.id) != kept.get(c.id) for c in claims if c.id in judged):
        yield from (Check(paper.name, c.id, "verdict", "verdict", "same") for c in claims if c.id in judged)
        return
    needed = {name for c in claims if c.id in judged for name in used(c)}
    sides = [judge([counts.fixed(c, numbers[c.id]) if c.id in numbers else c for c in claims],
                   Evidence(Arms(side, needed), paper.name, scale, arms)) for side, numbers in ((before, kept), (now, found))]
    for was, is_ in zip(*sides, strict=True):
        if was.claim.id in judged:
            yield _flip(paper.name, was, is_)


def used(claim: Claim) -> set[str]:
    """The arms behind a claim and its controls."""
    contrasts: list[Contrast] = [*claim.contrasts, *(x for c in claim.controls for x in c.contrasts)]
    return {named(arm)[0] for contrast in contrasts for arm in contrast.arms}


def _ran(paper: str, arm: Arm, side: Side) -> bool:
    found = [side.record(key) for seed in arm.seeds if (key := (paper, arm.name, seed)) in side.runs]
    return bool(found) and all(record is not None and record.status == "done" for record in found)


def _flip(paper: str, was: Verdict, is_: Verdict) -> Check:
    check = Check(paper, was.claim.id, "verdict", "verdict", "same")
    if was.headline.split(" (")[0] == is_.headline.split(" (")[0]:
        return check
    why = "; ".join([f"was \"{was.headline}\" and is \"{is_.headline}\"", *_recounted(was, is_)])
    if is_.word == "not run" and was.word in RANK:
        return replace(check, outcome="worse", why=why)
    if was.word not in RANK or is_.word not in RANK:
        return replace(check, outcome="skipped", why=why)
    farthest = math.inf if list(_recounted(was, is_)) else _farthest(was, is_)
    if farthest <= words.EDGE:
        return replace(check, why=f"{why}, on the edge: no effect moved by more than {farthest:.2g} of its standard error")
    worse = _rank(is_) < _rank(was)
    return replace(check, outcome="worse" if worse else "better", why=why, change=farthest, margin=words.EDGE)


def _recounted(was: Verdict, is_: Verdict) -> Iterator[str]:
    """The counts that came out otherwise, in words."""
    every = ([*v.counted, *(r for c in v.controls for r in c.counted)] for v in (was, is_))
    for a, b in zip(*every, strict=True):
        if a.outcome != b.outcome:
            yield (f"{b.counted.name}: was {_number(a.value)} against {_number(a.limit)}, is {_number(b.value)} against "
                   f"{_number(b.limit)} {b.counted.unit}")


def _number(value: float | None) -> str:
    return "not counted" if value is None else f"{value:.4g}"


def _rank(verdict: Verdict) -> tuple[int, bool, bool]:
    return RANK.get(verdict.word, -1), not verdict.explained_by, not verdict.open_controls


def _farthest(was: Verdict, is_: Verdict) -> float:
    """The largest move of an effect behind the verdict, in its standard errors."""
    pairs = zip([*was.tested, *(t for c in was.controls for t in c.tested)],
                [*is_.tested, *(t for c in is_.controls for t in c.tested)], strict=True)
    both = [(a.estimate, b.estimate) for a, b in pairs if a.estimate is not None and b.estimate is not None]
    return max((_move(b.mean - a.mean, a.stderr) for a, b in both), default=0.0)


def _move(change: float, stderr: float) -> float:
    if change == 0:
        return 0.0
    return abs(change) / stderr if stderr else math.inf
