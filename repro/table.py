"""One table value, written as Markdown, CSV or LaTeX. A mean carries its error and sizes into each of them."""
from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from repro import called
from repro.bootstrap import Estimate, estimate
from repro.claims import Column, Measure, Missing, OfAnswers, OfCurve, Row, TableSpec
from repro.evidence import Evidence
from repro.papers.numbers import Printed, printed
from repro.proportion import is_share

DIGITS = {"%": 1, "nats": 3}
COUNTED = "Ours: counted, not sampled; nothing to average, no error."
LEGEND = "Ours: mean ± standard error (seeds × items); the error covers both. Paper: as printed, where it could be verified."


@dataclass(frozen=True)
class Mean:
    """A mean that cannot be shown without its error and its sizes. `seeds` = 0: a model that was not trained."""

    value: float
    stderr: float
    seeds: int
    items: int
    digits: int = 3
    remark: str = ""
    """What it is a mean of, where that is not what it seems."""

    @classmethod
    def of(cls, e: Estimate, unit: str) -> Mean:
        return cls(e.mean, e.stderr, e.seeds, e.items, DIGITS.get(unit, 3))

    def __str__(self) -> str:
        sizes = f"{self.seeds} × {self.items}" if self.seeds else f"{self.items} items"
        remark = f"; {self.remark}" if self.remark else ""
        return f"{self.value:.{self.digits}f} ± {self.stderr:.{self.digits}f} ({sizes}{remark})"


@dataclass(frozen=True)
class Exact:
    """A number that is counted and not sampled: a whole one in full, a quotient with three digits."""

    value: int | float

    def __str__(self) -> str:
        return f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:,.3f}"


Entry = str | Mean | Exact | Printed


@dataclass(frozen=True)
class Table:
    """Filled and ready to be written."""

    id: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()


def fill(spec: TableSpec, evidence: Evidence) -> Table:
    """The paper's number beside ours in every cell."""
    header = ["", *(h for c in spec.columns for h in _headings(c, called.world(evidence.scale)))]
    rows = tuple((row.label, *(e for c in spec.columns for e in _entries(row, c, evidence))) for row in spec.rows)
    legend = LEGEND if spec.needs_records else COUNTED
    return Table(spec.id, spec.title, tuple(header), rows, (spec.shape_of, legend) if spec.shape_of else (legend,))


def _headings(column: Column, world: str) -> list[str]:
    """`world` stands before the name of a benchmark where ours is a stand-in for it."""
    stand_in = world if not isinstance(column.measure, OfAnswers) and is_share(column.measure) else ""
    unit = f" ({column.measure.unit})" if column.measure else ""
    paper = [f"{column.label}, paper"] if column.reported is not None else []
    return paper + ([f"{stand_in}{column.label}, ours{unit}"] if column.measure or column.exact else [])


def _entries(row: Row, column: Column, evidence: Evidence) -> list[Entry]:
    paper: list[Entry] = []
    if column.reported is not None:
        paper = [printed(evidence.paper, {**row.reported, **column.reported}) if row.reported else "–"]
    value = column.exact(row.label) if column.exact else None
    exact: list[Entry] = ([Exact(value)] if value is not None else ["not run"]) if column.exact else []
    return paper + exact + ([ours(row.arm, column.measure, evidence)] if column.measure else [])


def ours(arm: str | None, measure: Measure, evidence: Evidence) -> Entry:
    """Our mean, or in a word why there is none. What is read off training has no number where nothing is trained."""
    if arm is None or (isinstance(measure, OfCurve) and evidence.untrained(arm)):
        return "–"
    try:
        mean = Mean.of(estimate(evidence.series(arm, measure)), measure.unit)
        return _arrived(mean, arm, measure, evidence) if isinstance(measure, OfCurve) and measure.stopped else mean
    except Missing as reason:
        return "failed" if str(reason).endswith("failed") else "not run"


def _arrived(mean: Mean, arm: str, measure: OfCurve, evidence: Evidence) -> Entry:
    """A mean over runs that need not arrive: how many did; where none did, the length that was not enough."""
    assert measure.stopped is not None
    ends = [measure.stopped(evidence.source.curve(record.run_id)) for record in evidence.done(arm)]
    short = [end for end in ends if end is not None]
    told = f"{len(ends) - len(short)} of {len(ends)} arrive"
    if len(short) == len(ends):
        return f"> {min(short):g} steps ({told})"
    return replace(mean, remark=f"a lower bound: {told}") if short else mean


def text(entry: Entry) -> str:
    return entry.text if isinstance(entry, Printed) else str(entry)


def markdown(table: Table) -> str:
    """A pipe table with its title above and its notes below."""
    lines = [f"**{_md(table.title)}**", "", _pipes(table.header), "|" + " --- |" * len(table.header)]
    lines += [_pipes([text(e) for e in row]) for row in table.rows]
    return "\n".join([*lines, "", *(f"*{_md(note)}*" for note in table.notes)]) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_md(c) for c in cells) + " |"


CODE = re.compile(r"`([^`\n]+)`")


def code_spans(words: str) -> Iterator[tuple[str, bool]]:
    """Text cut into plain pieces and code, which stands between backticks."""
    for i, piece in enumerate(CODE.split(words)):
        if piece:
            yield piece, i % 2 == 1


def _md(words: str) -> str:
    pieces = code_spans(words.replace("\n", " "))
    return "".join(f"`{_escaped(piece, '|')}`" if code else _escaped(piece) for piece, code in pieces)


def _escaped(words: str, marks: str = "\\`*_|<>[]") -> str:
    for mark in marks:
        words = words.replace(mark, "\\" + mark)
    return words


def to_csv(table: Table) -> str:
    """Numbers as numbers: a mean becomes four columns, a printed number its text and status."""
    kinds = [_kind([row[i] for row in table.rows]) for i in range(len(table.header))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    suffixes = {Mean: ("", " stderr", " seeds", " items"), Printed: ("", " status"), Exact: ("",), str: ("",)}
    writer.writerow([name + s for name, kind in zip(table.header, kinds, strict=True) for s in suffixes[kind]])
    for row in table.rows:
        writer.writerow([v for e, kind in zip(row, kinds, strict=True) for v in _values(e, kind)])
    return out.getvalue()


def _kind(column: Sequence[Entry]) -> type:
    for kind in (Mean, Printed, Exact):
        if any(isinstance(e, kind) for e in column):
            return kind
    return str


def _values(entry: Entry, kind: type) -> list[object]:
    if isinstance(entry, Mean):
        return [repr(entry.value), repr(entry.stderr), entry.seeds, entry.items]
    if isinstance(entry, Printed):
        return [entry.text, entry.status]
    if isinstance(entry, Exact):
        return [repr(entry.value)]
    return [entry, *[""] * {Mean: 3, Printed: 1}.get(kind, 0)]


TEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
       "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "×": r"$\times$", "≈": r"$\approx$",
       "γ": r"$\gamma$", "≥": r"$\geq$", "≤": r"$\leq$", "–": "--", "<": r"\textless{}", ">": r"\textgreater{}",
       "|": r"\textbar{}", "½": r"$\frac{1}{2}$", "Δ": r"$\Delta$", "−": "$-$", "‖": r"$\|$", "θ": r"$\theta$"}


def tex(words: str) -> str:
    """Text as LaTeX prints it; each character is replaced once."""
    pieces = (("".join(TEX.get(letter, letter) for letter in piece), code) for piece, code in code_spans(words))
    return "".join(rf"\texttt{{{piece}}}" if code else piece for piece, code in pieces)


def latex(table: Table) -> str:
    """A booktabs table."""
    line: Callable[[Sequence[str]], str] = lambda cells: " & ".join(tex(c) for c in cells) + r" \\"  # noqa: E731
    body = [line([text(e) for e in row]) for row in table.rows]
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{tex(table.title)} {tex(' '.join(table.notes))}}}",
        rf"\label{{tab:{table.id}}}", rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}", r"\toprule",
        line(table.header), r"\midrule", *body, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])
