"""The full product of the slots: every recipe that the catalogue's examples can form, and why some are refused."""
from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from methods.catalogue import SLOTS
from methods.parts import Refused
from methods.recipe import Recipe
from methods.refusals import check


@dataclass(frozen=True)
class Cell:
    """One recipe of the product; `refusal` is its sentence, or None where it runs."""

    recipe: Recipe
    refusal: str | None


def product() -> Iterator[Cell]:
    for values in itertools.product(*SLOTS.values()):
        recipe = Recipe(**dict(zip(SLOTS, values, strict=True)))
        try:
            check(recipe)
        except Refused as refusal:
            yield Cell(recipe, str(refusal))
        else:
            yield Cell(recipe, None)
