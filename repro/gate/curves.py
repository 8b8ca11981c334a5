"""Training step by step: the path of the losses, and which layers moved where a run watched their norms.

With the same seeds a run takes the same path up to rounding, so this shows at once what the test items cannot: a LISA that
stops switching layers ends as low as one that switches, within the error of a few hundred items, yet its losses leave the path
at the first switch. How far a path strays by itself must have been measured (`repro.gate.noise`): else it is not judged.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from repro.gate import words
from repro.gate.lineup import Lineup, Pair
from repro.gate.words import Check
from repro.study import Record

if TYPE_CHECKING:
    from repro.gate.noise import Noise

PLACE = ("training", "path")
"""The suite and metric under which the noise of a path is kept."""

EMPTY = pa.schema([("kind", pa.string()), ("layer", pa.string()), ("value", pa.float64())]).empty_table()


def checks(pairs: Sequence[Pair], lineup: Lineup, noise: Noise | None) -> Iterator[Check]:
    """One check for an arm whose path can be judged, and one for an arm with the probe "norms"."""
    paper, arm, _ = pairs[0].key
    strays = noise.floor(f"{paper}/{arm}", *PLACE) if noise else None
    watched = any(_probed(p.before) for p in pairs)
    if strays is None and not watched:
        return
    files = [[side.content(p.key, "curve") for side in (lineup.before, lineup.now)] for p in pairs]
    differ = [(_read(a), _read(b)) for a, b in files if a != b]
    if strays is not None:
        far = max((apart(losses(a), losses(b)) for a, b in differ), default=0.0)
        allowed = max(words.PATH, words.SAFETY * strays)
        yield Check(paper, arm, "path", "training path", "changed" if far > allowed else "same",
                    "mean distance of the losses, step by step, as a share of them" if far > allowed else "", change=far,
                    margin=allowed, seeds=len(pairs))
    if watched:
        yield _layers(paper, arm, differ, len(pairs))


def _layers(paper: str, arm: str, differ: Sequence[tuple[pa.Table, pa.Table]], seeds: int) -> Check:
    for before, now in differ:
        was, is_ = moved(before), moved(now)
        if was != is_:
            kinds = (("still now:", was - is_), ("moving now:", is_ - was))
            why = "; ".join(f"{what} {', '.join(sorted(of))}" for what, of in kinds if of)
            return Check(paper, arm, "layers", "layers that moved", "changed", why, float(len(was)), float(len(is_)), seeds=seeds)
    return Check(paper, arm, "layers", "layers that moved", "same", seeds=seeds)


def _probed(record: Record | None) -> bool:
    return record is not None and any(str(probe).partition(":")[0] == "norms" for probe in record.content.get("probes", ()))


def _read(curve: bytes) -> pa.Table:
    """A curve from its file's bytes; an empty one where the run left none."""
    if not curve:
        return EMPTY
    return pq.ParquetFile(pa.BufferReader(curve), pre_buffer=False).read(["kind", "layer", "value"], use_threads=False)


def path_of(curve: bytes) -> npt.NDArray[np.float64]:
    """[steps] the training loss at every step."""
    return losses(_read(curve))


def losses(curve: pa.Table) -> npt.NDArray[np.float64]:
    return np.asarray(curve.filter(pc.equal(curve["kind"], "train_loss"))["value"].to_numpy(), dtype=np.float64)


def apart(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Mean distance as a share of the first's mean size; infinite where one is longer, or lost its numbers alone."""
    if one.shape != other.shape or (np.isfinite(one) != np.isfinite(other)).any():
        return math.inf
    there = np.isfinite(one)
    size = float(abs(one[there]).sum())
    return float(abs(one - other)[there].sum()) / size if size else 0.0


def moved(curve: pa.Table) -> set[str]:
    """The layers whose weights ever differed from those at the start."""
    rows = curve.filter(pc.and_(pc.equal(curve["kind"], "delta_norm"), pc.greater(curve["value"], 0.0)))
    return {str(layer) for layer in pc.unique(rows["layer"]).to_pylist()}
