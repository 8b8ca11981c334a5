"""Digests that notice a changed bit in a run's files: a record ends with those of its two Parquet files and with its own."""
from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TAIL = re.compile(rb'"samples": "([0-9a-f]{64})",\n  "curve": "([0-9a-f]{64})",\n  "record": "([0-9a-f]{64})"\n }\n}\n\Z')
LENGTH = 300
"""The tail is shorter than this."""


@dataclass(frozen=True)
class Seal:
    """The three digests at a record's end."""

    samples: str
    curve: str
    record: str
    """Of the record's text without this very digest."""

    @classmethod
    def of(cls, text: bytes) -> Seal | None:
        """None where a file does not end with one."""
        found = TAIL.search(text, max(0, len(text) - LENGTH))
        return cls(*(part.decode() for part in found.groups())) if found else None

    def holds(self, text: bytes) -> bool:
        """Whether the text is as it was written."""
        at = text.rindex(self.record.encode())
        return digest(text[:at] + text[at + len(self.record):]) == self.record


def sealed(values: Mapping[str, Any], samples: bytes, curve: bytes) -> bytes:
    """Strict JSON of the values, with the digests as its last field."""
    digests = {"samples": digest(samples), "curve": digest(curve), "record": ""}
    text = json.dumps({**values, "digests": digests}, indent=1, allow_nan=False).encode() + b"\n"
    at = text.rindex(b'""') + 1
    return text[:at] + digest(text).encode() + text[at:]


def digest(content: bytes) -> str:
    """SHA-256, as sha256sum prints it."""
    return hashlib.sha256(content).hexdigest()
