"""Which recipes run and which are refused: the whole product of the slots, in lines that each stand for a block of it."""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from methods.catalogue import SLOTS
from methods.matrix import product
from methods.recipe import describe
from repro.site import pages
from repro.site.files import OF_PAGES, code, digest, mark, stands

NAMES = tuple(SLOTS)
OF_RECIPES = ("methods/**/*.py", *OF_PAGES)


@dataclass(frozen=True)
class Block:
    """Recipes of one outcome: every combination of these values, by slot. `refusal`: its sentence, None where they run."""

    values: tuple[tuple[str, ...], ...]
    refusal: str | None

    @property
    def recipes(self) -> int:
        return math.prod(map(len, self.values))

    def whole(self, slot: int) -> bool:
        """Whether it holds every value of a slot."""
        return len(self.values[slot]) == len(SLOTS[NAMES[slot]])


def blocks(values: Sequence[tuple[str, ...]], outcome: dict[tuple[str, ...], str | None],
           chosen: tuple[str, ...] = ()) -> Iterator[Block]:
    """Blocks that hold each recipe of the product once: slots are told apart, the first first, until the outcome is one."""
    rest = values[len(chosen):]
    found = {outcome[key] for key in _keys(rest, chosen)}
    if len(found) == 1:
        yield Block((*((v,) for v in chosen), *rest), found.pop())
        return
    for value in rest[0]:
        yield from blocks(values, outcome, (*chosen, value))


def _keys(rest: Sequence[tuple[str, ...]], chosen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not rest:
        yield chosen
        return
    for value in rest[0]:
        yield from _keys(rest[1:], (*chosen, value))


def outcomes() -> dict[tuple[str, ...], str | None]:
    """The words of a recipe's six values -> why it is refused, None where it runs."""
    words = {id(v): describe(v) for values in SLOTS.values() for v in values}
    return {tuple(words[id(getattr(cell.recipe, name))] for name in NAMES): cell.refusal for cell in product()}


def reason(refusal: str) -> str:
    """What a refusal rests on, without the parts that it names."""
    return refusal.partition("; because ")[2].partition(";")[0] or refusal


def write(root: Path) -> None:
    """The page, unless it is of this code already."""
    wanted = digest(code(OF_RECIPES).encode())
    if stands(root, wanted):
        return
    outcome = outcomes()
    values = tuple(tuple(describe(v) for v in of) for of in SLOTS.values())
    found = list(blocks(values, outcome))
    reasons = Counter(reason(r) for r in outcome.values() if r is not None)
    pages.write("recipes", root, root / "recipes.html", slots=NAMES, blocks=found, count=len(outcome),
                runs=sum(r is None for r in outcome.values()), reasons=reasons.most_common())
    mark(root, wanted, [root / "recipes.html"])
