"""Compact letter display: two methods share a letter exactly when they cannot be told apart.

Insert and absorb (Piepho, An algorithm for a letter-based representation of all-pairwise comparisons, J. Comput. Graph. Stat.
13(2), 2004, section 3). All methods start in one column; each pair that differs splits every column that holds both; a column
that lies within another is dropped. What is left are the largest sets without a difference in them, a letter each.
"""
from __future__ import annotations

import string
from collections.abc import Iterable, Sequence

from methods.parts import Refused

Pair = tuple[int, int]
ALPHABET = string.ascii_lowercase + string.ascii_uppercase


def columns(n: int, different: Iterable[Pair]) -> list[frozenset[int]]:
    """The largest sets of methods 0 .. n - 1 without a difference, that of the first method first."""
    found = [frozenset(range(n))]
    for pair in different:
        found = _split(found, _checked(pair, n))
    return sorted(found, key=sorted)


def _checked(pair: Pair, n: int) -> Pair:
    if pair[0] == pair[1] or not all(0 <= i < n for i in pair):
        raise Refused(f"cannot use the pair {pair}; because it is not two of {n} methods; use numbers from 0 to {n - 1}")
    return pair


def _split(old: Sequence[frozenset[int]], pair: Pair) -> list[frozenset[int]]:
    """Insert: each column with both becomes two, with one each. Absorb: only a new one can lie within another."""
    kept = [c for c in old if not c.issuperset(pair)]
    new = {c - {i} for c in old if c.issuperset(pair) for i in pair}
    return kept + [c for c in new if not any(c <= k for k in kept) and not any(c < other for other in new)]


def display(n: int, different: Iterable[Pair]) -> list[str]:
    """A method's letters, in order; methods should come best first, so that "a" is the best one's."""
    held: list[list[str]] = [[] for _ in range(n)]
    for number, column in enumerate(columns(n, different)):
        for i in column:
            held[i].append(letter(number))
    return ["".join(letters) for letters in held]


def letter(number: int) -> str:
    """a ... z, A ... Z, a1 ... z1, A1 ..."""
    again, place = divmod(number, len(ALPHABET))
    return ALPHABET[place] + (str(again) if again else "")
