"""The terminal, or a file that stands in for it, for tables of many columns."""
from __future__ import annotations

from rich.console import Console

WIDTH = 118
"""In less a table of many columns cannot be read; a narrower terminal breaks its lines."""


def wide() -> Console:
    """A console of at least `WIDTH` columns."""
    return Console(width=max(WIDTH, Console().width))
