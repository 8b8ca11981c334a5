"""`repro judge-report PATH...`: MT-Bench scores of anybody's judgments, and what may be compared with what."""
from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import Json

if TYPE_CHECKING:
    import pandas as pd

    from suites.mt_bench.report import Report

FEW = 3
"""Pairs of models up to which differences are shown by turn and category too; they are in the files in any case."""
ONLY_IF_ANY = ("failed", "missing", "left_out")
"""Counts that are shown where there are any."""


def judge_report(paths: Annotated[list[Path], typer.Argument(help="Judgment files (.jsonl, .jsonl.gz), or folders in FastChat's "
                                                             "layout, whose questions and answers are then used too.")],
                 questions: Annotated[Path | None, typer.Option(help="question.jsonl, for scores by category.")] = None,
                 answers: Annotated[Path | None, typer.Option(help="The answers that were judged: a file or folder; tells "
                                                              "whether scores go with length.")] = None,
                 policy: Annotated[str, typer.Option(help="A verdict that cannot be parsed: exclude (and count), or lowest "
                                                     "score.")] = "exclude",
                 latest: Annotated[bool, typer.Option("--latest", help="Of several judgments of an answer, take the "
                                                      "newest.")] = False,
                 across_judges: Annotated[bool, typer.Option("--across-judges", help="Put scores by different judges side by "
                                                             "side.")] = False,
                 any_category: Annotated[bool, typer.Option("--any-category", help="Take questions of categories that MT-Bench "
                                                            "does not have.")] = False,
                 check: Annotated[bool, typer.Option("--check", help="Refuse questions that are not MT-Bench's "
                                                     "own (SHA-256).")] = False,
                 out: Annotated[Path | None, typer.Option(help="Folder for tables and the radar.")] = None,
                 machine: Json = False) -> None:
    """Scores of MT-Bench judgments, overall, by turn and category, with n and interval; differences of models, agreement of
    judges, and checks for a judge's bias."""
    from typing import cast

    from suites.mt_bench import formats, known, layout
    from suites.mt_bench.report import report
    from suites.mt_bench.verdicts import Policy

    given = layout.judgments(paths)
    question_file = questions or next((f for p in paths if p.is_dir() and (f := layout.questions_file(p))), None)
    answer_paths = [answers] if answers else [p for p in paths if p.is_dir() and layout.has_answers(p)]
    if check and question_file is not None:
        known.check(formats.Question, question_file)
    asked = None if question_file is None else formats.read_questions(question_file,
                                                                      None if any_category else formats.CATEGORIES)
    answered = [a for p in answer_paths for a in layout.answers(p)] or None
    made = report(given, asked, answered, policy=cast(Policy, policy), latest=latest, across_judges=across_judges)
    if machine:
        print(json.dumps({"files": [str(f) for f in given.files], **plain(made)}, indent=1))
    else:
        show(made)
    if out is not None:
        figures = save(made, out)
        Console(stderr=machine).print(f"Tables{' and radar' if figures else ''}: {escape(str(out))}", soft_wrap=True)


def show(made: Report) -> None:
    console = Console()
    for scores in made.scores:
        judges = ", ".join(dict.fromkeys(scores["judge"]))
        several = ("judge",) if scores["judge"].nunique() > 1 else ()
        render(console, scores, f"Scores by the judge {judges}", (*several, "model", "part"))
    shown = made.differences
    named: tuple[str, ...] = ("judge", "first", "second", "part")
    if len(shown) and len(shown[["judge", "first", "second"]].drop_duplicates()) > FEW:
        shown, named = shown[shown["part"] == "overall"], named[:-1]
    render(console, shown, "Differences of models, question by question", named)
    render(console, made.agreement, "Agreement of judges on the same answers", ("judge_1", "judge_2", "part"))
    cross(console, made.confusion)
    render(console, made.length, "Rank correlation of score and length of an answer", ("judge", "model", "measure"))
    render(console, made.wins, "Pairs: share won by the first model", ("judge", "model_1", "model_2"))
    render(console, made.position, "Does the verdict go with the position?", ("judge", "measure"))
    console.print("Intervals: 90 %, by a bootstrap over questions (all turns of a question are drawn together).", soft_wrap=True)
    for note in made.notes:
        console.print(escape(note), soft_wrap=True)


def cross(console: Console, confusion: pd.DataFrame) -> None:
    """How often one judge gave a score where the other gave another, over all answers; by category it is in the files."""
    overall = confusion[confusion["part"] == "overall"] if len(confusion) else confusion
    for names, own in overall.groupby(["judge_1", "judge_2"], sort=False) if len(overall) else []:
        one, two = (escape(str(name)) for name in names)
        counts = own.pivot(index="score_1", columns="score_2", values="n").fillna(0).astype(int)
        shown = Table(one, *(str(c) for c in counts.columns), title=f"Scores by {one} (rows) and {two}")
        for score, row in counts.iterrows():
            shown.add_row(str(score), *(str(n) if n else "" for n in row))
        console.print(shown)


def render(console: Console, frame: pd.DataFrame, title: str, names: tuple[str, ...]) -> None:
    """A table of the named columns (those of one value go into the title), the estimate with its interval, and the rest."""
    if not len(frame):
        return
    same = [c for c in names[:-1] if frame[c].nunique() == 1]
    hidden = {*names, "judge", "mean", "low", "high", "stderr", "part"}
    hidden |= {c for c in ONLY_IF_ANY if c in frame and not frame[c].any()}
    others = [c for c in frame.columns if c not in hidden]
    title = f"{title} ({', '.join(str(frame[c].iloc[0]) for c in same)})" if same else title
    names = tuple(c for c in names if c not in same)
    estimate = ["mean", "90 % interval"] if "low" in frame else []
    shown = Table(*(c.replace("_", " ") for c in names), *estimate, *(c.replace("_", " ") for c in others), title=escape(title))
    for row in frame.to_dict("records"):
        numbers = [number(row["mean"]), interval(row["low"], row["high"])] if estimate else []
        shown.add_row(*(escape(str(row[c])) for c in names), *numbers, *(number(row[c]) for c in others))
    console.print(shown)


def interval(low: float, high: float) -> str:
    return "-" if math.isnan(low) else f"{number(low)} to {number(high)}"


def number(value: Any) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3f}"
    return str(value)


def save(made: Report, out: Path) -> list[Path]:
    """Every table as CSV, and a radar for each judge whose scores are known by category."""
    from methods import atomic
    from repro import radar
    from repro.store import spoken

    figures = []
    with spoken(out):
        for name, table in {"differences": made.differences, "agreement": made.agreement, "confusion": made.confusion,
                            "length": made.length,
                            "wins": made.wins, "position": made.position}.items():
            if len(table):
                atomic.write_text(out / f"{name}.csv", table.to_csv(index=False))
        for i, scores in enumerate(made.scores):
            end = f"-{i + 1}" if len(made.scores) > 1 else ""
            atomic.write_text(out / f"scores{end}.csv", scores.to_csv(index=False))
            if len(radar.categories(scores)) >= radar.LEAST:
                title = f"MT-Bench by category, judged by {', '.join(dict.fromkeys(scores['judge']))} (bands: 90 % interval)"
                figures += radar.draw(scores, title, out, f"radar{end}")
    return figures


def plain(made: Report) -> Any:
    """The report's tables as JSON values; not-a-number becomes null."""
    import pandas as pd

    from repro.store import plain as finite

    def rows(value: Any) -> Any:
        if isinstance(value, pd.DataFrame):
            return value.to_dict("records")
        return [rows(v) for v in value] if isinstance(value, tuple) else value

    return finite({f.name: rows(getattr(made, f.name)) for f in dataclasses.fields(made)})
