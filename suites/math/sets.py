"""The data sets: where their rows come from, and what is question and reference in a row.

Source: MAmmoTH's evaluator as CoLM uses it (arXiv 2407.19580, section 5). NumGLUE, DeepMind and SimulEq are that
evaluator's own selections, which no Hub repository known to us holds: they come as files in its folders' form
(`numglue/numglue.json`) or as `numglue_test.jsonl`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from methods.parts import Refused
from suites import data
from suites.forms import ALPACA, ALPACA_HEADS, WORLD
from suites.math.latex import boxed

Row = Mapping[str, Any]
Domain = Literal["in", "out", "ours"]
REQUEST = "Let's write a program."
ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")


class Item(NamedTuple):
    """A row as read. `worked` is the row's own answer in full."""

    question: str
    reference: str
    worked: str
    fact: str
    source: str


@dataclass(frozen=True)
class Set:
    """A data set. `size`: the rows of the whole test set (None: whatever there is). `hub`: id, config, split."""

    name: str
    domain: Domain
    size: int | None
    read: Callable[[Row], tuple[str, str, str]]
    hub: tuple[str, str | None, str] | None = None
    rest: str | None = None
    """A further split that belongs to the set where the first is short of rows."""
    form: str = ALPACA_HEADS[0] + ALPACA
    """How a question is asked: as training sets in Alpaca's form are read."""

    def __str__(self) -> str:
        return f"math:{self.name}"


def _worked(row: Row) -> tuple[str, str, str]:
    """GSM8K: the reference stands behind ####."""
    return str(row["question"]).strip(), str(row["answer"]).rpartition("####")[2].strip(), str(row["answer"])


def _math(row: Row) -> tuple[str, str, str]:
    """MATH: the reference is in the last box."""
    if "solution" not in row:
        answer = row["answer"][0] if isinstance(row["answer"], list) else row["answer"]
        return str(row["question"]), str(answer), f"The answer is {answer}"
    return str(row["problem"]), boxed(str(row["solution"])) or "", str(row["solution"])


def _plain(row: Row) -> tuple[str, str, str]:
    return str(row["question"]), str(row["answer"]), f"The answer is {row['answer']}"


def _svamp(row: Row) -> tuple[str, str, str]:
    return f"{row['Body'].strip()} {row['Question'].strip()}", str(row["Answer"]), f"The answer is {row['Answer']}"


def _instruction(row: Row) -> tuple[str, str, str]:
    """The tiny world's: a worked solution ending #### n, or a program, whose reference is what it prints (not known yet)."""
    question, answer = str(row["instruction"]).removesuffix(REQUEST).strip(), str(row["output"])
    return question, "" if "print(" in answer else answer.rpartition("####")[2].strip(), answer


SETS = {s.name: s for s in (
    Set("gsm8k", "in", 1319, _worked, ("openai/gsm8k", "main", "test")),
    Set("math", "in", 5000, _math, ("DigitalLearningGmbH/MATH-lighteval", "default", "test")),
    Set("numglue", "in", 1042, _plain),
    Set("svamp", "out", 1000, _svamp, ("ChilleD/SVAMP", None, "test"), rest="train"),
    Set("deepmind", "out", 1000, _plain),
    Set("simuleq", "out", 514, _plain),
    Set("world", "ours", None, _instruction, ("world/math-instructions", None, "test"), form=WORLD))}


def stands_for_hub(source: Path) -> bool:
    """Whether a folder holds sets under their Hub ids; it is then asked alone, else it adds to the Hub."""
    return any(s.hub and (source / s.hub[0]).is_dir() for s in SETS.values())


def items(of: Set, source: Path | None, limit: int | None) -> list[Item]:
    """The first `limit` items (None: all). Raises Refused where the rows cannot be had or are fewer than the set has."""
    table, whole = _rows(of, source)
    wanted = min(limit or of.size or len(table), of.size or len(table)) if whole else min(limit or len(table), len(table))
    if not len(table) or len(table) < wanted:
        raise Refused(f"cannot evaluate on {of}; because its source has {len(table)} of the {wanted} rows that are to be "
                      "measured; use the whole test set, or a lower limit")
    return [_item(of, table[i], i) for i in range(wanted)]


def _item(of: Set, row: Row, position: int) -> Item:
    try:
        question, reference, worked = of.read(row)
    except KeyError as error:
        raise Refused(f"cannot read row {position} of {of}; because it has no field {error} but {', '.join(row)}; use the test "
                      "set's own files") from error
    except (AttributeError, IndexError, TypeError) as error:
        raise Refused(f"cannot read row {position} of {of}; because a field is empty or no text ({error}); use the test set's "
                      "own files") from error
    if not reference and "print(" not in worked:
        raise Refused(f"cannot use row {position} of {of}; because it has no reference answer; use the test set's own files")
    return Item(question, reference, worked, str(row.get("fact") or f"{of.name}/{position}"), str(row.get("source") or ""))


def _rows(of: Set, source: Path | None) -> tuple[Any, bool]:
    """Rows, and whether they should be the whole set."""
    if source is not None and stands_for_hub(source):
        if of.hub is None or not (source / of.hub[0]).is_dir():
            raise Refused(f"cannot evaluate on {of}; because {source} has no data of it; use another folder")
        return data.rows(data.DataSet(of.hub[0], config=of.hub[1], root=source), of.hub[2]), False
    files = [source / f"{stem}{end}" for stem in (f"{of.name}_test", f"{of.name}/{of.name}", of.name, f"SVAMP/{of.name.upper()}",
                                                f"{of.name}/{of.name.upper()}") for end in ENDINGS] if source else []
    found = next((f for f in files if f.is_file()), None)
    if found is not None:
        return data.rows(data.DataSet(str(found)), "train"), True
    if of.hub is None or of.domain == "ours":
        raise Refused(f"cannot evaluate on {of} from {source or 'the Hub'}; because no repository there is known to hold it; "
                      f"give a folder with {of.name}_test.jsonl")
    table = data.rows(data.DataSet(of.hub[0], config=of.hub[1]), of.hub[2])
    if of.rest and of.size and len(table) < of.size:
        return [*table, *data.rows(data.DataSet(of.hub[0], config=of.hub[1]), of.rest)], True
    return table, True
