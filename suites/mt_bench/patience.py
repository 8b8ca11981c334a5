"""When the next request to a judge goes out: the rate limit, back-off after what may pass, and the end of patience.

Waits double from try to try and are drawn between half and the whole of that, so that requests which failed together do not
come back together; a server's own Retry-After holds every thread for as long as it asks.
Source: RFC 9110, section 10.2.3 (Retry-After); Brooker, "Exponential Backoff And Jitter", 2015 (equal jitter).
"""
from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from methods.parts import Refused


class Transient(Exception):
    """A request that failed for a reason which may pass. `wait_s`: how long the server asked to wait. `refusal`: what to
    end the whole run with if it does not pass; None where only this judgment is given up."""

    def __init__(self, reason: str, wait_s: float | None = None, refusal: Refused | None = None) -> None:
        super().__init__(reason)
        self.wait_s, self.refusal = wait_s, refusal


class Failed(Exception):
    """A judgment that is given up, with the reason; the others go on."""


class Stopped(Exception):
    """The run ends; nothing new is sent."""


@dataclass(frozen=True)
class Patience:
    """At most `tries` requests for a judgment; waits of `first_s`, doubled up to `most_s`; a server that asks to wait
    longer than `longest_s` is not waited for."""

    tries: int = 6
    first_s: float = 1.0
    most_s: float = 60.0
    longest_s: float = 900.0

    def wait(self, tried: int, chance: float) -> float:
        """Seconds after the `tried`-th try; `chance` in [0, 1)."""
        return float(min(self.most_s, self.first_s * 2 ** (tried - 1)) * (1 + chance) / 2)


@dataclass
class Gate:
    """The one door for all requests of a run, from any thread. `now`, `sleep` and `chance` are replaced in tests."""

    per_minute: float | None = None
    patience: Patience = field(default_factory=Patience)
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] | None = None
    chance: Callable[[], float] = random.random
    _free: float = field(default=float("-inf"), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)

    def ask(self, once: Callable[[], str]) -> str:
        """What `once` gives, asked again where it raises Transient. Raises Failed when patience ends, or the refusal."""
        tried = 0
        while True:
            self._enter()
            tried += 1
            try:
                return once()
            except Transient as error:
                self._again(error, tried)

    def stop(self) -> None:
        """Ends every wait; whoever waits, or comes next, gets Stopped."""
        self._stop.set()

    def _again(self, error: Transient, tried: int) -> None:
        """Waits for the next try, or raises."""
        asked = error.wait_s or 0.0
        if asked > self.patience.longest_s:
            raise Failed(f"{error}, and the server asks to wait {asked:.0f} s") from error
        if tried >= self.patience.tries:
            raise error.refusal or Failed(f"{error}, {tried} times in all" if tried > 1 else str(error)) from error
        if asked:
            with self._lock:
                self._free = max(self._free, self.now() + asked)
        self._pause(max(asked, self.patience.wait(tried, self.chance())))

    def _enter(self) -> None:
        """Waits for this request's turn: turns are 60 / per_minute seconds apart."""
        with self._lock:
            turn = max(self._free, self.now())
            self._free = turn + (60 / self.per_minute if self.per_minute else 0.0)
        self._pause(turn - self.now())

    def _pause(self, seconds: float) -> None:
        if self.sleep is not None and seconds > 0:
            self.sleep(seconds)
        if self._stop.wait(max(0.0, seconds) if self.sleep is None else 0.0):
            raise Stopped
