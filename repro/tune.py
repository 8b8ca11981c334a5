"""The search for learning rates: the same number of trials for each method, judged on dev, kept as data."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from methods import atomic
from methods.parts import Refused
from repro.claims import Paper
from repro.papers import rates
from repro.papers.rates import Trial, Tuned
from repro.plan import runs_of
from repro.scale import Scale
from repro.store import Store
from repro.study import Run


def trials(paper: Paper, scale: Scale) -> Mapping[str, list[Run]]:
    """Method -> its runs, one per rate and seed. Refused when a method would get more trials than another."""
    found = {method: runs_of(paper.name, arms, scale) for method, arms in paper.trials(scale.name).items()}
    rates.check_even(found)
    if not found:
        raise Refused(f"cannot tune {paper.name} at scale {scale.name}; because it names no trials there; use another scale")
    return found


def write(paper: Paper, scale: Scale, runs: Mapping[str, list[Run]], store: Store) -> Path:
    """Writes every trial and the choice that follows. Refused when a trial has not been run."""
    tuned = Tuned(paper.name, scale.name, {m: tuple(trial(r, store) for r in of) for m, of in runs.items()})
    place = rates.path(paper.name, scale.name)
    atomic.write_text(place, tuned.to_json())
    return place


def trial(run: Run, store: Store) -> Trial:
    """What a run says about its rate; a failed run (a rate that diverges) has no loss."""
    record = store.get(run.id)
    if record is None:
        raise Refused(f"cannot choose a rate from {run.arm.name}, seed {run.seed}; because it has not been run; "
                      "call `python -m repro tune` again")
    lr = run.arm.stages[-1].recipe.to_json()["update"]["lr"]
    if record.status == "failed":
        return Trial(lr, run.seed, None, 0, run.id)
    dev = record.metrics["dev"]["loss"]
    return Trial(lr, run.seed, dev.value, dev.n, run.id)
