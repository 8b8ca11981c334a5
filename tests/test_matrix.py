"""Recipes of the full product run three steps on a toy model, or are refused with their sentence.

Every combination of scope, estimator, update, objective and ensemble is run on plain batches and again with one of the
other selections, in turn, so that every selection meets every other part. `--whole-matrix` runs every recipe of the product
(a quarter of an hour). Which of them are refused is looked at over the whole product in any case.
"""
from __future__ import annotations

import dataclasses
import math
import re

import pytest

from methods.catalogue import SLOTS
from methods.examples import Example
from methods.fit import Training, fit
from methods.matrix import Cell, product
from methods.objective.choice_kl import ChoiceKl
from methods.objective.label_words import LabelWords
from methods.parts import Ensemble, Estimator, Objective, Refused, Scope, Selection, Update
from methods.recipe import Recipe
from methods.selection.uniform import Uniform
from methods.streams import Streams
from tests.toys import PAD, toy_examples, toy_llama

CELLS = list(product())
SENTENCE = re.compile(r"^cannot use .+; because .+; use .+$")


def examples_for(recipe: Recipe) -> list[Example]:
    """Nine examples; with a choice among label words each answer is one of two tokens."""
    rows = toy_examples(9)
    if not isinstance(recipe.objective, LabelWords | ChoiceKl):
        return rows
    return [Example((*e.input_ids[:max(1, e.answer_from)], 1 + i % 2), max(1, e.answer_from)) for i, e in enumerate(rows)]


PLAIN = Uniform()
OTHERS = [part for part in SLOTS["selection"] if part != PLAIN]


def in_turn(cell: Cell) -> bool:
    """Whether it is the selection's turn in this combination of the other parts; it always is that of plain batches."""
    place = {slot: parts.index(getattr(cell.recipe, slot)) for slot, parts in SLOTS.items() if slot != "selection"}
    turn = place["scope"] + 3 * place["estimator"] + 5 * place["update"] + 7 * place["objective"]
    ensembles = SLOTS["ensemble"]  # training a member asks none of it: they take turns
    return (cell.recipe.selection in (PLAIN, OTHERS[turn % len(OTHERS)])
            and cell.recipe.ensemble == ensembles[turn // 2 % len(ensembles)])


RUN = [cell for cell in CELLS if in_turn(cell)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        cells = CELLS if metafunc.config.getoption("--whole-matrix") else RUN
        metafunc.parametrize("cell", cells, ids=lambda c: str(c.recipe))


def test_every_combination_is_run_and_every_selection_meets_every_part():
    assert len(RUN) == 2 * len(CELLS) // len(SLOTS["selection"]) // len(SLOTS["ensemble"])
    met = {(cell.recipe.selection, getattr(cell.recipe, slot)) for cell in RUN for slot in SLOTS}
    assert met >= {(s, part) for s in SLOTS["selection"] for slot, parts in SLOTS.items() for part in parts
                   if slot != "selection"}


def test_no_selection_is_refused_where_another_is_not():
    """None of the rules is about a selection of the catalogue."""
    refused: dict[tuple[object, ...], set[str | None]] = {}
    for cell in CELLS:
        others = tuple(getattr(cell.recipe, slot) for slot in SLOTS if slot != "selection")
        refused.setdefault(others, set()).add(cell.refusal)
    assert all(len(sentences) == 1 for sentences in refused.values())


def test_the_product_is_whole_and_has_both_kinds():
    assert len(CELLS) == math.prod(len(parts) for parts in SLOTS.values())
    assert 0 < sum(c.refusal is not None for c in CELLS) < len(CELLS)


def test_a_recipe_runs_three_steps_or_is_refused_before_the_first(cell: Cell):
    stream = fit(toy_llama(), cell.recipe, examples_for(cell.recipe), Training(steps=3, batch_size=4), Streams(0), pad_id=PAD)
    if cell.refusal is not None:
        assert SENTENCE.match(cell.refusal)
        with pytest.raises(Refused, match=re.escape(cell.refusal)):
            next(stream)
        return
    losses = [s.loss for s in stream][1:]
    assert len(losses) == 3
    assert all(map(math.isfinite, losses))


def test_every_recipe_survives_json_and_is_hashable():
    for recipe in (cell.recipe for cell in CELLS):
        again = Recipe.from_json(recipe.to_json())
        assert again == recipe
        assert hash(again) == hash(recipe)


KINDS = dict(zip(SLOTS, (Scope, Estimator, Update, Selection, Objective, Ensemble), strict=True))


@pytest.mark.parametrize(("slot", "part"), [(s, p) for s, parts in SLOTS.items() for p in parts], ids=str)
def test_a_part_fits_its_slot_and_is_frozen(slot, part):
    assert isinstance(part, KINDS[slot])
    with pytest.raises(dataclasses.FrozenInstanceError):
        part.anything = 1


def test_unknown_parts_and_fields_are_refused():
    known = CELLS[0].recipe.to_json()
    with pytest.raises(Refused, match="part called 'Magic'"):
        Recipe.from_json({**known, "scope": {"part": "Magic"}})
    with pytest.raises(Refused, match="no such field"):
        Recipe.from_json({**known, "scope": {"part": "Full", "gamma": 2}})
