"""From what members said to predictions: one member, their mean, the mean after a temperature, and what it is compared with.

A prediction has a name, "<way>[ of <m>][ at <point>]": "ensemble", "ensemble of 3", "member at 2". It gives [D, N, K]
probabilities, D distributions that are scored each for itself and averaged afterwards: "member" gives one for every member, so
that its score is that of the mean member; "ensemble of 3" one for every choice of 3. Whatever is chosen or fitted here is chosen
on the dev questions of the set that was trained on.
"""
from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax

from methods.parts import Refused
from repro.claims import Missing
from suites.calibration.answers import Answers, Floats, Ints

MOST_SUBSETS = 20
"""Of the choices of m members: all, or so many drawn."""
FLOOR = 1e-12


@dataclass(frozen=True)
class Said:
    """One run's answers to a set. `answers` [E, M, N, K]: log-probabilities at E points of training, -inf for no option."""

    answers: Floats
    gold: Ints
    facts: tuple[str, ...]
    extras: Mapping[str, Floats | None]
    """"sampled", "averaged" and "laplace" [S, N, K], where the run has them."""

    @cached_property
    def options(self) -> Floats:
        """[E, M, N, K] log-probabilities among the options alone."""
        return np.asarray(log_softmax(self.answers, axis=-1))

    @property
    def last(self) -> Floats:
        """[M, N, K] probabilities after training."""
        return np.asarray(np.exp(self.options[-1]))

    def at(self, point: int) -> Said:
        """As if training had ended at a point."""
        if not 0 <= point < len(self.answers):
            raise Refused(f"cannot take point {point} of the training; because {len(self.answers)} were looked at; use 0 to "
                          f"{len(self.answers) - 1}")
        return replace(self, answers=self.answers[:point + 1])

    def nll(self, log_probabilities: Floats) -> Floats:
        """[..., N, K] -> [...] mean over the questions."""
        picked = log_probabilities[..., np.arange(len(self.gold)), self.gold]
        return np.asarray(-np.maximum(picked, np.log(FLOOR)).mean(-1))


def read(frame: pd.DataFrame) -> Said:
    """From the samples of one set, as `repro.members` writes them."""
    points, members = int(frame["points"].iloc[0]), int(frame["members"].iloc[0])

    def array(column: str) -> Floats:
        flat = np.stack([np.asarray(row, dtype=np.float64) for row in frame[column]])
        return flat.reshape(len(flat), -1, flat.shape[1] // (points * members) if column == "loglik" else options)

    said = array("loglik")
    options = said.shape[-1]
    extras = {name: array(name).swapaxes(0, 1) if name in frame and frame[name].notna().all() else None
              for name in ("sampled", "averaged", "laplace")}
    return Said(said.swapaxes(0, 1).reshape(points, members, len(frame), options), frame["gold"].to_numpy(np.int64),
                tuple(frame["fact"].astype(str)), extras)


Way = Callable[[Said, Said], Floats]
"""(the set's answers, those to the dev questions) -> [D, N, K]"""


def predict(name: str, said: Said, dev: Said | None) -> list[Answers]:
    """The distributions of a prediction. Raises Refused for a name that is none, Missing where the run has not what it takes."""
    found = re.fullmatch(r"(.+?)(?: of (\d+))?(?: at (\d+))?", name)
    way, of, at = found.groups() if found else (name, None, None)
    if way not in WAYS:
        raise Refused(f"cannot predict by {name!r}; because there is no such way; use one of {', '.join(WAYS)}")
    if at is not None:
        said, dev = said.at(int(at)), dev.at(int(at)) if dev else None
    if dev is None and way in ON_DEV:
        raise Missing(f"dev questions, which {way!r} chooses by, were not asked")
    if of is not None:
        if way in EXTRAS:
            raise Refused(f"cannot predict by {name!r}; because {way!r} is of the whole run; leave out the number of members")
        choices = subsets(said.answers.shape[1], int(of))
        every = np.concatenate([WAYS[way](_subset(said, c), _subset(dev or said, c)) for c in choices])
    else:
        every = WAYS[way](said, dev or said)
    there = np.isfinite(said.answers[-1, 0])
    return [Answers.of([row[has] for row, has in zip(one, there, strict=True)], said.gold, said.facts) for one in every]


def subsets(members: int, m: int) -> list[tuple[int, ...]]:
    """Choices of m members; where there are more than `MOST_SUBSETS`, so many spread evenly over them."""
    if not 1 <= m <= members:
        raise Refused(f"cannot take {m} members; because there are {members}; use 1 to {members}")
    every = list(itertools.combinations(range(members), m))
    return [every[i] for i in np.linspace(0, len(every) - 1, min(len(every), MOST_SUBSETS)).round().astype(int)]


def _subset(said: Said, members: tuple[int, ...]) -> Said:
    return replace(said, answers=said.answers[:, list(members)])


def best_member(dev: Said) -> int:
    return int(dev.nll(dev.options[-1]).argmin())


def temperature(said: Said, log_probabilities: Floats) -> float:
    """T > 0 for which softmax(log p / T) [N, K] has the least nll on these questions (Guo et al., arXiv 1706.04599)."""
    def loss(log_t: float) -> float:
        return float(said.nll(np.asarray(log_softmax(log_probabilities / np.exp(log_t), axis=-1))))

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded").x))


def _mean(log_probabilities: Floats) -> Floats:
    """[M, N, K] -> [1, N, K] log of the mean probability."""
    return np.asarray(logsumexp(log_probabilities, axis=0, keepdims=True) - np.log(len(log_probabilities)))


def _tempered(said: Floats, dev: Said, on_dev: Floats) -> Floats:
    """[D, N, K] log-probabilities, each with a temperature of its own."""
    ts = [temperature(dev, one) for one in on_dev]
    return np.stack([softmax(one / t, axis=-1) for one, t in zip(said, ts, strict=True)])


def _early(said: Said, dev: Said) -> Floats:
    """[M, N, K] log-probabilities of every member at the point with its least nll on dev.

    Where the set was asked after training alone, the early prediction is missing.
    """
    if len(said.answers) != len(dev.answers):
        raise Missing("this set was asked after training alone, so that no earlier answers are known")
    points = dev.nll(dev.options).argmin(0)
    return np.stack([said.options[point, m] for m, point in enumerate(points)])


def _vocabulary(said: Said, dev: Said) -> Floats:
    total = logsumexp(said.answers[-1], axis=0, keepdims=True)
    return np.asarray(softmax(total, axis=-1))


def _extra(name: str) -> Way:
    def way(said: Said, dev: Said) -> Floats:
        found = said.extras.get(name)
        if found is None:
            raise Missing(f"the run has no {name} answers")
        each = softmax(found, axis=-1)
        return np.asarray(each.mean(0, keepdims=True))
    return way


def _checkpoints(said: Said, dev: Said) -> Floats:
    """Of each member, the mean over the later half of the points that were looked at."""
    if len(said.answers) < 2:
        raise Missing("one point of the training was looked at: there are no checkpoints to average")
    return np.asarray(np.exp(said.options[len(said.options) // 2:]).mean(0))


WAYS: Mapping[str, Way] = {
    "member": lambda said, dev: said.last,
    "first": lambda said, dev: said.last[:1],
    "best": lambda said, dev: said.last[[best_member(dev)]],
    "ensemble": lambda said, dev: said.last.mean(0, keepdims=True),
    "logits": lambda said, dev: softmax(said.options[-1].mean(0, keepdims=True), axis=-1),
    "vocabulary": _vocabulary,
    "tempered member": lambda said, dev: _tempered(said.options[-1], dev, dev.options[-1]),
    "tempered ensemble": lambda said, dev: _tempered(_mean(said.options[-1]), dev, _mean(dev.options[-1])),
    "early member": lambda said, dev: np.exp(_early(said, dev)),
    "early ensemble": lambda said, dev: np.exp(_mean(_early(said, dev))),
    "checkpoints": _checkpoints,
    "sampled": _extra("sampled"), "averaged": _extra("averaged"), "laplace": _extra("laplace"),
}
"""Name -> how; "first" is the member that "sampled" and "laplace" go from."""
EXTRAS = frozenset({"sampled", "averaged", "laplace"})
ON_DEV = frozenset({"best", "tempered member", "tempered ensemble", "early member", "early ensemble"})


def disagreement(said: Said) -> Floats:
    """[N] share of pairs of members that choose different options; 0 for one member."""
    chosen = said.last.argmax(-1)
    pairs = list(itertools.combinations(range(len(chosen)), 2))
    if not pairs:
        return np.zeros(chosen.shape[1])
    return np.asarray(np.mean([chosen[i] != chosen[j] for i, j in pairs], axis=0, dtype=np.float64))


def gap(said: Said) -> Floats:
    """[N] largest difference between two members' probabilities of an option: exactly 0 where they are one and the same."""
    return np.asarray((said.last.max(0) - said.last.min(0)).max(-1))
