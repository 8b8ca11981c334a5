"""Work that is done in a process of its own while another goes on."""
from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from methods.parts import Refused


@contextmanager
def beside(work: Callable[[], None], apart: bool) -> Iterator[None]:
    """Does `work` in a forked process while the block runs; without `apart`, or where nothing can be forked, here before it.

    Raises what `work` raised, of Refused and OSError, when the block is through.
    """
    if not apart or (os.cpu_count() or 1) < 2 or "fork" not in multiprocessing.get_all_start_methods():
        work()
        yield
        return
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=_tell, args=(work, theirs), daemon=True)
    gc.freeze()  # else each process's collector goes through, and so copies, all that was read before
    process.start()
    theirs.close()
    with ours:
        try:
            yield
            _hear(ours)
        finally:
            process.terminate()  # ended already, unless the block failed
            process.join()
            gc.unfreeze()


class Ends:
    """A row of n things that two processes go through from both ends until they meet; in one process, the first does all.

    Neither waits for the other, so that nothing hangs when one is killed; where they meet, a thing may be done twice.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._at = multiprocessing.RawArray("q", [0, n])
        """The first that is not done from the front, the last that is from the back."""

    def forwards(self) -> Iterator[int]:
        while self._at[0] < self._at[1]:
            yield self._at[0]
            self._at[0] += 1

    def backwards(self) -> Iterator[int]:
        while self._at[0] < self._at[1]:
            self._at[1] -= 1
            yield self._at[1]


def _tell(work: Callable[[], None], pipe: Connection) -> None:
    try:
        work()
        pipe.send(None)
    except (Refused, OSError) as error:
        pipe.send(error)


def _hear(pipe: Connection) -> None:
    try:
        said = pipe.recv()
    except EOFError as error:
        raise Refused("cannot write all pages; because the process that writes them ended too early; call it again") from error
    if said is not None:
        raise said
