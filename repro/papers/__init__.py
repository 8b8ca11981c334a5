"""The papers: experiments, tables, figures and claims as values."""
from __future__ import annotations

from collections.abc import Sequence

from methods.parts import Refused
from repro.claims import Paper
from repro.papers.colm import COLM
from repro.papers.helene import HELENE
from repro.papers.lisa import LISA
from repro.papers.lora_ensembles import LORA_ENSEMBLES

PAPERS: dict[str, Paper] = {paper.name: paper for paper in (LISA, HELENE, COLM, LORA_ENSEMBLES)}


def chosen(names: Sequence[str]) -> tuple[Paper, ...]:
    """The papers of these names, all where none is named. Raises Refused where there is no such paper."""
    for name in names:
        if name not in PAPERS:
            raise Refused(f"cannot use paper {name!r}; because there is none; use one of {', '.join(PAPERS)}")
    return tuple(PAPERS[name] for name in dict.fromkeys(names)) if names else tuple(PAPERS.values())
