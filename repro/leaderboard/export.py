"""Boards as rows (CSV, Parquet), as tables for reading (Markdown, LaTeX) and as JSON values."""
from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from repro import called, proportion, table
from repro.claims import Measure, OfAnswers, OfItems
from repro.leaderboard.boards import Board, Standing
from repro.leaderboard.pareto import SAME
from repro.leaderboard.ties import ALPHA
from repro.store import parquet, plain
from repro.table import DIGITS, Entry, Mean, Table

READ = ("Methods of one board share base model, training data, suite call and measure. Mean ± standard error (seeds × items); "
        f"intervals are 90 %; {proportion.SAID}. Two methods share a letter when they cannot be told apart (paired by seed and "
        f"item, two-sided, Holm over the board's pairs, {ALPHA:g}); a rank is the range that these tests leave. Front: nothing "
        f"is better and costs no more, going by the means; costs within {100 * SAME:g} % are equal, and the base model before "
        "training takes part at no cost. Optimizer state: the update's state at its peak, without weights, gradients and "
        "activations. Scoring: forward passes through the base model for an answer. \"One of 5\": the mean member of an "
        "ensemble, charged a fifth of its training.")
"""How a board is read."""
SCORING = "scoring (passes)"
HEADER = ("rank", "method", "letters", "mean", "90 % interval", "trainable", "optimizer state (bytes)", "training (s)", "steps",
          SCORING, "front")
"""SCORING is shown where it differs from method to method."""
SHORT = ("rank", "method", "letters", "mean", "optimizer state (bytes)", "training (s)", SCORING, "front")
"""Columns for a terminal or a short page; the rest is in the files."""
KINDS = {"scale": "string", "base": "string", "data": "string", "suite": "string", "measure": "string", "unit": "string",
         "method": "string", "arms": "string", "letters": "string", "fronts": "string", "why": "string",
         "higher_is_better": "boolean",
         "shots": "Int64", "limit": "Int64", "rank_best": "Int64", "rank_worst": "Int64", "seeds": "Int64", "items": "Int64",
         "clusters": "Int64", "mean": "Float64", "stderr": "Float64", "low_90": "Float64", "high_90": "Float64",
         "trainable": "Int64", "state_bytes_peak": "Int64", "peak_gpu_bytes": "Int64", "peak_rss_bytes": "Int64",
         "train_s": "Float64", "train_s_stderr": "Float64", "train_s_n": "Int64", "steps": "Int64", "tokens": "Int64",
         "scoring_passes": "Int64"}
"""Columns of the rows, and their types."""


def rows(board: Board) -> list[dict[str, Any]]:
    """One a method, those that are only shown and the base model before training included."""
    c = board.contest
    same = {"scale": c.scale, "base": called.base(c.scale, c.base), "data": called.trained_on(c.scale, c.data),
            "suite": c.call.suite, "shots": c.call.shots, "limit": c.call.limit,
            "measure": f"{called.world(c.scale)}{c.measure.label}", "unit": c.measure.unit, "higher_is_better": c.measure.higher}
    return [{**same, **_row(s, c.measure)} for s in _all(board)]


def _all(board: Board) -> tuple[Standing, ...]:
    return (*board.standings, *([board.before] if board.before else []))


def _row(s: Standing, measure: Measure) -> dict[str, Any]:
    e, cost, time = s.estimate, s.cost, s.cost.train_s
    low, high = proportion.interval(e, measure) if e else (None, None)
    return {
        "method": s.entrant.label, "arms": " = ".join(s.entrant.names), "letters": s.letters,
        "rank_best": s.rank[0] if s.rank else None, "rank_worst": s.rank[1] if s.rank else None,
        "mean": e.mean if e else None, "stderr": e.stderr if e else None, "low_90": low, "high_90": high,
        "seeds": e.seeds if e else len(s.entrant.series.seeds),
        "items": e.items if e else len(s.entrant.series.items), "clusters": e.clusters if e else None,
        "trainable": cost.trainable, "state_bytes_peak": cost.state_bytes, "peak_gpu_bytes": cost.peak_gpu_bytes,
        "peak_rss_bytes": cost.peak_rss_bytes, "train_s": time.mean if time else None,
        "train_s_stderr": time.stderr if time else None, "train_s_n": time.n if time else None, "steps": cost.steps,
        "tokens": cost.tokens, "scoring_passes": cost.passes, "fronts": ", ".join(s.fronts), "why": s.why}


def to_csv(boards: Sequence[Board]) -> str:
    """Numbers as they are; an empty field is a number that there is not."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(KINDS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: repr(v) if isinstance(v, float) else v for k, v in row.items()} for b in boards for row in rows(b))
    return out.getvalue()


def to_parquet(boards: Sequence[Board]) -> bytes:
    """Every column has its type, also where it is empty."""
    frame = pd.DataFrame([row for b in boards for row in rows(b)], columns=list(KINDS))
    return parquet(frame.astype(dict(KINDS)))


def to_table(board: Board) -> Table:
    made = [_entries(s, board.contest.measure) for s in _all(board)]
    several = any(s.cost.passes > 1 for s in _all(board))
    header = tuple(name for name in HEADER if name != SCORING or several)
    better = "more is better" if board.contest.measure.higher else "less is better"
    return Table(board.id, f"{board.title}; {better}. Base: {board.setting}.", header,
                 tuple(tuple(entries[name] for name in header) for entries in made), tuple(f"{n}." for n in remarks(board)))


def short(board: Board) -> Table:
    """With the columns of SHORT."""
    made = to_table(board)
    header = tuple(name for name in SHORT if name in made.header)
    at = [made.header.index(name) for name in header]
    return replace(made, header=header, rows=tuple(tuple(row[i] for i in at) for row in made.rows))


def readme(boards: Sequence[Board]) -> str:
    """Of each base and training data the first board, in short."""
    first = {b.group: b for b in reversed(boards)}
    shown = [b for b in boards if first[b.group] is b]
    more = f"Another {len(boards) - len(shown)} boards are in the report. " if len(boards) > len(shown) else ""
    return "\n".join([*(table.markdown(short(b)) for b in shown), f"{unmoved(boards)}{more}{READ}", ""])


def unmoved(boards: Sequence[Board]) -> str:
    """On which boards no method is better than the base model before training."""
    known = [b for b in boards if b.against_base is not None]
    found = [b.title.partition(", ")[0] for b in known if b.against_base is not None and not b.against_base.better]
    if not found:
        return ""
    return f"On {len(found)} of {len(known)} boards no method is better than the base model before training: {'; '.join(found)}. "


def remarks(board: Board) -> list[str]:
    """Sentences below a board: whether training helped, what was done about unequal items, who failed, who is missing."""
    kinds = dict.fromkeys(t.kind for t in board.troubles)
    told = {kind: "; ".join(f"{t.label} ({t.why})" for t in board.troubles if t.kind == kind) for kind in kinds}
    base = [str(board.against_base)] if board.against_base is not None else []
    return [*base, *board.notes, *(f"{kind}: {who}" for kind, who in told.items())]


def _entries(s: Standing, measure: Measure) -> dict[str, Entry]:
    """A method's line by the words of HEADER."""
    cost = s.cost
    line: tuple[Entry, ...] = (
        rank(s), s.entrant.label, s.letters or "–", Mean.of(s.estimate, measure.unit) if s.estimate else "not a number",
        interval(s, measure), counted(cost.trainable), counted(cost.state_bytes), str(cost.train_s) if cost.train_s else "–",
        counted(cost.steps), str(cost.passes), ", ".join(s.fronts) or "–")
    return dict(zip(HEADER, line, strict=True))


def rank(s: Standing) -> str:
    """A range, or why there is none."""
    if s.rank is None:
        return s.why.partition(":")[0]
    return str(s.rank[0]) if s.rank[0] == s.rank[1] else f"{s.rank[0]}–{s.rank[1]}"


def interval(s: Standing, measure: Measure) -> str:
    if s.estimate is None:
        return "–"
    (low, high), d = proportion.interval(s.estimate, measure), DIGITS.get(measure.unit, 3)
    return f"{low:.{d}f} to {high:.{d}f}".replace("-", "−")


def counted(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def markdown(boards: Sequence[Board], scale: str) -> str:
    heads = [f"# Leaderboard, scale {scale}", "", READ, ""]
    return "\n".join([*heads, *(table.markdown(to_table(b)) for b in boards)])


def latex(boards: Sequence[Board]) -> str:
    return "\n".join(table.latex(to_table(b)) for b in boards)


def to_json(board: Board) -> dict[str, Any]:
    """All of a board: its methods, the tests of its pairs, who is not on it and why."""
    shown = [s.entrant.label for s in board.ranked]
    pairs = [{"first": shown[c.pair[0]], "second": shown[c.pair[1]], "p_holm": c.p, "differs": c.differs,
              "difference": c.estimate.mean if c.estimate else None, "stderr": c.estimate.stderr if c.estimate else None,
              "n_seeds": c.estimate.seeds if c.estimate else None, "n_items": c.estimate.items if c.estimate else None}
             for c in board.pairs]
    found: dict[str, Any] = plain({
        "id": board.id, "title": board.title, "measure": _measure(board), "methods": rows(board), "pairs": pairs,
        "setting": board.setting, "against_base": asdict(board.against_base) if board.against_base else None,
        "troubles": [asdict(t) for t in board.troubles], "notes": list(board.notes)})
    return found


def _measure(board: Board) -> dict[str, Any]:
    m = board.contest.measure
    column = m.column if isinstance(m, OfItems) else m.score if isinstance(m, OfAnswers) else None
    name = f"{called.world(board.contest.scale)}{m.label}"
    return {"label": name, "unit": m.unit, "higher_is_better": m.higher, "column": column}


