"""What a run of a judge will take, said before its first call: calls, tokens, and cost where prices are given.

Tokens are counted by tiktoken where it is installed and knows the model; else taken as a quarter of the characters, which is
OpenAI's own rule of thumb for English. The length of judgments is not known before they are there: their most is shown.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from methods.parts import Refused
from suites.mt_bench.wanted import Wanted

CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class Estimate:
    """Prices are per million tokens, in whatever currency they were given."""

    judge: str
    calls: int
    prompt_tokens: int
    counted: str
    """How tokens were counted."""
    answer_tokens: int
    """Of all judgments, at most."""
    price_in: float | None = None
    price_out: float | None = None

    @property
    def cost(self) -> float | None:
        """At most; None where a price is missing."""
        if self.price_in is None or self.price_out is None:
            return None
        return (self.prompt_tokens * self.price_in + self.answer_tokens * self.price_out) / 1e6

    def __str__(self) -> str:
        text = (f"{self.judge}: {self.calls} calls, about {self.prompt_tokens} prompt tokens ({self.counted}), at most "
                f"{self.answer_tokens} tokens of judgments")
        if self.cost is None:
            return f"{text}; the cost is not known without --price-in and --price-out."
        return (f"{text}; at most {self.cost:.2f} at {self.price_in:g} and {self.price_out:g} per million tokens, tries that "
                "fail not counted.")


def estimate(missing: Sequence[Wanted], judge: str, max_tokens: int = 2048, price_in: float | None = None,
             price_out: float | None = None) -> Estimate:
    """`missing`: what will be asked for; `max_tokens`: the most of one judgment."""
    count, how = counter(judge)
    tokens = sum(count(a.system) + count(a.user) for a in missing)
    return Estimate(judge, len(missing), tokens, how, len(missing) * max_tokens, price_in, price_out)


def counter(judge: str) -> tuple[Callable[[str], int], str]:
    """Tokens of a text, and how they are counted."""
    try:
        import tiktoken

        coding = tiktoken.encoding_for_model(judge)
    except (ImportError, KeyError, OSError) as error:  # OSError: its vocabulary is fetched on first use
        why = {ImportError: "tiktoken is not installed", KeyError: "tiktoken does not know the model"}
        reason = next((text for kind, text in why.items() if isinstance(error, kind)), "tiktoken could not load its vocabulary")
        return lambda text: -(-len(text) // CHARACTERS_PER_TOKEN), f"characters / {CHARACTERS_PER_TOKEN}: {reason}"
    return lambda text: len(coding.encode(text, disallowed_special=())), f"tiktoken, {coding.name}"


def agreed(found: Estimate, yes: bool = False, terminal: Callable[[], bool] = lambda: sys.stdin.isatty(),
           ask: Callable[[str], str] = input) -> bool:
    """Whether to go on: asked of a person, unless `yes`. Raises Refused where there is nobody to ask."""
    if yes:
        return True
    if not terminal():
        raise Refused(f"cannot ask whether to make {found.calls} calls to {found.judge}; because standard input is no terminal; "
                      "use --yes to go on without a question")
    try:
        return ask("Go on? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
