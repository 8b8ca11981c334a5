"""Where a judge's judgments are kept while they come in, and which are missing: one book of scores, one of pairs of answers.

A judgment in the file that was made by another prompt (other answer, reference or template) is another judgment: it is refused.
"""
from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from methods.parts import Refused
from suites.mt_bench.judgments import Game, Pair, Single
from suites.mt_bench.ledger import Ledger
from suites.mt_bench.verdicts import winning_model
from suites.mt_bench.wanted import Asked, AskedGame, Wanted

Parse = Callable[[str], float | None]
W = TypeVar("W", bound=Wanted)
W_in = TypeVar("W_in", bound=Wanted, contravariant=True)


class Book(Protocol[W_in]):
    """To be used as a context manager; it is entered before anything is asked of it. `add` may be called from any thread."""

    def __enter__(self) -> object: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def made(self) -> Mapping[Hashable, tuple[str, str]]:
        """(the user's prompt, the prompt's name) of every judgment there, by the key of what was wanted."""

    def add(self, item: W_in, judgment: str) -> None:
        """Keeps what the judge said; it is paid for, whatever becomes of its verdict."""


class Scores:
    """FastChat's file of single judgments. `parse`: a judgment's score, or None."""

    def __init__(self, path: Path, judge: str, parse: Parse) -> None:
        self._judge, self._parse, self._ledger = judge, parse, Ledger(path, Single)

    def __enter__(self) -> Self:
        self._ledger.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ledger.__exit__(kind, error, trace)

    def made(self) -> Mapping[Hashable, tuple[str, str]]:
        return {(s.question_id, s.turn, s.model): (s.user_prompt, s.judge[1]) for s in self._ledger.found
                if s.judge[0] == self._judge}

    def add(self, item: Asked, judgment: str) -> None:
        score = None
        try:
            score = self._parse(judgment)
        finally:
            self._ledger.add(Single(item.question_id, item.model, (self._judge, item.prompt_name), item.user, judgment, score,
                                    item.turn, time.time()))


class Pairs:
    """FastChat's file of pairs. A pair is two judgments: the first that arrives waits in a file beside it, named PATH.games,
    which is removed when none waits any more."""

    def __init__(self, path: Path, judge: str) -> None:
        self._judge, self._games_path = judge, path.with_name(path.name + ".games")
        self._ledger, self._games = Ledger(path, Pair), Ledger(self._games_path, Game)
        self._lock, self._open = threading.Lock(), ExitStack()
        self._waiting: dict[Hashable, dict[bool, Game]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self._ledger)
            opened.enter_context(self._games)
            there = {self._key(p) for p in self._ledger.found}
            for game in self._games.found:
                if (game.pair, game.judge[0]) not in there:
                    self._keep(game)  # a kill may have come between the second game and its pair
            self._open = opened.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._waiting:
            self._games_path.unlink(missing_ok=True)
        self._open.close()

    def made(self) -> Mapping[Hashable, tuple[str, str]]:
        found: dict[Hashable, tuple[str, str]] = {}
        for pair in self._ledger.found:
            if pair.judge[0] == self._judge:
                for swapped, prompt in ((False, pair.g1_user_prompt), (True, pair.g2_user_prompt)):
                    where, name = (pair.question_id, pair.turn), pair.judge[1]
                    found[*where, pair.model_1, pair.model_2, swapped] = prompt, name
                    found[*where, pair.model_2, pair.model_1, not swapped] = prompt, name
        for games in self._waiting.values():
            found |= {(*g.pair, g.swapped): (g.user_prompt, g.judge[1]) for g in games.values() if g.judge[0] == self._judge}
        return found

    def add(self, item: AskedGame, judgment: str) -> None:
        game = Game(*item.pair[:1], *item.pair[2:], item.swapped, (self._judge, item.prompt_name), item.user, judgment, item.turn,
                    time.time())
        self._games.add(game)
        self._keep(game)

    def _keep(self, game: Game) -> None:
        """In memory, or with its other game as a pair."""
        with self._lock:
            games = self._waiting.setdefault((game.pair, game.judge[0]), {})
            games[game.swapped] = game
            if len(games) == 2:
                made = _pair(games[False], games[True])
                self._ledger.add(made)
                self._ledger.found.append(made)
                del self._waiting[game.pair, game.judge[0]]

    @staticmethod
    def _key(pair: Pair) -> tuple[tuple[int, int, str, str], str]:
        return (pair.question_id, pair.turn, pair.model_1, pair.model_2), pair.judge[0]


def _pair(one: Game, two: Game) -> Pair:
    winners = winning_model(one.judgment, swapped=False), winning_model(two.judgment, swapped=True)
    return Pair(one.question_id, one.model_1, one.model_2, *winners, one.judge, one.user_prompt, one.judgment, two.user_prompt,
                two.judgment, one.turn, max(one.tstamp, two.tstamp))


def missing(asked: Sequence[W], book: Book[W], path: Path) -> list[W]:
    """What the book lacks. Raises Refused for one asked twice, and for one that is there by another prompt."""
    counts = Counter(item.key for item in asked)
    twice = next((item for item in asked if counts[item.key] > 1), None)
    if twice is not None:
        raise Refused(f"cannot ask twice for {twice}; because a judgment has its place once; use each question and model once")
    made = book.made()
    for item in asked:
        if item.key in made and made[item.key] != (item.user, item.prompt_name):
            raise Refused(f"cannot go on with {path}; because {item} was judged there by another prompt (other answer, "
                          "reference or template); use another file for this one")
    return [item for item in asked if item.key not in made]

