"""A table of simulated peaks for the report, read from the repository's records: in all, at least, and what the peak is for."""
from __future__ import annotations

from collections.abc import Callable, Sequence

from repro.claims import Column, Row, TableSpec
from repro.memory import reference
from repro.memory.cases import Case
from repro.memory.found import GIB
from suites.cost.tracker import Kind

SHOWN = (Kind.WEIGHTS, Kind.GRADIENTS, Kind.OPTIMIZER, Kind.ACTIVATIONS, Kind.SELECTION, Kind.OTHER)
SIMULATED = "Simulated at the models' own shapes, whatever the scale; allocated bytes of one device, in GiB."


def table(id_: str, title: str, cases: Sequence[Case], note: str) -> TableSpec:
    """A row for each case; parts of no case are left out."""
    known = {str(c): c for c in cases}

    def part(kind: Kind) -> Callable[[str], float | None]:
        def of(label: str) -> float | None:
            found = reference.known(known[label])
            return None if found is None else found.footprint.composition.get(kind, 0) / GIB
        return of

    kinds = [kind for kind in SHOWN if any(part(kind)(label) for label in known)]
    columns = (Column("peak", exact=lambda label: reference.gib(known[label])),
               Column("least possible", exact=lambda label: reference.bound_gib(known[label])),
               *(Column(str(kind), exact=part(kind)) for kind in kinds))
    return TableSpec(id_, title, tuple(Row(label, None) for label in known), columns, f"{note} {SIMULATED}")
