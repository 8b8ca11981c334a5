"""Where FastChat keeps its files: question.jsonl, model_answer/MODEL.jsonl, reference_answer/JUDGE.jsonl,
model_judgment/JUDGE_single.jsonl and JUDGE_pair.jsonl in one folder; here each may be compressed (.gz), and the same names may
stand in the folder itself with an underscore (model_answer_MODEL.jsonl), as files that were collected often do.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from methods.parts import Refused
from suites.mt_bench import formats, jsonl
from suites.mt_bench.formats import ModelAnswer
from suites.mt_bench.judgments import Pair, Single


@dataclass(frozen=True)
class Judgments:
    """Everything that was judged, of any number of models and judges."""

    singles: tuple[Single, ...]
    pairs: tuple[Pair, ...]
    files: tuple[Path, ...]


def answers_file(folder: Path, model: str) -> Path:
    return folder / "model_answer" / f"{_name(model)}.jsonl"


def judgments_file(folder: Path, judge: str, mode: Literal["single", "pair"]) -> Path:
    return folder / "model_judgment" / f"{_name(judge)}_{mode}.jsonl"


def references_file(folder: Path, judge: str) -> Path:
    return folder / "reference_answer" / f"{_name(judge)}.jsonl"


def questions_file(folder: Path) -> Path | None:
    return next((f for f in (folder / "question.jsonl", folder / "question.jsonl.gz") if f.exists()), None)


def judgments(paths: Sequence[Path]) -> Judgments:
    """Of files, and of all judgment files in folders. What a file holds is told from its first row, not its name."""
    files = [file for path in paths for file in _files(path, "model_judgment", "judgment files")]
    singles: list[Single] = []
    pairs: list[Pair] = []
    for file in files:
        _, first = next(iter(jsonl.rows(file, Single.where)))
        if "g1_winner" in first:
            pairs += formats.read(Pair, file)
        else:
            singles += formats.read(Single, file)
    return Judgments(tuple(singles), tuple(pairs), tuple(files))


def answers(path: Path) -> list[ModelAnswer]:
    """Of a file, or of all answer files in a folder."""
    return [a for file in _files(path, "model_answer", "answer files") for a in formats.read(ModelAnswer, file)]


def has_answers(folder: Path) -> bool:
    return bool(_inside(folder, "model_answer"))


def _files(path: Path, name: str, what: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = _inside(path, name)
    if not found:
        raise Refused(f"cannot find {what} in {path}; because there is no {name}/*.jsonl in it; give a file, or a folder in "
                      "FastChat's layout")
    return found


def _inside(folder: Path, name: str) -> list[Path]:
    """Files of the subfolder `name`, or named NAME_*; of a folder that is itself that subfolder, its own."""
    own = folder.resolve().name == name
    patterns = ["*.jsonl", "*.jsonl.gz"] if own else [f"{name}{sep}*.jsonl{end}" for sep in "/_" for end in ("", ".gz")]
    return sorted({file for pattern in patterns for file in folder.glob(pattern) if not file.name.startswith(".")})


def _name(name: str) -> str:
    """A model's or judge's name as a file's: a Hub id's slash becomes two underscores."""
    return name.strip().replace("/", "__") or "unnamed"
