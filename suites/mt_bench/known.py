"""MT-Bench's own questions, judge prompts and references, known by SHA-256; they are not copied here.

The digest is that of the file's rows, each as FastChat writes it (`json.dumps` and a line feed), so that a file with the same
rows whose letters are escaped in another way, or that is compressed, is known too. Source of the files: FastChat at 0e6d3e4.
"""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

from methods.parts import Refused
from suites.mt_bench import jsonl
from suites.mt_bench.formats import FASTCHAT, JudgePrompt, ModelAnswer, Question

COMMIT = "0e6d3e4beaab66f4d3f93db72541a4abab8af28d"
DIGESTS: dict[type, str] = {
    Question: "119565adbab82227089cefdb44c8d7e2cf04dc0a0ec233634c82e7d4e2a944f7",
    JudgePrompt: "fd283293406d024f44c174b094ef48031d0687a4682fd3a56b29b138f80281b6",
    ModelAnswer: "f957a5bc977badb66885ec970e6cd08527845780313f0995764260e5777b9b3f",
}
"""Of the 80 questions, the 8 judge prompts, and GPT-4's 30 references (a ModelAnswer is known as a reference alone)."""
NAMES: dict[type, str] = {Question: "MT-Bench's 80 questions", JudgePrompt: "FastChat's 8 judge prompts",
                          ModelAnswer: "GPT-4's 30 reference answers"}


def digest(path: Path, where: str = "") -> str:
    """SHA-256 of the file's rows. Raises Refused where it cannot be read."""
    made = hashlib.sha256()
    for _, row in jsonl.rows(path, where):
        made.update(f"{json.dumps(row)}\n".encode())
    return made.hexdigest()


def check(kind: type[Question] | type[JudgePrompt] | type[ModelAnswer], path: Path) -> None:
    """Raises Refused where the file's rows are not MT-Bench's own."""
    found = digest(path, kind.where)
    if found != DIGESTS[kind]:
        raise Refused(f"cannot take {path} for {NAMES[kind]}; because the SHA-256 of its rows is {found[:16]}... and not "
                      f"{DIGESTS[kind][:16]}...; use the file of {FASTCHAT} at commit {COMMIT[:7]}, or go without the check and "
                      "say so beside the scores")
