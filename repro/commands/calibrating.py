"""`repro calibrate FILE`: the calibration table and diagram of anybody's answers."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import Json

if TYPE_CHECKING:
    import pandas as pd

PROBABILITIES = ("probabilities", "probability", "probs", "prob", "p", "softmax", "confidences")
LOGITS = ("logits", "logit", "logprobs", "logprob", "log_probs", "log_prob", "loglik", "loglikelihoods", "scores", "score")
LABELS = ("label", "labels", "gold", "target", "answer", "answer_idx", "correct_option", "y")


def calibrate(file: Annotated[Path, typer.Argument(help="JSONL, CSV or Parquet: a row a question.")],
              probabilities: Annotated[str, typer.Option(help="Field of option probabilities (a list, or the beginning of "
                                                              "numbered columns).")] = "",
              logits: Annotated[str, typer.Option(help="Field of option logits or log-likelihoods, instead.")] = "",
              labels: Annotated[str, typer.Option(help="Field of the right option: its position from 0, or a letter.")] = "",
              clusters: Annotated[str, typer.Option(help="Field that questions which hang together share.")] = "",
              elsewhere: Annotated[Path | None, typer.Option("--outside", help="Answers of the same model to questions from "
                                                             "elsewhere, with the same fields: how well uncertainty tells "
                                                             "them.")] = None,
              out: Annotated[Path | None, typer.Option(help="Folder for table and diagram.")] = None,
              machine: Json = False) -> None:
    """Measure the calibration of answers that somebody's model gave: every measure with n, interval, and the value of a
    perfectly calibrated model."""
    from suites.calibration import floored, outside, reliability, table

    answers = answers_of(read(file), probabilities, logits, labels, clusters)
    other = None if elsewhere is None else answers_of(read(elsewhere), probabilities, logits, labels, clusters)
    found = table(answers)
    told = None if other is None else outside(answers, other)
    if out is not None:
        from methods import atomic
        from repro import reliability as diagram
        from repro.store import spoken

        with spoken(out):
            out.mkdir(parents=True, exist_ok=True)
            atomic.write_text(out / "calibration.csv", found.to_csv(index=False))
            diagram.draw(reliability(answers), f"{file.name} (n = {len(answers)})", out)
    if machine:
        from repro.store import plain

        print(json.dumps(plain({"n": len(answers), "floored": floored(answers), "measures": found.to_dict("records"),
                                "reliability": reliability(answers).to_dict("records"),
                                **({} if told is None else {"outside": told.to_dict("records")})}), indent=1))
        return
    show(found, file, floored(answers))
    if told is not None:
        show_outside(told)
    if out is not None:
        Console().print(f"Table and diagram: {escape(str(out))}", soft_wrap=True)


def show(found: pd.DataFrame, file: Path, floor: int) -> None:
    shown = Table("measure", "value", "90 % interval", "perfectly calibrated: mean, 90 %",
                  title=escape(f"{file.name}: {found['n'].iloc[0]} questions"))
    for row in found.to_dict("records"):
        shown.add_row(str(row["measure"]), f"{row['value']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}",
                      f"{row['calibrated']:.4f}, {row['calibrated_low']:.4f} to {row['calibrated_high']:.4f}")
    console = Console()
    console.print(shown)
    console.print("Of equally likely options the first is taken. A binned error is above 0 for a perfectly calibrated model too: "
                  "compare with the last column.", soft_wrap=True)
    if floor:
        console.print(f"{floor} right options had less than 1e-12, which the nll counts as that.", soft_wrap=True)


def show_outside(told: pd.DataFrame) -> None:
    first = told.iloc[0]
    shown = Table("telling the own questions from those outside", "value", "90 % interval",
                  title=f"{first['n_own']} own questions, {first['n_outside']} from outside")
    for row in told.to_dict("records"):
        shown.add_row(str(row["measure"]), f"{row['value']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}")
    Console().print(shown)


def read(file: Path) -> pd.DataFrame:
    """Raises Refused for a file that is missing, empty, or of another kind."""
    import pandas as pd

    from methods.parts import Refused

    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".jsonl": lambda f: pd.read_json(f, lines=True), ".json": pd.read_json, ".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if file.suffix not in readers:
        raise Refused(f"cannot read {file}; because its name ends with {file.suffix or 'nothing'}; use {', '.join(readers)}")
    try:
        frame = readers[file.suffix](file)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise Refused(f"cannot read {file}; because {why}; use a file of rows with option probabilities and labels") from error
    if not len(frame):
        raise Refused(f"cannot measure calibration on {file}; because there is no row in it; use one with a row a question")
    return frame


def answers_of(frame: pd.DataFrame, probabilities: str, logits: str, labels: str, clusters: str) -> Any:
    """`suites.calibration.Answers` of named fields, or of the first known ones, said on standard error."""
    from methods.parts import Refused
    from suites.calibration import Answers

    if probabilities and logits:
        raise Refused("cannot take both probabilities and logits; because one follows from the other; name one")
    known = ((probabilities or logits,) if probabilities or logits else (*PROBABILITIES, *LOGITS))
    values = next((name for name in known if lists(frame, name)), None)
    label = next((name for name in ((labels,) if labels else LABELS) if name in frame), None)
    for what, found, asked in (("option probabilities or logits", values, probabilities or logits), ("labels", label, labels)):
        if found is None:
            raise Refused(f"cannot find {what}{f' in the field {asked!r}' if asked else ''}; because the fields are "
                          f"{', '.join(map(str, frame.columns))}; name one with --probabilities or --logits, and --labels")
    if clusters and clusters not in frame:
        raise Refused(f"cannot find the field {clusters!r}; because the fields are {', '.join(map(str, frame.columns))}; name "
                      "one")
    assert values is not None
    assert label is not None
    as_logits = bool(logits) or (not probabilities and values in LOGITS)
    if not (probabilities or logits) or not labels:
        kind = "logits" if as_logits else "probabilities"
        Console(stderr=True).print(f"Taking {values!r} for {kind} and {label!r} for labels; name others with --probabilities, "
                                   "--logits and --labels.", soft_wrap=True)
    make = Answers.of_logits if as_logits else Answers.of
    return make(options(frame, values), positions(frame[label]), list(frame[clusters]) if clusters else None)


def lists(frame: pd.DataFrame, name: str) -> list[str]:
    """The column of this name, or the numbered columns that begin with it (p0, p_1, p.2), in order."""
    import re

    if name in frame:
        return [name]
    found = {int(m.group(1)): str(c) for c in frame.columns if (m := re.fullmatch(re.escape(name) + r"[_.\-]?(\d+)", str(c)))}
    return [found[i] for i in sorted(found)] if len(found) > 1 else []


def options(frame: pd.DataFrame, name: str) -> list[list[float]]:
    """Raises Refused where a row is no list of numbers. Empty cells behind the last option are left out."""
    import math

    from methods.parts import Refused

    columns = lists(frame, name)
    rows = frame[columns].to_numpy().tolist() if len(columns) > 1 else frame[columns[0]].tolist()
    try:
        made = [[float(v) for v in (json.loads(row) if isinstance(row, str) else row)] for row in rows]
    except (TypeError, ValueError) as error:
        raise Refused(f"cannot read the field {name!r}; because it holds no lists of numbers ({error}); give one list a "
                      "question, or numbered columns") from error
    if len(columns) > 1:
        for row in made:
            while row and math.isnan(row[-1]):
                row.pop()
    return made


def positions(labels: pd.Series) -> list[Any]:
    """Letters become positions; other labels stay as they are."""
    if labels.map(lambda v: isinstance(v, str) and len(v.strip()) == 1 and v.strip().isalpha()).all():
        return [ord(v.strip().upper()) - ord("A") for v in labels]
    import pandas as pd

    numbers = pd.to_numeric(labels, errors="coerce")
    return labels.tolist() if numbers.isna().any() else numbers.tolist()
