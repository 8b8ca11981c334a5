"""What was assumed in a comparison, in sentences."""
from __future__ import annotations

from collections.abc import Collection, Iterator

from repro.gate import words
from repro.gate.noise import Noise


def of(floor: Noise | None, codes: Collection[str], pace: float | None) -> Iterator[str]:
    """`codes`: the states of code of the fresh runs; `pace`: of all arms together (None: not timed)."""
    if floor is None:
        yield (f"No noise floor has been measured for this scale: {words.FALLBACK:g} of the metric's unit stands in, and "
               "training paths are not judged (`python -m repro accept --noise FOLDER --noise FOLDER` measures it).")
    else:
        yield (f"Noise floor: {words.SAFETY:g} times the largest difference between {floor.repeats} repeats; "
               f"{words.FALLBACK:g} of the metric's unit, and no look at the training path, where an arm was not repeated.")
        if others := sorted(set(codes) - set(floor.code)):
            yield (f"The noise floor was measured with other code ({', '.join(floor.code) or 'not known'}) than that of fresh "
                   f"records ({', '.join(others)}).")
    if pace is None:
        yield (f"Time was not compared: it takes {words.TIMED_RUNS} runs that trained for {words.TIMED_S:g} s or more, "
               f"of arms with {words.TIMED_SEEDS} seeds or more.")
    else:
        yield f"Time: steps took {pace:.2f} times the reference's on the whole; arms are compared beyond that."
