"""Files of one JSON object a line, plain or .gz: read with the file, the line and the reason where one is bad, written whole.

What FastChat's programs read and write: UTF-8, lines ended by a line feed alone, numbers that are numbers (no NaN).
"""
from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Never

from methods import atomic
from methods.parts import Refused

Row = Mapping[str, Any]


class BadLine(ValueError):
    """What is wrong with a line's content; the reader of the file adds which file and line."""


def rows(path: Path, where: str = "") -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of every line that is not blank. Raises Refused for a file or line that cannot be read.

    `where` says where to get the file if it is missing.
    """
    found = False
    for number, line in enumerate(_bytes(path, where).split(b"\n"), start=1):
        if line.strip():
            found = True
            yield number, _object(path, number, line)
    if not found:
        raise Refused(f"cannot use {path}; because it is empty; use a file with one JSON object a line{_from(where)}")


def refuse(path: Path, number: int, why: object) -> Never:
    raise Refused(f"cannot read line {number} of {path}; because {why}; mend or remove that line")


def line(row: Row) -> str:
    """One line without its end. Letters stay readable, except where half a character (a lone surrogate) must be escaped."""
    text = json.dumps(dict(row), ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(dict(row), allow_nan=False)
    return text


def write(path: Path, lines: Iterable[Row]) -> None:
    """Replaces the file by these rows, all or none; .gz is compressed, the same rows to the same bytes."""
    content = "".join(f"{line(row)}\n" for row in lines).encode()
    atomic.write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _bytes(path: Path, where: str) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except FileNotFoundError:
        raise Refused(f"cannot read {path}; because there is no such file; give its path{_from(where)}") from None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise Refused(f"cannot read {path}; because of this: {why}; give a readable .jsonl or .jsonl.gz file") from error


def _from(where: str) -> str:
    return f" ({where})" if where else ""


def _object(path: Path, number: int, content: bytes) -> dict[str, Any]:
    try:
        row = json.loads(content.decode(), parse_constant=_no_number)
    except UnicodeDecodeError:
        refuse(path, number, "it is not UTF-8")
    except BadLine as error:
        refuse(path, number, error)
    except (ValueError, RecursionError) as error:
        refuse(path, number, f"it is not JSON ({error})")
    if not isinstance(row, dict):
        refuse(path, number, "it is not a JSON object")
    return row


def _no_number(word: str) -> Never:
    raise BadLine(f"{word} is not a number")
