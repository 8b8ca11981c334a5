"""One page a run: its recipe, stages, cost, environment, metrics, curves and some of what it said."""
from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.evidence import Source
from repro.site import curves, pages, parts, samples
from repro.site.files import OF_PAGES, code, digest
from repro.store import CURVE
from repro.study import Record
from repro.words import tidy

SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
UNITS = {"wall_s": "seconds in all", "train_s": "seconds of training", "eval_s": "seconds of evaluation",
         "steps": "optimizer steps", "tokens": "tokens seen", "tokens_per_s": "tokens per second of training",
         "trainable": "weights that are trained",
         "active": "weights that move at a step, mean", "state_bytes_peak": "bytes of the update's state, peak",
         "peak_rss_bytes": "bytes of the whole process, peak", "peak_gpu_bytes": "bytes on the GPU, peak"}
"""Cost -> its words; another is shown under its own name."""


@dataclass(frozen=True)
class Place:
    """As which arm of which paper, with which seed, a run stands."""

    paper: str
    title: str
    arm: str
    label: str
    seed: int


@dataclass(frozen=True)
class Row:
    """A run's line in the index of runs."""

    run_id: str
    page: str
    paper: str
    arm: str
    label: str
    seed: int
    status: str
    train_s: float | None
    steps: float | None
    metric: str


def page_name(run_id: str) -> str:
    """The file's name; an id that is no plain word gets a digest in its place."""
    return f"{run_id if SAFE.fullmatch(run_id) else digest(run_id.encode('utf-8', 'replace'))}.html"


def row(record: Record, place: Place) -> Row:
    first = next(((s, n, m) for s, of in record.metrics.items() for n, m in of.items()), None)
    metric = f"{first[0]} {first[1]}: {pages.number(first[2].value)} ({first[2].n})" if first else ""
    steps, train_s = (v if (v := record.cost.get(key)) is not None and v == v else None for key in ("steps", "train_s"))
    return Row(record.run_id, page_name(record.run_id), place.paper, place.arm, place.label, place.seed, record.status, train_s,
               steps, metric)


def digest_of(record: Record) -> str:
    """Of all that a record says, whichever arm it stands for."""
    return digest(json.dumps({**vars(record), "paper": "", "arm": "", "seed": 0, "metrics": _numbers(record)}).encode())


def _numbers(record: Record) -> dict[str, dict[str, list[float]]]:
    return {suite: {name: [m.value, m.stderr, m.n] for name, m in of.items()} for suite, of in record.metrics.items()}


def made_from(told: str, places: Sequence[Place]) -> str:
    """A digest of all that the page shows: samples and curve stand or fall with their record, whose digest is `told`."""
    return digest(f"{told} {[(p.paper, p.title, p.arm, p.label, p.seed) for p in places]!r} {code(OF_PAGES)}"
                  .encode("utf-8", "replace"))


def write(record: Record, places: Sequence[Place], source: Source, root: Path, page: Path) -> None:
    """The page of one run."""
    content = record.content
    pages.write("run", root, page, record=record, places=places, stages=[stage(s) for s in content.get("stages", [])],
                metrics=metrics(record), costs=costs(record.cost), suites=[fields(s) for s in content.get("suites", [])],
                facts=facts(content), pins=text_pairs(content.get("pins", {})), versions=text_pairs(record.versions),
                code=text_pairs(record.code or {}), machine=text_pairs(record.machine or {}), **seen(record, source))


def seen(record: Record, source: Source) -> dict[str, Any]:
    """Its curves and samples; nothing of a run whose id is no plain word. Raises Refused where they are damaged."""
    if not SAFE.fullmatch(record.run_id):
        return {"curves": curves.Curves((), ()), "samples": samples.Samples((), 0)}
    curve = parts.read(source, record.scale, record.run_id, "curve", CURVE)
    said = parts.read(source, record.scale, record.run_id, "samples", samples.COLUMNS)
    return {"curves": curves.of(curve), "samples": samples.of(said)}


@dataclass(frozen=True)
class Stage:
    """A stretch of training as text: (slot, part, fields) and the fields of its training."""

    data: str
    slots: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]
    training: tuple[tuple[str, str], ...]


def stage(values: Mapping[str, Any]) -> Stage:
    recipe = values.get("recipe", {})
    slots = tuple((slot, str(of.get("part", "?")) if isinstance(of, Mapping) else str(of), fields(of))
                  for slot, of in recipe.items())
    return Stage(str(values.get("data", "")), slots, fields(values.get("training", {})))


def fields(of: Any) -> tuple[tuple[str, str], ...]:
    """Field -> value as text, the part's own name left out; parts inside a part are written out."""
    return tuple((str(k), shown(v)) for k, v in of.items() if k != "part") if isinstance(of, Mapping) else ()


def shown(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{k}={shown(v)}" for k, v in value.items() if k != "part")
        return f"{value.get('part', '')}({inside})"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "none"
    return {True: "yes", False: "no", None: "none"}[value] if value is None or isinstance(value, bool) else tidy(str(value))


def text_pairs(of: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(k), shown(v)) for k, v in of.items())


def facts(content: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What else determines the run's numbers."""
    names = {"base": "base model", "seed": "seed", "own_seeds": "seeds of single streams", "probes": "probes", "scale": "scale",
             "threads": "threads"}
    return tuple((words, shown(content[key]) if content[key] else ("none" if content[key] != 0 else "0"))
                 for key, words in names.items() if key in content)


def costs(cost: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple((UNITS.get(name, name), value) for name, value in cost.items())


def metrics(record: Record) -> tuple[list[tuple[str, str, Any]], list[tuple[str, str, Any]]]:
    """(suite, metric, value) of whole suites, and of their parts."""
    rows = [(suite, name, m) for suite, of in record.metrics.items() for name, m in of.items()]
    parted = {suite for suite in record.metrics if any(suite.startswith(f"{other}/") for other in record.metrics)}
    return [r for r in rows if r[0] not in parted], [r for r in rows if r[0] in parted]
