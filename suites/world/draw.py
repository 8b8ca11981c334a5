"""Randomness by name: every draw of the world is a function of (seed, purpose), on every machine."""

import hashlib
import random
from collections.abc import Callable
from typing import Literal, TypeVar

from suites.world.refuse import refuse

T = TypeVar("T")
Split = Literal["pretrain", "train", "dev", "test"]
SHARES: tuple[tuple[Split, float], ...] = (("pretrain", 0.45), ("train", 0.15), ("dev", 0.1), ("test", 0.3))


def number(*purpose: object) -> int:
    """A 64-bit number that depends on the purpose's printed form alone."""
    return int.from_bytes(hashlib.sha256(repr(purpose).encode()).digest()[:8], "big")


def stream(*purpose: object) -> random.Random:
    """A random stream of its own for one purpose."""
    return random.Random(number(*purpose))


def split_of(seed: int, key: str) -> Split:
    """The one split a fact or problem instance belongs to: a hash of (seed, key), so no two splits can share it."""
    point = number("split", seed, key) / 2**64
    for split, share in SHARES:
        point -= share
        if point < 0:
            return split
    return "test"


def distinct(make: Callable[[random.Random], T], keep: Callable[[T], bool], n: int, rng: random.Random) -> list[T]:
    """``n`` different values of ``make`` that satisfy ``keep``; raises Refused when the space is too small for that."""
    found: dict[T, None] = {}
    for _ in range(400 * n + 4000):
        if len(found) == n:
            return list(found)
        value = make(rng)
        if keep(value):
            found[value] = None
    refuse(f"the world holds only {len(found)} of the {n} different items asked for; ask for fewer or enlarge it")


def balanced(n: int, k: int, rng: random.Random) -> list[int]:
    """``n`` indices below ``k``, each as often as any other (to within one), in random order."""
    places = [i % k for i in range(n)]
    rng.shuffle(places)
    return places
