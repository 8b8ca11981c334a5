"""What a person sees while runs go on: on a terminal a bar and what each worker does, elsewhere troubles alone."""
from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from repro.plan import Plan
from repro.study import Run


def duration(seconds: float | None) -> str:
    """A time as a person says it."""
    if seconds is None:
        return "no estimate yet"
    if seconds < 90:
        return f"about {math.ceil(seconds)} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def title(run: Run) -> str:
    return f"{run.paper} / {run.arm.name}, seed {run.seed}"


class Quiet:
    """Says nothing as long as all goes well."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def started(self, run: Run) -> None:
        """Nothing to say."""

    def progress(self, run: Run, phase: str, done: int, of: int) -> None:
        """Nothing to say."""

    def ended(self, run: Run, error: str | None) -> None:
        if error is not None:
            self.console.print(f"failed: {escape(title(run))}: {escape(error)}", soft_wrap=True)

    def lost(self, run: Run, reason: str) -> None:
        self.console.print(f"{escape(title(run))}: its worker {reason}; trying once more", soft_wrap=True)

    def elsewhere(self, run: Run) -> None:
        self.console.print(f"{escape(title(run))}: another process is at it; its record will be used", soft_wrap=True)


class Bars(Quiet):
    """One line for the whole plan, and one for each run in hand."""

    def __init__(self, console: Console, plan: Plan, jobs: int) -> None:
        super().__init__(console)
        self.plan, self.jobs = plan, jobs
        self.left = dict(zip((r.id for r in plan.missing), plan.estimates, strict=True))
        self.bars = Progress(TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[note]}"),
                             TimeElapsedColumn(), console=console, transient=True)
        self.whole = self.bars.add_task("runs", total=len(plan.missing), note=self.note())
        self.lines: dict[str, TaskID] = {}

    def note(self) -> str:
        done = len(self.plan.missing) - len(self.left)
        known = [s for s in self.left.values() if s is not None]
        left = sum(known) / self.jobs if len(known) == len(self.left) else None
        return f"{done}/{len(self.plan.missing)}, {duration(left)} left" if left is not None else \
            f"{done}/{len(self.plan.missing)}, no estimate yet"

    def started(self, run: Run) -> None:
        self.lines[run.id] = self.bars.add_task(f"  {escape(title(run))}", total=None, note="starting")

    def progress(self, run: Run, phase: str, done: int, of: int) -> None:
        self.bars.update(self.lines[run.id], completed=done, total=of, note=f"{phase} {done}/{of}")

    def ended(self, run: Run, error: str | None) -> None:
        super().ended(run, error)
        self.bars.remove_task(self.lines.pop(run.id))
        self.left.pop(run.id, None)
        self.bars.update(self.whole, advance=1, note=self.note())

    def lost(self, run: Run, reason: str) -> None:
        super().lost(run, reason)
        self.bars.remove_task(self.lines.pop(run.id))

    def elsewhere(self, run: Run) -> None:
        super().elsewhere(run)
        self.bars.remove_task(self.lines.pop(run.id))


@contextmanager
def shown(plan: Plan, jobs: int, console: Console) -> Iterator[Quiet]:
    """A watch for `execute`, drawn as long as the block lasts."""
    if not console.is_terminal:
        yield Quiet(console)
        return
    bars = Bars(console, plan, jobs)
    with bars.bars:
        yield bars
