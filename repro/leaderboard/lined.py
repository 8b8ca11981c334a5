"""Methods of a board brought onto the same items: a mean over other items is another number."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from repro.leaderboard.entrants import Entrant, Trouble
from repro.series import Series


@dataclass(frozen=True)
class Lined:
    """Methods over the same items; those that could not be brought there; what was done about unequal items."""

    entrants: tuple[Entrant, ...]
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...] = ()


def line_up(entrants: Sequence[Entrant]) -> Lined:
    """The items that all have, in the order of the most common set. A method without any of that set, or with other facts behind
    its items, or trained from other weights or data, is left out and named."""
    if not entrants:
        return Lined((), ())
    pins = Counter(e.pins for e in entrants).most_common(1)[0][0]
    troubles = [_incomparable(e, "its weights or data have another digest") for e in entrants if e.pins != pins]
    kept = [e for e in entrants if e.pins == pins]
    usual = Counter(e.series.items for e in kept).most_common(1)[0][0]
    if all(e.series.items == usual for e in kept):
        return _same_facts(kept, troubles, ())
    if len(set(usual)) < len(usual):
        troubles += [_incomparable(e, "it was measured on other items") for e in kept if e.series.items != usual]
        return _same_facts([e for e in kept if e.series.items == usual], troubles, ())
    apart = {id(e) for e in kept if not set(usual) & set(e.series.items)}
    troubles += [_incomparable(e, "it was measured on other items") for e in kept if id(e) in apart]
    kept = [e for e in kept if id(e) not in apart]
    shared = set(usual).intersection(*(e.series.items for e in kept))
    if not shared:
        return Lined((), (*troubles, *(_incomparable(e, "no item is shared by all") for e in kept)))
    common = [item for item in usual if item in shared]
    of = sorted({len(e.series.items) for e in kept})
    note = f"methods were measured on {' or '.join(map(str, of))} items: all are compared on the {len(common)} that they share"
    return _same_facts([replace(e, series=on_items(e.series, common)) for e in kept], troubles, (note,))


def _incomparable(entrant: Entrant, why: str) -> Trouble:
    return Trouble(entrant.label, "not comparable", why)


def on_items(series: Series, items: Sequence[str]) -> Series:
    """The series over some of its items, in this order; clusters are numbered anew."""
    at = pd.Index(series.items).get_indexer(pd.Index(items))
    return replace(series, values=series.values[:, at], cluster=_renumbered(series.cluster[at]), items=tuple(items),
                   weight=series.weight[at])


def _renumbered(cluster: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.asarray(pd.factorize(cluster)[0], dtype=np.int64)


def _same_facts(kept: Sequence[Entrant], troubles: Sequence[Trouble], notes: tuple[str, ...]) -> Lined:
    """Leaves out methods whose items hang together in another way, or count otherwise, than the first's."""
    first = kept[0].series
    same = [e for e in kept if np.array_equal(_renumbered(e.series.cluster), _renumbered(first.cluster))
            and np.allclose(e.series.weight, first.weight)]
    other = [_incomparable(e, "its items are of other facts") for e in kept if e not in same]
    return Lined(tuple(same), (*troubles, *other), notes)
