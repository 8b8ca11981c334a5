"""The main job: plan, run, report, and all three; and the search for learning rates that comes before them."""
from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import RESULTS, Arms, Jobs, Json, Out, Papers, ScaleName

if TYPE_CHECKING:
    from repro.claims import Paper
    from repro.plan import Plan, Which
    from repro.scale import Scale
    from repro.store import Store


@dataclass(frozen=True)
class Job:
    """What the options of a command stand for."""

    papers: tuple[Paper, ...]
    scale: Scale
    which: Which
    store: Store
    report: Path
    jobs: int
    gpus: tuple[str, ...]

    @classmethod
    def of(cls, scale: str, papers: Sequence[str] | None, arms: str, jobs: int | None, out: Path) -> Job:
        """Refused when a name is unknown."""
        from repro import devices, scales
        from repro.papers import PAPERS
        from repro.store import Store

        which: Which = "all" if one_of("--arms", arms, ("core", "all")) == "all" else "core"
        chosen = scales.get(scale)
        names = [one_of("--paper", name, PAPERS) for name in papers or PAPERS]
        gpus = devices.gpus() if chosen.device == "auto" else ()
        at_once = jobs or devices.jobs(chosen.device, chosen.threads)
        return cls(tuple(PAPERS[n] for n in dict.fromkeys(names)), chosen, which, Store(out / "runs"),
                   out / "site" / chosen.name, at_once, gpus)

    def plan(self) -> Plan:
        from repro.plan import make

        return make(self.papers, self.scale, self.store, self.which)


def one_of(option: str, value: str, known: Collection[str]) -> str:
    """The value, when it is known; else Refused with what there is."""
    from methods.parts import Refused

    if value not in known:
        raise Refused(f"cannot use {option} {value}; because there is no such choice; use one of {', '.join(known)}")
    return value


def everything(scale: ScaleName = "tiny", paper: Papers = None, arms: Arms = "core", jobs: Jobs = None,
               out: Out = RESULTS) -> None:
    """Run what is missing, write the report, show the verdicts and what the gate says."""
    job = Job.of(scale, paper, arms, jobs, out)
    failures = go(job, job.plan())
    index = write_report(job)
    for of_paper in job.papers:
        show_verdicts(of_paper, job.scale, job.report / of_paper.name)
    show_gate(job)
    Console().print(f"Report: {escape(str(index))}", soft_wrap=True)
    end(failures, job)


def plan(scale: ScaleName = "tiny", paper: Papers = None, arms: Arms = "core", jobs: Jobs = None, out: Out = RESULTS,
         machine: Json = False) -> None:
    """Show which runs there are, which are done, and how long the missing ones will take."""
    job = Job.of(scale, paper, arms, jobs, out)
    made = job.plan()
    say_damage(made)
    if machine:
        print(json.dumps(plan_json(made, job.jobs), indent=1))
        return
    table = Table("paper", "arm", "seed", "run", "estimate", title=f"Missing runs at scale {escape(made.scale)}")
    for run_, seconds in zip(made.missing, made.estimates, strict=True):
        table.add_row(run_.paper, run_.arm.name, str(run_.seed), run_.id, duration(seconds))
    console = Console()
    if made.missing:
        console.print(table)
    console.print(summary(made, job.jobs), soft_wrap=True)


def run(scale: ScaleName = "tiny", paper: Papers = None, arms: Arms = "core", jobs: Jobs = None,
        out: Out = RESULTS) -> None:
    """Run what is missing."""
    job = Job.of(scale, paper, arms, jobs, out)
    end(go(job, job.plan()), job)


def report(scale: ScaleName = "tiny", paper: Papers = None, arms: Arms = "core", out: Out = RESULTS) -> None:
    """Write tables, figures, verdicts and the pages of the site from the records there are."""
    from methods.parts import Refused

    job = Job.of(scale, paper, arms, None, out)
    for sentence in job.plan().damaged.values():
        raise Refused(sentence)
    print(write_report(job))


def tune(scale: ScaleName = "tiny", paper: Papers = None, jobs: Jobs = None, out: Out = RESULTS) -> None:
    """Try each method's learning rates on dev, the same number for each, and write the choice as data."""
    from repro import tune as tuning
    from repro.plan import of_runs

    job = Job.of(scale, paper, "all", jobs, out)
    trials = {p.name: tuning.trials(p, job.scale) for p in job.papers}
    runs = [r for methods in trials.values() for of in methods.values() for r in of]
    failures = go(job, of_runs(runs, job.scale, job.store))
    for of_paper in job.papers:
        print(tuning.write(of_paper, job.scale, trials[of_paper.name], job.store))
    end(failures, job)


def go(job: Job, made: Plan) -> dict[str, str]:
    """Executes a plan; returns the failures."""
    from repro import progress
    from repro.execute import Means, execute
    from repro.worker import measuring

    console = Console(stderr=True)
    say_damage(made)
    console.print(summary(made, job.jobs), soft_wrap=True)
    with progress.shown(made, job.jobs, console) as watch:
        return execute(made.missing, measuring, job.store, Means(job.jobs, job.scale.threads, job.gpus), watch)


def write_report(job: Job) -> Path:
    from repro import locks
    from repro.site import write as sites
    from repro.store import spoken

    site = job.report.parent
    with spoken(site), locks.in_turn(site / ".lock"):
        return sites.write(job.papers, job.scale, job.store, site, job.which)


def say_damage(made: Plan) -> None:
    """One line for each run whose files are damaged."""
    for run_id, sentence in made.damaged.items():
        Console(stderr=True).print(f"Run {run_id} is to be run anew: {escape(sentence)}", soft_wrap=True)


def end(failures: dict[str, str], job: Job) -> None:
    """Names the failed runs and where to look, and ends with status 1; returns when there are none."""
    if not failures:
        return
    console = Console(stderr=True)
    console.print(f"\n{len(failures)} run(s) failed; the next call tries them again:", soft_wrap=True)
    for run_id, sentence in failures.items():
        console.print(f"  {run_id}: {escape(sentence)}", soft_wrap=True)
    place = job.store.root / job.scale.name
    console.print(f"  Look into {escape(str(place))}/RUN.json (\"error\") or `python -m repro show RUN`, "
                  f"and the workers' output in {escape(str(place / 'logs'))}.", soft_wrap=True)
    raise typer.Exit(1)


def show_verdicts(paper: Paper, scale: Scale, folder: Path) -> None:
    """The verdicts of the report just written, in short."""
    table = Table("claim", "statement", "verdict", title=f"{escape(paper.title)}: verdicts at scale {scale.name}")
    for row in json.loads((folder / "verdicts.json").read_text()):
        table.add_row(row["claim"], escape(row["statement"]), escape(row["headline"]))
    Console().print(table)


def show_gate(job: Job) -> None:
    """What the gate says of these records, where the project keeps a reference for the scale; `repro check` says it in full."""
    from methods.parts import Refused
    from repro.commands.check import REFERENCE
    from repro.gate.compare import compare
    from repro.gate.report import told
    from repro.papers import PAPERS
    from repro.store import Store

    if not (REFERENCE / job.scale.name / "index").is_dir():
        return
    try:
        said = told(compare(job.store, Store(REFERENCE), job.scale.name, PAPERS, [p.name for p in job.papers], job.which))
    except Refused as refusal:  # the main job does not end with it
        said = str(refusal)
    Console().print(f"Gate: {escape(said)}", soft_wrap=True, highlight=False)


def summary(made: Plan, jobs: int) -> str:
    if not made.missing:
        return f"Scale {made.scale}: all {len(made.runs)} runs are done."
    return (f"Scale {made.scale}: {len(made.runs)} runs, {made.cached} done, {len(made.missing)} to do "
            f"with {jobs} at a time: {duration(made.seconds(jobs))}.")


def duration(seconds: float | None) -> str:
    from repro.progress import duration as words

    return words(seconds)


def plan_json(made: Plan, jobs: int) -> dict[str, object]:
    missing = {r.id: s for r, s in zip(made.missing, made.estimates, strict=True)}
    rows = [{"run": r.id, "paper": r.paper, "arm": r.arm.name, "seed": r.seed, "core": r.arm.core,
             "done": r.id not in missing, "estimate_s": missing.get(r.id)} for r in made.runs]
    return {"scale": made.scale, "jobs": jobs, "estimate_s": made.seconds(jobs), "runs": rows}
