"""Scores of predictions on lettered questions, question by question, as `repro.evidence` lines them up."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from repro import inference
from repro.claims import Missing, OfAnswers
from repro.inference import Said
from suites.calibration import items, metrics
from suites.calibration.answers import Answers, Floats
from suites.calibration.table import labelled

WORLDS = 200
"""Labellings drawn from a model's own probabilities, for what a perfectly calibrated one would show."""
Find = Callable[[str], pd.DataFrame | None]
"""A set's key -> its samples, None where it was not asked."""


@dataclass(frozen=True)
class Scored:
    """A number for every question, whose mean is the score; questions that hang on one fact share its name."""

    values: Floats
    facts: tuple[str, ...]
    items: tuple[str, ...]


def named(name: str) -> tuple[str, str]:
    """"lora|ensemble" -> ("lora", "ensemble"); without a way, the mean member (the one there is, where there is one)."""
    arm, _, way = name.partition("|")
    return arm, way or "member"


def score(measure: OfAnswers, way: str, find: Find, dev: str | None) -> Scored:
    """One run's score. Raises Missing where its sets were not asked or the score is not defined on them."""
    said, chosen_on = _said(find, measure.set), _said(find, dev) if dev and find(dev) is not None else None
    if measure.score in OF_MEMBERS:
        values, facts = OF_MEMBERS[measure.score](said), said.facts
    elif measure.score in OF_TWO:
        if measure.outside is None:
            raise Missing(f"{measure.label} needs a second set of questions")
        outside = _said(find, measure.outside)
        own, other = (inference.predict(way, of, chosen_on) for of in (said, outside))
        values = np.mean([OF_TWO[measure.score](a, b) for a, b in zip(own, other, strict=True)], axis=0)
        facts = (said.facts + outside.facts)[-len(values):]
    else:
        of = OF_WORLDS.get(measure.score) or items.ITEMS[measure.score]
        values = np.mean([of(answers) for answers in inference.predict(way, said, chosen_on)], axis=0)
        facts = tuple(f"world/{i}" for i in range(WORLDS)) if measure.score in OF_WORLDS else said.facts
    if not np.isfinite(values).all():
        raise Missing(f"{measure.label} is not defined where all answers are right, or none is")
    return Scored(values, facts, tuple(f"{measure.set}/{i}" for i in range(len(values))))


def answers(way: str, find: Find, key: str, dev: str | None) -> list[Answers]:
    """The distributions of a prediction on a set, for figures."""
    return inference.predict(way, _said(find, key), _said(find, dev) if dev and find(dev) is not None else None)


def _said(find: Find, key: str) -> Said:
    frame = find(key)
    if frame is None:
        raise Missing(f"the questions of {key} were not asked")
    return inference.read(frame)


def _if_calibrated(of: Answers) -> Floats:
    """[WORLDS] the ECE (15 bins) for labels drawn from the probabilities: its error is that of the simulation."""
    drawn = np.concatenate(list(labelled(of, WORLDS, np.random.default_rng(0))))
    return metrics.top_label(15)(metrics.Draws(of, np.ones((1, len(of))), drawn))


OF_MEMBERS: Mapping[str, Callable[[Said], Floats]] = {"disagreement": inference.disagreement, "gap": inference.gap}
OF_TWO: Mapping[str, Callable[[Answers, Answers], Floats]] = {"ood auroc": items.ood_auroc, "fpr95": items.fpr95}
OF_WORLDS: Mapping[str, Callable[[Answers], Floats]] = {"ece if calibrated": _if_calibrated}
SCORES = (*items.ITEMS, *OF_MEMBERS, *OF_TWO, *OF_WORLDS)
