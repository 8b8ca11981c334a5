"""Label noise: the stated share of the train rows gets a wrong answer; every other split stays clean."""

import random
from collections.abc import Callable, Mapping, Sequence

from suites.world.draw import stream
from suites.world.pubmedqa import ANSWERS
from suites.world.world import World

Row = dict[str, object]
Tables = Mapping[str, Mapping[str, Sequence[Row]]]
TRAIN_SPLITS = ("train", "auxiliary_train")


def _other(value: object, values: Sequence[object], rng: random.Random) -> object:
    return rng.choice([v for v in values if v != value])


def _letter(row: Row, rng: random.Random) -> Row:
    return row | {"answer": _other(row["answer"], range(4), rng)}


def _two(row: Row, rng: random.Random) -> Row:
    return row | {"answer": _other(row["answer"], "12", rng)}


def _verdict(row: Row, rng: random.Random) -> Row:
    wrong = _other(row["final_decision"], ANSWERS, rng)
    return row | {"final_decision": wrong, "LONG_ANSWER": wrong}


def _label(row: Row, rng: random.Random) -> Row:
    return row | {"label": _other(row["label"], (0, 1), rng)}


FLIPS: dict[str, Callable[[Row, random.Random], Row]] = {
    "cais/mmlu": _letter,
    "allenai/winogrande": _two,
    "bigbio/pubmed_qa": _verdict,
    "nyu-mll/glue": _label,
}


def noisy(world: World, hub_id: str, tables: Tables) -> Tables:
    """The tables with ``round(label_noise * n)`` labels of each train split flipped, in data sets that have labels."""
    flip = FLIPS.get(hub_id)
    if flip is None or world.label_noise == 0:
        return tables
    return {
        config: {
            split: _flipped(world, flip, rows, stream("noise", world.seed, hub_id, config, split))
            if split in TRAIN_SPLITS
            else rows
            for split, rows in splits.items()
        }
        for config, splits in tables.items()
    }


def _flipped(world: World, flip: Callable[[Row, random.Random], Row], rows: Sequence[Row], rng: random.Random) -> list[Row]:
    chosen = set(rng.sample(range(len(rows)), round(world.label_noise * len(rows))))
    return [flip(row, rng) if i in chosen else row for i, row in enumerate(rows)]
