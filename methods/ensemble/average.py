"""Members that are trained alike but for their random streams, and whose answers are averaged.

Source: Wang, Aitchison, Rudolph, arXiv 2310.00035. With l_m [C] member m's log-probabilities of the options,
- "options":     p = mean_m softmax(l_m)               every member counts alike (the default reading of the paper);
- "vocabulary":  p = mean_m exp(l_m), divided by its sum    members that believe in no option count less;
- "logits":      p = softmax(mean_m l_m)               the geometric mean, as BLoB's code has it.

Member 0 has the run's own streams, so that an ensemble of one is the plain run. Another member draws the streams named in
`fresh` anew and shares all others: with ("init",) members see the same examples in the same order, with ("order",) they start
from the same adapters, with () they are one and the same.

Departures: what the paper averages and what its members share could not be read; both are fields.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from methods.parts import Refused
from methods.streams import Streams

STREAMS = ("init", "order", "dropout")


@dataclass(frozen=True)
class Average:
    """`members` models and the mean of what they say."""

    members: int = 5
    of: Literal["options", "vocabulary", "logits"] = "options"
    fresh: tuple[str, ...] = STREAMS

    def __post_init__(self) -> None:
        unknown = [name for name in self.fresh if name not in STREAMS]
        if self.members < 1 or unknown:
            raise Refused(f"cannot use {self}; because an ensemble needs a member, and they may differ in {', '.join(STREAMS)}; "
                          "use members >= 1 and those names")

    def streams(self, streams: Streams, member: int) -> Streams:
        """The streams of one member, counted from 0."""
        if not member:
            return streams
        own = {name: streams.number(f"member {member}/{name}") for name in self.fresh}
        return Streams(streams.seed, {**streams.own, **own})

    def combine(self, answers: Tensor) -> Tensor:
        """[M, N, C] log-probabilities of the options (of the whole vocabulary's softmax) -> [N, C] probabilities."""
        if self.of == "logits":
            return answers.mean(0).softmax(-1)
        if self.of == "options":
            return answers.softmax(-1).mean(0)
        together = answers.exp().mean(0)
        return together / together.sum(-1, keepdim=True)
