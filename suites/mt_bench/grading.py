"""Asking a judge for many judgments: what is missing in a file is asked for, and nothing is paid for twice.

A judgment is known by question, turn, model and judge; one in the file under another prompt is refused, since the two would
not be of the same thing. What fails after all tries stays missing and is told; the same call again asks for it.
"""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from methods.parts import Refused
from suites.mt_bench.judges import Judge
from suites.mt_bench.judgments import Single
from suites.mt_bench.ledger import Ledger
from suites.mt_bench.patience import Failed, Gate, Stopped

Parse = Callable[[str], float | None]
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Asked:
    """One judgment that is wanted. `model`: whose answer is judged; `prompt_name`: the name of the judge's instructions."""

    question_id: int
    turn: int
    model: str
    system: str
    user: str
    prompt_name: str

    @property
    def key(self) -> tuple[int, int, str]:
        return self.question_id, self.turn, self.model

    def __str__(self) -> str:
        return f"question {self.question_id}, turn {self.turn}, {self.model}"


@dataclass(frozen=True)
class Outcome:
    """`before`: already in the file; `added`: asked for now; `failed`: still missing, each with its reason."""

    before: int
    added: int
    failed: tuple[tuple[Asked, str], ...] = ()

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
    """Appends to `out` every judgment that it lacks, as it arrives; `watch` is told (done, wanted).

    `parse` gives a judgment's score or None. `go` is shown what is missing before the first request and may say no. `gate`
    in place of `per_minute` sets the waits. Raises Refused where nothing can come of the run; what arrived is kept.
    """
    gate = gate or Gate(per_minute)
    with Ledger(out) as ledger:
        missing = _missing(asked, judge.name, ledger)
        before = len(asked) - len(missing)
        if not missing or not go(missing):
            return Outcome(before, 0, tuple((a, "not asked for") for a in missing))

        def one(item: Asked) -> None:
            judgment = gate.ask(lambda: judge(item.system, item.user))
            score = None
            try:
                score = parse(judgment)
            finally:  # it is paid for, whatever becomes of its score
                ledger.add(Single(item.question_id, item.model, (judge.name, item.prompt_name), item.user, judgment, score,
                                  item.turn, time.time()))

        failed = _all(one, missing, concurrency, gate, lambda n: watch and watch(before + n, len(asked)))
    return Outcome(before, len(missing) - len(failed), failed)


def _missing(asked: Sequence[Asked], judge: str, ledger: Ledger) -> list[Asked]:
    """Raises Refused for one asked twice, and for one in the file that was judged by another prompt."""
    twice = [key for key, n in Counter(a.key for a in asked).items() if n > 1]
    if twice:
        raise Refused(f"cannot ask twice for question {twice[0][0]}, turn {twice[0][1]}, {twice[0][2]}; because a judgment has "
                      "its place once; use each question and model once")
    there = {(s.question_id, s.turn, s.model): s for s in ledger.found if s.judge[0] == judge}
    for item in asked:
        old = there.get(item.key)
        if old and (old.user_prompt, old.judge[1]) != (item.user, item.prompt_name):
            raise Refused(f"cannot go on with {ledger.path}; because {item} was judged there by another prompt (other answer, "
                          "reference or template); use another file for this one")
    return [a for a in asked if a.key not in there]


def _all(one: Callable[[Asked], None], missing: Sequence[Asked], concurrency: int, gate: Gate,
         told: Callable[[int], object]) -> tuple[tuple[Asked, str], ...]:
    """Does all of them; gives those that failed. Any other error, or Ctrl-C, stops new requests; those on their way are
    waited for and kept."""
    def told_on(item: Asked) -> None:
        try:
            one(item)
        except Failed:
            raise
        except BaseException:
            gate.stop()  # here, so that not one more request is sent
            raise

    failed: dict[Asked, str] = {}
    with ThreadPoolExecutor(max(1, concurrency)) as pool:
        futures: dict[Future[None], Asked] = {pool.submit(told_on, item): item for item in missing}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                try:
                    future.result()
                except Failed as error:
                    failed[futures[future]] = str(error)
                except Stopped:
                    continue  # another one says why
                told(done - len(failed))
        except BaseException:
            gate.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple((item, failed[item]) for item in missing if item in failed)
