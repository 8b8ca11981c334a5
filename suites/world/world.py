"""World: the few numbers from which every data set of the tiny world follows."""

import hashlib
from dataclasses import asdict, dataclass

from suites.world import lexicon
from suites.world.refuse import refuse

GENERATOR_VERSION = 2


@dataclass(frozen=True)
class World:
    """People, towns, ``difficulty`` (1-3: steps and sizes of problems), ``label_noise`` (share of wrong train labels)."""

    seed: int = 0
    people: int = 80
    towns: int = 20
    difficulty: int = 2
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what the lexicon cannot fill."""
        _within("people", self.people, 20, len(lexicon.PEOPLE))
        _within("towns", self.towns, 12, len(lexicon.TOWNS))
        _within("difficulty", self.difficulty, 1, 3)
        _within("label_noise", self.label_noise, 0.0, 0.5)

    def digest(self) -> str:
        """A name for everything this world writes: hash of every field and of the generator's version."""
        return hashlib.sha256(repr((GENERATOR_VERSION, sorted(asdict(self).items()))).encode()).hexdigest()[:16]


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        refuse(f"World: {name} = {value} is out of range; use {low} to {high}")
