"""Answered multiple-choice questions: what every measure of calibration is taken on."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from methods.parts import Refused

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NOT_ONE = 1e-3
"""How far the probabilities of a question may lie from 1 in sum (half precision leaves so much); they are then divided by it."""


@dataclass(frozen=True)
class Answers:
    """N questions of at most C options. Made by `of` or `of_logits`, which refuse what cannot be measured."""

    probabilities: Floats
    """[N, C]; 0 where a question has fewer options."""
    options: Ints
    """[N] how many each has."""
    labels: Ints
    """[N] the right option."""
    clusters: Ints
    """[N] numbers the questions that hang together; resampling takes or leaves them as one."""

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def chosen(self) -> Ints:
        """[N] the likeliest option; of equally likely ones the first, as lm-eval's accuracy has it."""
        return np.asarray(self.probabilities.argmax(1), dtype=np.int64)

    @cached_property
    def confidence(self) -> Floats:
        """[N] the likeliest option's probability."""
        return np.asarray(self.probabilities.max(1), dtype=np.float64)

    @cached_property
    def there(self) -> npt.NDArray[np.bool_]:
        """[N, C] whether a question has the option."""
        return np.asarray(np.arange(self.probabilities.shape[1]) < self.options[:, None])

    @classmethod
    def of(cls, probabilities: Sequence[Sequence[float]] | npt.NDArray[Any], labels: Sequence[int] | npt.NDArray[Any],
           clusters: Sequence[Any] | None = None) -> Answers:
        """Raises Refused for no question, fewer than two options, NaN, what is no probability, sums other than 1, labels out of
        range, and lengths that differ."""
        values, options = _rectangular(probabilities, "probabilities")
        there = np.arange(values.shape[1]) < options[:, None]
        wrong = there & ~((values >= 0) & (values <= 1 + NOT_ONE))
        if wrong.any():
            row = int(wrong.any(1).argmax())
            raise Refused(f"cannot measure calibration; because question {row} has {values[row][wrong[row]][0]:g} for a "
                          "probability; give values from 0 to 1, or name them as logits")
        sums = values.sum(1, where=there)
        if (abs(sums - 1) > NOT_ONE).any():
            row = int(abs(sums - 1).argmax())
            raise Refused(f"cannot measure calibration; because the probabilities of question {row} add up to {sums[row]:g}; "
                          "give probabilities over the options alone, or name them as logits")
        return cls(np.where(there, values / sums[:, None], 0.0), options, *_labelled(labels, clusters, options))

    @classmethod
    def of_logits(cls, logits: Sequence[Sequence[float]] | npt.NDArray[Any], labels: Sequence[int] | npt.NDArray[Any],
                  clusters: Sequence[Any] | None = None) -> Answers:
        """Logits or log-likelihoods of the options, whose softmax is taken. Raises Refused as `of` does."""
        values, options = _rectangular(logits, "logits")
        there = np.arange(values.shape[1]) < options[:, None]
        if np.isposinf(values[there]).any() or (np.where(there, values, -np.inf).max(1) == -np.inf).any():
            raise Refused("cannot measure calibration; because a question has a logit of +inf, or no option that is possible; "
                          "give finite logits")
        raised = np.exp(np.where(there, values, -np.inf) - np.where(there, values, -np.inf).max(1, keepdims=True))
        return cls(raised / raised.sum(1, keepdims=True), options, *_labelled(labels, clusters, options))


def _rectangular(rows: Sequence[Sequence[float]] | npt.NDArray[Any], what: str) -> tuple[Floats, Ints]:
    """([N, C] filled up with 0, [N] lengths)"""
    if not len(rows):
        raise Refused(f"cannot measure calibration on no questions; because there are no {what}; give one row a question")
    options = np.array([len(row) for row in rows], dtype=np.int64)
    if options.min() < 2:
        raise Refused(f"cannot measure calibration; because question {int(options.argmin())} has {options.min()} options; give "
                      "two or more")
    values = np.zeros((len(rows), int(options.max())))
    for length in np.unique(options):
        at = np.flatnonzero(options == length)
        values[at, :length] = np.array([rows[int(i)] for i in at], dtype=np.float64)
    missing = np.isnan(values).any(1)
    if missing.any():
        raise Refused(f"cannot measure calibration; because the {what} of question {int(missing.argmax())} are not numbers; "
                      "repair or leave out the row")
    return values, options


def _labelled(labels: Sequence[int] | npt.NDArray[Any], clusters: Sequence[Any] | None, options: Ints) -> tuple[Ints, Ints]:
    given = np.asarray(labels)
    named = np.arange(len(options)) if clusters is None else np.asarray(clusters)
    for name, of in (("labels", given), ("clusters", named)):
        if of.shape != options.shape:
            raise Refused(f"cannot measure calibration; because there are {len(options)} questions and {of.shape} {name}; give "
                          "one for each")
    if not np.issubdtype(given.dtype, np.number) or (given != given.astype(np.int64)).any():
        raise Refused("cannot measure calibration; because a label is no whole number; give the position of the right option, "
                      "from 0")
    whole = given.astype(np.int64)
    outside = (whole < 0) | (whole >= options)
    if outside.any():
        row = int(outside.argmax())
        raise Refused(f"cannot measure calibration; because the label of question {row} is {whole[row]} and it has "
                      f"{options[row]} options; give the position of the right option, from 0")
    return whole, np.unique(named, return_inverse=True)[1].astype(np.int64)
