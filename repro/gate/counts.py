"""Counts behind verdicts (bytes at a model's shapes), kept with the reference.

They hang on the code alone and no record holds them: what they were when the reference was accepted must be kept as data.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from methods.parts import Refused
from repro.claims import Claim, Counted

FOLDER, FILE = "gate", "counts.json"
"""Beside the noise floor."""
Numbers = tuple[float | None, float | None]
"""A count and its limit; None where it was not counted yet."""
Counts = Mapping[str, Mapping[str, Numbers]]
"""Claim -> "count", or "control: count" -> its numbers."""


def every(claim: Claim) -> Iterator[tuple[str, Counted]]:
    """A claim's counts and its controls', by name."""
    yield from ((c.name, c) for c in claim.counted)
    yield from ((f"{control.name}: {c.name}", c) for control in claim.controls for c in control.counted)


def of(claims: Sequence[Claim]) -> Counts:
    """What is counted now, for the claims that rest on counts."""
    found = {c.id: {name: (x.value(), x.limit()) for name, x in every(c)} for c in claims if c.untried is None}
    return {claim: numbers for claim, numbers in found.items() if numbers}


def fixed(claim: Claim, numbers: Mapping[str, Numbers]) -> Claim:
    """The claim with numbers in place of what would be counted now; what is not among them was not counted."""
    def put(x: Counted, name: str) -> Counted:
        value, limit = numbers.get(name, (None, None))
        return replace(x, value=_always(value), limit=_always(limit))

    controls = (replace(k, counted=tuple(put(x, f"{k.name}: {x.name}") for x in k.counted)) for k in claim.controls)
    return replace(claim, counted=tuple(put(x, x.name) for x in claim.counted), controls=tuple(controls))


def _always(number: float | None) -> Callable[[], float | None]:
    return lambda: number


def place(root: Path, scale: str) -> Path:
    return root / scale / FOLDER / FILE


def read(root: Path, scale: str) -> dict[str, Counts]:
    """Paper -> what its claims counted when it was accepted; nothing where no counts were kept."""
    path = place(root, scale)
    if not path.exists():
        return {}
    try:
        return {paper: {claim: {name: (value, limit) for name, (value, limit) in of.items()} for claim, of in claims.items()}
                for paper, claims in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"cannot read the counts {path}; because they are none ({error}); restore the reference from version "
                      "control, or accept it anew with `python -m repro accept`") from error


def text(kept: Mapping[str, Counts]) -> str:
    return json.dumps(kept, indent=1, allow_nan=False) + "\n"
