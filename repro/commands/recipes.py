"""A recipe from the command line: a name, a learning rate, and fields of its parts by name."""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from methods.recipe import Recipe

RATES: Mapping[str, float] = {
    "full": 5e-5, "full-sgd": 1e-2, "lora": 2e-4, "galore": 2e-4, "colm": 2e-5, "colm-clustered": 2e-5, "mezo": 1e-6,
    "mezo-adam": 1e-5, "helene": 1e-7, "zo-sophia": 1e-6, "zo-sign": 1e-6, "zo-conservative": 1e-6, "forward-grad": 1e-6}
OTHER_RATE = 5e-5
"""Starting points where --lr is not given: common choices, not tuned for anyone's model, and said to be so."""


def recipe_of(name: str, lr: float | None, settings: Mapping[str, Any]) -> Recipe:
    """The named recipe with some fields changed. Refused when the name, a field or a value's type is unknown."""
    from methods.papers import NAMED
    from methods.parts import Refused

    if name not in NAMED:
        raise Refused(f"cannot use recipe {name!r}; because there is none of this name; use one of {', '.join(NAMED)}")
    named: Mapping[str, Any] = NAMED
    recipe: Recipe = named[name](RATES.get(name, OTHER_RATE) if lr is None else lr)
    for field, value in settings.items():
        recipe = with_field(recipe, field, value)
    return recipe


def with_field(recipe: Recipe, name: str, value: Any) -> Recipe:
    """The recipe with `name` changed in the one slot whose part has that field; `slot.name` says which."""
    from methods.parts import Refused

    slots = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}
    wanted, _, field = name.rpartition(".")
    holders = [s for s, part in slots.items() if (not wanted or s == wanted) and field in fields_of(part)]
    if len(holders) != 1:
        known = sorted(f"{s}.{f}" for s, part in slots.items() for f in fields_of(part))
        why = "several parts have it" if holders else "no part of this recipe has it"
        raise Refused(f"cannot set {name}; because {why}; use one of {', '.join(known)}")
    part = slots[holders[0]]
    old = getattr(part, field)
    if not fits(value, old):
        raise Refused(f"cannot set {name} to {value!r}; because it is {old!r} by default, another kind of value; "
                      f"give a value like that")
    changed = dataclasses.replace(part, **{field: type(old)(value) if isinstance(old, float) else value})
    return dataclasses.replace(recipe, **{holders[0]: changed})


def fields_of(part: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(part))


def fits(value: Any, old: Any) -> bool:
    """Whether a value may stand where `old` stood; a field that may be empty takes anything."""
    if old is None or value is None:
        return True
    if isinstance(old, bool) or isinstance(value, bool):
        return isinstance(old, bool) and isinstance(value, bool)
    return isinstance(value, int | float) if isinstance(old, float) else isinstance(value, type(old))


def settings_of(pairs: Sequence[str]) -> dict[str, Any]:
    """`field=value` pairs; a value is JSON where it reads as such, else text."""
    from methods.parts import Refused

    found: dict[str, Any] = {}
    for pair in pairs:
        field, equals, text = pair.partition("=")
        if not (field and equals):
            raise Refused(f"cannot use --set {pair}; because it is not of the form field=value; use e.g. --set gamma=2")
        try:
            found[field] = json.loads(text)
        except ValueError:
            found[field] = text
    return found
