"""The sets of lettered questions: which rows train, which choose, which test."""
from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from methods.parts import Refused
from methods.streams import Streams
from suites import data
from suites.options.questions import FORMS, Question

Split = Literal["train", "dev", "test"]
HELD_OUT = 0.2
"""Share of the training rows that choose, where a set has no split for it that the test is not taken from."""


@dataclass(frozen=True)
class Set:
    """`parts`: the (id, config) pairs it is read from. `train` may be several splits; `pooled`: the config whose split `train`
    holds the rows of all subjects, as the tiny world's does. `dev` None: a share of the training rows is held out."""

    name: str
    about: str
    form: str
    parts: tuple[tuple[str, str | None], ...]
    train: tuple[str, ...] = ("train",)
    dev: str | None = None
    test: str = "validation"
    pooled: str | None = None

    def __str__(self) -> str:
        return f"options:{self.name}"


def _mmlu(name: str, about: str, subjects: tuple[str, ...], world: bool = False) -> Set:
    parts = tuple(("cais/mmlu", s) for s in subjects)
    if world:
        return Set(name, about, "mmlu", parts, ("auxiliary_train",), "validation", "test", pooled="all")
    return Set(name, about, "mmlu", parts, ("dev", "validation"), None, "test")


STEM = ("abstract_algebra", "anatomy", "astronomy", "college_biology", "college_chemistry", "college_computer_science",
        "college_mathematics", "college_physics", "computer_security", "conceptual_physics", "electrical_engineering",
        "elementary_mathematics", "high_school_biology", "high_school_chemistry", "high_school_computer_science",
        "high_school_mathematics", "high_school_physics", "high_school_statistics", "machine_learning")
SOCIAL = ("econometrics", "high_school_geography", "high_school_government_and_politics", "high_school_macroeconomics",
          "high_school_microeconomics", "high_school_psychology", "human_sexuality", "professional_psychology",
          "public_relations", "security_studies", "sociology", "us_foreign_policy")
SETS: dict[str, Set] = {s.name: s for s in (
    Set("cqa", "CommonsenseQA", "by key", (("tau/commonsense_qa", None),)),
    Set("obqa", "OpenBookQA", "by key", (("allenai/openbookqa", "main"),), dev="validation", test="test"),
    Set("siqa", "SocialIQA", "social_iqa", (("allenai/social_i_qa", None),)),
    Set("arc-easy", "ARC Easy", "by key", (("allenai/ai2_arc", "ARC-Easy"),), dev="validation", test="test"),
    Set("arc-challenge", "ARC Challenge", "by key", (("allenai/ai2_arc", "ARC-Challenge"),), dev="validation", test="test"),
    _mmlu("mmlu-stem", "MMLU, STEM", STEM),
    _mmlu("mmlu-social", "MMLU, social sciences", SOCIAL),
    _mmlu("facts", "the tiny world's facts", ("high_school_biology", "high_school_geography", "high_school_world_history",
                                              "miscellaneous"), world=True),
    Set("reading", "the tiny world's exams about a passage", "agieval",
        tuple((f"hails/agieval-{exam}", None) for exam in ("gaokao-english", "logiqa-en", "sat-en")), dev="validation",
        test="test"),
    Set("five-options", "the tiny world's exams of five options", "agieval",
        tuple((f"hails/agieval-{exam}", None) for exam in ("lsat-ar", "lsat-lr", "lsat-rc")), dev="validation", test="test"),
)}


def find(name: str) -> Set:
    """Refused where there is none."""
    if name not in SETS:
        raise Refused(f"cannot find the questions {name!r}; because there are none; use one of {', '.join(SETS)}")
    return SETS[name]


def questions(name: str, root: Path | None, split: Split, *, limit: int | None = None, seed: int = 0) -> list[Question]:
    """Questions of a split; `limit` of them are drawn by the seed (training rows) or spread evenly over the set's parts.

    `root`: a folder that stands for the Hub. Raises Refused where the set cannot be had, and where nothing is left of it.
    """
    of = find(name)
    found = list(_rows(of, root, split))
    if limit is not None and limit < len(found):
        order = Streams(seed if split == "train" else 0).permutation(len(found), f"questions/{split}").tolist()
        found = [found[i] for i in (order[:limit] if split == "train" else sorted(order[:limit]))]
    if not found:
        raise Refused(f"cannot use {of}; because its {split} split has no question; use another set, or a limit above 0")
    return found


@functools.lru_cache(maxsize=32)
def _rows(of: Set, root: Path | None, split: Split) -> tuple[Question, ...]:
    names = {"train": of.train, "dev": of.train if of.dev is None else (of.dev,), "test": (of.test,)}[split]
    read = [q for name in names for q in _split(of, root, name, of.pooled is not None and name in of.train)]
    if split == "test" or of.dev is not None:
        return tuple(read)
    order = Streams(0).permutation(len(read), f"held out/{of.name}").tolist()
    cut = round(HELD_OUT * len(read))
    return tuple(read[i] for i in sorted(order[:cut] if split == "dev" else order[cut:]))


def _split(of: Set, root: Path | None, name: str, pooled: bool) -> list[Question]:
    read = FORMS[of.form]
    if pooled:
        wanted = {config for _, config in of.parts}
        rows = data.rows(data.DataSet(of.parts[0][0], config=of.pooled, root=root), name)
        return [read(row) for row in rows if row["subject"] in wanted]
    return [read(row) for id_, config in of.parts for row in data.rows(data.DataSet(id_, config=config, root=root), name)]
