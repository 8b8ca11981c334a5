"""Asking a judge for many judgments: what is missing in a file is asked for, and nothing is paid for twice.

A score is known by question, turn, model and judge, a game of a pair by its two models and who was shown first. What fails after
all tries stays missing and is told; the same call again asks for it.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from suites.mt_bench.books import Book, Pairs, Parse, Scores, missing
from suites.mt_bench.judges import Judge
from suites.mt_bench.patience import Failed, Gate, Stopped
from suites.mt_bench.wanted import Asked, AskedGame, Wanted

Watch = Callable[[int, int], None]
W = TypeVar("W", bound=Wanted)


@dataclass(frozen=True)
class Outcome:
    """`before`: already in the file; `added`: asked for now; `failed`: still missing, each with its reason."""

    before: int
    added: int
    failed: tuple[tuple[Wanted, str], ...] = ()

    @property
    def complete(self) -> bool:
        return not self.failed

    def __str__(self) -> str:
        text = f"{self.added} judgments added to {self.before}"
        if self.complete:
            return f"{text}; none is missing."
        reasons = Counter(reason for _, reason in self.failed).most_common()
        told = "; ".join(f"{n} x {reason}" for reason, n in reasons[:5]) + ("; ..." if reasons[5:] else "")
        which = ", ".join(f"{a.question_id} turn {a.turn}" for a, _ in self.failed[:8]) + (", ..." if self.failed[8:] else "")
        return f"{text}; still missing: {len(self.failed)} ({told}), of questions {which}; the same call again asks for them."


def unscored(judgment: str) -> None:
    """No verdict is looked for: FastChat's -1 is written."""


def grade(asked: Sequence[Asked], judge: Judge, out: Path, concurrency: int = 4, per_minute: float | None = None,
          watch: Watch | None = None, *, parse: Parse = unscored, gate: Gate | None = None,
          go: Callable[[Sequence[Asked]], bool] = lambda missing: True) -> Outcome:
    """Appends to `out` every score that it lacks, as it arrives. `parse` gives a judgment's score or None; else as `fill`."""
    return fill(asked, judge, Scores(out, judge.name, parse), out, concurrency, gate or Gate(per_minute), watch, go)


def play(asked: Sequence[AskedGame], judge: Judge, out: Path, concurrency: int = 4, per_minute: float | None = None,
         watch: Watch | None = None, *, gate: Gate | None = None,
         go: Callable[[Sequence[AskedGame]], bool] = lambda missing: True) -> Outcome:
    """Appends to `out` every pair that it lacks, when both of its games have arrived; else as `fill`."""
    return fill(asked, judge, Pairs(out, judge.name), out, concurrency, gate or Gate(per_minute), watch, go)


def fill(asked: Sequence[W], judge: Judge, book: Book[W], out: Path, concurrency: int, gate: Gate, watch: Watch | None,
         go: Callable[[Sequence[W]], bool]) -> Outcome:
    """Asks for what the book lacks; `watch` is told (done, wanted), `go` is shown what is missing before the first request and
    may say no. Raises Refused where nothing can come of the run; what arrived is kept."""
    with book:
        lacks = missing(asked, book, out)
        before = len(asked) - len(lacks)
        if not lacks or not go(lacks):
            return Outcome(before, 0, tuple((a, "not asked for") for a in lacks))

        def one(item: W) -> None:
            book.add(item, gate.ask(lambda: judge(item.system, item.user)))

        failed = _all(one, lacks, concurrency, gate, lambda n: watch and watch(before + n, len(asked)))
    return Outcome(before, len(lacks) - len(failed), failed)


def _all(one: Callable[[W], None], lacks: Sequence[W], concurrency: int, gate: Gate,
         told: Callable[[int], object]) -> tuple[tuple[W, str], ...]:
    """Does all of them; gives those that failed. Any other error, or Ctrl-C, stops new requests; those on their way are
    waited for and kept."""
    def told_on(item: W) -> None:
        try:
            one(item)
        except Failed:
            raise
        except BaseException:
            gate.stop()  # here, so that not one more request is sent
            raise

    failed: dict[Hashable, str] = {}
    with ThreadPoolExecutor(max(1, concurrency)) as pool:
        futures: dict[Future[None], W] = {pool.submit(told_on, item): item for item in lacks}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                try:
                    future.result()
                except Failed as error:
                    failed[futures[future].key] = str(error)
                except Stopped:
                    continue  # another one says why
                told(done - len(failed))
        except BaseException:
            gate.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple((item, failed[item.key]) for item in lacks if item.key in failed)
