"""Templates as data: text with fields, each of which may be changed in one way, named by a letter after `!`."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Any

from suites.forms import field, text

LINKS = {"effect": "so", "cause": "because"}
CHANGES: dict[str, Callable[[str], str]] = {
    "c": lambda s: s[:-1],
    "p": lambda s: s.removesuffix("."),
    "f": lambda s: s[:1].lower() + s[1:],
    "i": lambda s: s if s == "I" or s.startswith(("I ", "I'")) else s[:1].lower() + s[1:],
    "l": str.lower,
    "q": lambda s: s[:1].upper() + s[1:] + ("" if s.endswith("?") else "?"),
    "b": lambda s: LINKS[s],
    "h": lambda s: s.replace("@highlight\n", "- "),
}
"""c: without the last character. p: without the final period. f: first letter lower. i: so, but never the word I.
l: lower case. q: first letter upper, a question mark at the end. b: so or because. h: highlights as a list."""


class _Filler(Formatter):
    """Fields of a row, dotted ones inside others."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return text(field(kwargs, field_name)), field_name

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        return value if conversion is None else CHANGES[conversion](value)


def fill(template: str, row: Mapping[str, Any]) -> str:
    """The template with the row's fields. Raises Refused where the row lacks one."""
    return _Filler().vformat(template, (), row)


def fields(template: str) -> tuple[str, ...]:
    """The fields that a template names, in order, each once."""
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(template) if name))
