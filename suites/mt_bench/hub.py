"""MT-Bench's 80 questions from the Hub, where they are kept under other names and without their numbers.

Source: HuggingFaceH4/mt_bench_prompts (columns prompt, prompt_id, category, reference; split train; the rows in FastChat's order,
prompt_id a hash of the text). The numbers are FastChat's, 81 to 160; categories and texts are checked by SHA-256.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from methods.parts import Refused
from suites import data
from suites.mt_bench.formats import FASTCHAT, Question

ID, FIRST = "HuggingFaceH4/mt_bench_prompts", 81
DIGEST = "49e2295433772685872ba42df0744ec8f7dee543f801745ac904348935369cca"
"""Of the categories and turns of FastChat's question.jsonl."""


def questions(root: Path | None = None) -> list[Question]:
    """From the Hub, or from a folder that holds data sets under their Hub ids. Raises Refused where they are not MT-Bench's."""
    rows = [dict(row) for row in data.rows(data.DataSet(ID, root=root), "train")]
    try:
        found = [Question(FIRST + i, str(row["category"]), tuple(row["prompt"]), tuple(row["reference"] or ()))
                 for i, row in enumerate(rows)]
    except KeyError as error:
        raise Refused(f"cannot read {ID}; because its rows have no {error}; use FastChat's question.jsonl ({FASTCHAT})") from None
    if digest(found) != DIGEST:
        raise Refused(f"cannot take {ID} for MT-Bench's questions; because the SHA-256 of its texts is {digest(found)[:16]}... "
                      f"and not {DIGEST[:16]}...; use FastChat's question.jsonl ({FASTCHAT})")
    return found


def digest(asked: Iterable[Question]) -> str:
    """SHA-256 of what is asked: category and turns of every question, in order."""
    return hashlib.sha256(json.dumps([[q.category, *q.turns] for q in asked]).encode()).hexdigest()
