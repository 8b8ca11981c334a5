"""The words of a trial, as frozen values: measures, contrasts, controls, claims, tables, figures, and a paper.

A *claim* is a sentence of a paper turned into contrasts that can fail. A *control* is a contrast phrased so that, when it
holds, the claim is explained by something other than what the paper names. What is done with them: `repro.verdict`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pandas as pd

from repro.study import Arm

if TYPE_CHECKING:
    from repro.landscape import Panel
    from repro.memory.drawn import Growth, Peak, Stack

Goal = Literal["above", "at least", "within"]
"""What the effect must be to hold: > margin; > -margin (no worse than the margin); between -margin and margin."""


@dataclass(frozen=True)
class OfItems:
    """A number for every test item: the mean is over items, and intervals cover items as well as seeds."""

    suite: str
    label: str
    unit: str
    higher: bool
    column: str = "correct"
    """Column of the samples that holds the item's number."""
    times: float = 1.0
    """Factor for display (100 for percent); margins are in display units."""
    weight: str | None = None
    """Column of the samples that says how much an item counts in the mean."""


@dataclass(frozen=True)
class OfCurve:
    """One number for a whole run, read off its curve (columns step, kind, layer, value)."""

    key: str
    label: str
    unit: str
    higher: bool
    read: Callable[[pd.DataFrame], float]
    times: float = 1.0
    stopped: Callable[[pd.DataFrame], float | None] | None = None
    """For what a run may end without: its steps where it did, so that the number is only a bound."""


@dataclass(frozen=True)
class OfMean:
    """The mean of several sets' means, each with one weight; intervals cover the items of all."""

    of: tuple[OfItems, ...]
    label: str

    @property
    def unit(self) -> str:
        return self.of[0].unit

    @property
    def higher(self) -> bool:
        return self.of[0].higher

    @property
    def times(self) -> float:
        return self.of[0].times


@dataclass(frozen=True)
class OfAnswers:
    """A score of a prediction (`repro.inference`) on a set of lettered questions, taken question by question.

    The arms that it is read from are named with a way, e.g. "lora|ensemble".
    """

    set: str
    score: str
    """One of `suites.calibration.items.ITEMS`, or of `repro.answered.SCORES`."""
    label: str
    unit: str
    higher: bool
    times: float = 1.0
    outside: str | None = None
    """The other set, for scores that tell two sets apart."""


Measure = OfItems | OfMean | OfCurve | OfAnswers


class Missing(LookupError):
    """What was asked for has not been run, or failed; the message says which."""


@dataclass(frozen=True)
class Contrast:
    """left - right, turned so that larger is better for `left`; paired by seed and, where there are items, by item.

    `right` = None compares with 0. With several arms on the left the effect is their range: the largest mean minus the
    smallest, per seed.
    """

    name: str
    left: str | tuple[str, ...]
    right: str | None
    measure: Measure
    goal: Goal = "above"
    margin: float = 0.0
    """In the measure's display unit."""
    margin_source: str = "ours"
    over: tuple[Contrast, ...] = ()
    """Where given, the effect is the mean of these contrasts' effects, each of which counts alike; `left`, `right` and
    `measure` then only say in words what they share."""

    @property
    def arms(self) -> tuple[str, ...]:
        if self.over:
            return tuple(dict.fromkeys(arm for c in self.over for arm in c.arms))
        left = (self.left,) if isinstance(self.left, str) else self.left
        return left if self.right is None else (*left, self.right)


@dataclass(frozen=True)
class Counted:
    """A comparison of two numbers that are counted and not sampled, such as bytes at shapes: no error and no p. It holds when
    `value` is no more than `limit` (`least`: no less); each gives None where it was not counted yet."""

    name: str
    value: Callable[[], float | None]
    limit: Callable[[], float | None]
    unit: str
    rival: str = ""
    """Whose number the value is held against; empty where the limit is nobody's."""
    own: Callable[[], float | None] | None = None
    """The rival's own number, where the limit only follows from it."""
    asked: str = "no more"
    """How the limit follows from the rival's number, e.g. "at least 20 % below"."""
    least: bool = False


@dataclass(frozen=True)
class Control:
    """When all its contrasts and counts hold, the claim is explained away: `otherwise` says by what."""

    name: str
    contrasts: tuple[Contrast, ...]
    otherwise: str
    counted: tuple[Counted, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One headline claim, of contrasts or of counts. It is supported when every one holds; `reason` is set where it cannot be
    tried here."""

    id: str
    statement: str
    source: str
    refuted_by: str
    contrasts: tuple[Contrast, ...] = ()
    controls: tuple[Control, ...] = ()
    untried: Literal["not run", "untestable"] | None = None
    reason: str = ""
    note: str = ""
    counted: tuple[Counted, ...] = ()
    no_control: str = ""
    """Why it needs no control, where it has none."""
    judged: str = ""
    """What of the statement is judged, where that is not all of it."""

    @property
    def shown(self) -> str:
        """The statement, with what of it is judged."""
        return f"{self.statement} (judged: {self.judged})" if self.judged else self.statement

    @property
    def every_contrast(self) -> tuple[Contrast, ...]:
        """Its own and its controls'."""
        return (*self.contrasts, *(x for control in self.controls for x in control.contrasts))


@dataclass(frozen=True)
class Row:
    """One line of a table: our arm (None: nothing of ours stands against it), and how the paper's numbers are found."""

    label: str
    arm: str | None
    reported: Mapping[str, str] = field(default_factory=dict)
    """Equal columns of reported/*.csv, e.g. {"model": "TinyLlama", "method": "LoRA"}."""


@dataclass(frozen=True)
class Column:
    """One quantity: ours, and the benchmark whose printed number stands beside it. Either may be absent."""

    label: str
    measure: Measure | None = None
    reported: Mapping[str, str] | None = None
    exact: Callable[[str], int | float | None] | None = None
    """In place of a measure: from a row's label to a number that is counted and not sampled, so that it has no n and no error;
    None where it was not counted yet."""


@dataclass(frozen=True)
class TableSpec:
    """A table of the paper as rows x columns. `shape_of` says what the columns have in place of the paper's metric."""

    id: str
    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    shape_of: str = ""

    @property
    def needs_records(self) -> bool:
        return all(column.exact is None for column in self.columns)


@dataclass(frozen=True)
class Line:
    """One line of a figure: an arm under its label, with a place on the x axis where x is not the step."""

    arm: str
    label: str
    x: float | None = None
    group: str = ""
    """For "matrix": the panel. For "dots": "control" for what could explain a claim away."""
    passes: float = 1.0
    """Forward passes over its batch that a step costs, for "curves" that are drawn against them."""
    measure: Measure | None = None
    """For "scan", where lines of one arm differ in what is measured: in place of the figure's."""
    method: str = ""
    """The method as which it is drawn (`repro.look`), where that is not its arm."""


@dataclass(frozen=True)
class FigureSpec:
    """A figure: "curves" (a kind of curve against steps), "norms" (per layer), "scan" (a measure against Line.x), "dots"
    (a measure by arm, minus that of the level's arm), "speed" (how many times fewer steps than the level's arm a line takes
    to a kind of curve's value, against that value), "landscape" (paths on a toy function: an illustration); of lettered
    questions "reliability", "wrong" (confidence of wrong answers), "coverage" (risk against it) and "matrix" (the measure on
    each of `sets`); "radar": a mean by category (`sets`), which stands in the measure's suite behind a slash; "growth" (peak
    memory step by step), "stacks" (what a peak is for) and "peaks" (numbers beside the paper's), all of `counted`.
    """

    id: str
    title: str
    draws: Literal["curves", "norms", "scan", "dots", "speed", "landscape", "reliability", "wrong", "coverage", "matrix",
                   "radar", "growth", "stacks", "peaks"]
    lines: tuple[Line, ...]
    x: str = "optimizer step"
    y: str = ""
    kind: str = "train_loss"
    measure: Measure | None = None
    level: Line | None = None
    """For "scan" an arm drawn as a horizontal line, for "dots" and "speed" the arm that all are compared with."""
    note: str = ""
    per: Literal["step", "pass", "second"] = "step"
    """What "curves" are drawn against: steps, forward passes (Line.passes each), or seconds of training where they ran."""
    sets: tuple[str, ...] = ()
    """Sets of lettered questions that are shown; but for "matrix" the first alone."""
    panels: Callable[[], tuple[Panel, ...]] | None = None
    """For "landscape", in place of records: what computes its paths."""
    asked: tuple[tuple[float, str], ...] = ()
    """For "speed": ratios that are drawn as lines, such as what is claimed, each with its words."""
    counted: Callable[[], tuple[Growth, ...] | tuple[Stack, ...] | tuple[Peak, ...]] | None = None
    """For "growth", "stacks" and "peaks", in place of records; nothing where it was not counted yet."""

    @property
    def needs_records(self) -> bool:
        return self.panels is None and self.counted is None


@dataclass(frozen=True)
class Paper:
    """All that one paper brings: arms per scale, learning-rate trials per method, and what is shown and judged."""

    name: str
    title: str
    arxiv: str
    arms: Callable[[str], tuple[Arm, ...]]
    trials: Callable[[str], Mapping[str, tuple[Arm, ...]]]
    tables: Callable[[str], tuple[TableSpec, ...]]
    figures: Callable[[str], tuple[FigureSpec, ...]]
    claims: Callable[[str], tuple[Claim, ...]]
