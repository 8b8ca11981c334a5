"""Boards: the methods of a contest, best first, with intervals, letters, ranks, costs and Pareto fronts."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from repro import called
from repro.bootstrap import Estimate, estimate
from repro.claims import Paper
from repro.evidence import Evidence, Source
from repro.leaderboard import entrants
from repro.leaderboard.against_base import AgainstBase, against
from repro.leaderboard.costs import Costs
from repro.leaderboard.entrants import Contest, Entrant, Trouble
from repro.leaderboard.fronts import with_fronts
from repro.leaderboard.lined import Lined, line_up
from repro.leaderboard.measures import title
from repro.leaderboard.sparing import Sparing
from repro.leaderboard.ties import Compared, Means, Rank, Ties, ties

ONE_SEED = "one seed: nothing is known of the spread between seeds"


@dataclass(frozen=True)
class Standing:
    """A method's line. Without a rank it is shown and not compared; `why` says why not."""

    entrant: Entrant
    estimate: Estimate | None
    """None where it is not a number."""
    letters: str = ""
    rank: Rank | None = None
    why: str = ""
    fronts: tuple[str, ...] = ()
    """Of "optimizer state" and "time", those on whose Pareto front it is."""

    @property
    def cost(self) -> Costs:
        return self.entrant.cost


@dataclass(frozen=True)
class Board:
    """One contest. `standings`: ranked methods best first, then those that are only shown."""

    contest: Contest
    standings: tuple[Standing, ...]
    pairs: tuple[Compared, ...]
    """Of the ranked methods, by their place in `standings`."""
    before: Standing | None
    """The base model before training, which is no method."""
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]
    against_base: AgainstBase | None = None
    """None where the base model was not measured on these items, or no method is ranked."""

    @property
    def ranked(self) -> tuple[Standing, ...]:
        return tuple(s for s in self.standings if s.rank is not None)

    @property
    def group(self) -> str:
        """The base and the training sets: boards of one group may share a figure."""
        return "--".join((self.contest.base, *self.contest.data))

    @property
    def id(self) -> str:
        """For file names and links."""
        call = self.contest.call
        size = [f"{call.shots}-shot"] * (call.shots is not None) + [f"at-most-{call.limit}"] * (call.limit is not None)
        words = "--".join((self.group, call.suite, *size, self.contest.measure.label))
        return "".join(c if c.isalnum() or c in "-._" else "-" for c in words.lower())

    @property
    def title(self) -> str:
        return title(self.contest.call, self.contest.measure, called.world(self.contest.scale))

    @property
    def setting(self) -> str:
        """The base model and the training data in words."""
        scale = self.contest.scale
        return f"{called.base(scale, self.contest.base)}, trained on {called.trained_on(scale, self.contest.data)}"


def of(papers: Iterable[Paper], scale: str, source: Source, suites: Sequence[str] = ()) -> tuple[Board, ...]:
    """Every board of a scale from the records of the papers' core arms, in the papers' order. A contest whose arms have left no
    record is not one yet."""
    evidences = [Evidence(Sparing(source, core(p, scale)), p.name, scale, p.arms(scale)) for p in papers]
    found: dict[Contest, list[Entrant | Trouble]] = {}
    for contest, entry in (pair for e in evidences for pair in entrants.of(e)):
        if not suites or contest.call.suite in suites:
            found.setdefault(contest, []).append(entry)
    began = {c: entries for c, entries in found.items() if any(_began(e) for e in entries)}
    return tuple(_board(contest, entries, evidences) for contest, entries in began.items())


def core(paper: Paper, scale: str) -> frozenset[str]:
    return frozenset(arm.name for arm in paper.arms(scale) if arm.core)


def _began(entry: Entrant | Trouble) -> bool:
    return isinstance(entry, Entrant) or entry.kind != "not run"


def _board(contest: Contest, entries: Sequence[Entrant | Trouble], evidences: Sequence[Evidence]) -> Board:
    lined, mixed = _side_by_side(line_up(told_apart(merged([e for e in entries if isinstance(e, Entrant)]))))
    comparable = [e for e in lined.entrants if not _unranked(e)]
    means, higher = Means([e.series for e in comparable]), contest.measure.higher
    estimates = [means.estimate(i) for i in range(len(comparable))]
    order = sorted(range(len(comparable)), key=lambda i: (-1.0 if higher else 1.0) * estimates[i].mean)
    found = ties(means, order, higher)
    ranked = [Standing(comparable[i], estimates[i], found.letters[k], found.ranks[k]) for k, i in enumerate(order)]
    before = _before(contest, lined, evidences, timed=not mixed)
    ranked, ends = _fronts(ranked, before, higher)
    shown = [_shown(e) for e in lined.entrants if _unranked(e)]
    troubles = (*(e for e in entries if isinstance(e, Trouble)), *lined.troubles)
    told = against(before.entrant, [s.entrant for s in ranked], higher) if before and ranked else None
    return Board(contest, (*ranked, *shown), found.pairs, ends, tuple(dict.fromkeys(troubles)),
                 (*_notes(lined, found, len(ranked)), *mixed), told)


def _fronts(ranked: Sequence[Standing], before: Standing | None, higher: bool) -> tuple[list[Standing], Standing | None]:
    if before is None:
        return with_fronts(ranked, higher), None
    *methods, base = with_fronts([*ranked, before], higher)
    return methods, base


def _side_by_side(lined: Lined) -> tuple[Lined, list[str]]:
    """Without any seconds where runs were made in several ways: a comparison of these says nothing of the methods. And why."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for kind, which in (pair for e in lined.entrants for pair in e.made):
        kinds[kind].add(which)
    mixed = [f"{len(of)} {kind}" for kind, of in sorted(kinds.items()) if len(of) > 1]
    if not mixed:
        return lined, []
    bare = tuple(replace(e, cost=replace(e.cost, train_s=None)) for e in lined.entrants)
    return replace(lined, entrants=bare), [f"no seconds are shown, for the runs are of {' and '.join(mixed)}"]


def merged(found: Iterable[Entrant]) -> list[Entrant]:
    """Entrants that are the same runs, read in the same way, become one."""
    by_runs: dict[tuple[str, ...], Entrant] = {}
    for e in found:
        key = (*e.run_ids, e.names[0].partition("|")[2])
        by_runs[key] = by_runs[key] + e if key in by_runs else e
    return list(by_runs.values())


def told_apart(found: Sequence[Entrant]) -> list[Entrant]:
    """Where several bear one label, each bears its arm's name too."""
    times = Counter(e.label for e in found)
    return [e if times[e.label] == 1 else replace(e, label=f"{e.label} ({e.names[0].partition('/')[2]})") for e in found]


def _unranked(entrant: Entrant) -> str:
    """Why it is not compared, or nothing."""
    bad = int((~np.isfinite(entrant.series.values)).sum())
    if bad:
        return f"not a number in {bad} of {entrant.series.values.size} values"
    return ONE_SEED if len(entrant.series.seeds) < 2 else ""


def _shown(entrant: Entrant) -> Standing:
    why = _unranked(entrant)
    return Standing(entrant, estimate(entrant.series) if why == ONE_SEED else None, why=why)


def _before(contest: Contest, lined: Lined, evidences: Sequence[Evidence], timed: bool) -> Standing | None:
    """Only where it was measured on the very items of the board; its training takes no second, where seconds are shown."""
    of_base = [e for e in (entrants.untrained(evidence, contest) for evidence in evidences) if e is not None]
    items = {e.series.items for e in lined.entrants}
    same = [e for e in of_base if e.series.items in items and np.isfinite(e.series.values).all()]
    if not same:
        return None
    base = same[0] if timed else replace(same[0], cost=replace(same[0].cost, train_s=None))
    return Standing(base, estimate(base.series), why="not trained")


def _notes(lined: Lined, found: Ties, ranked: int) -> tuple[str, ...]:
    notes = list(lined.notes)
    untested = sum(c.p is None for c in found.pairs)
    if untested:
        notes.append(f"{untested} of {len(found.pairs)} pairs share too few seeds or items for a test: they count as tied")
    if ranked < 2:
        notes.append(f"nothing to compare: {'one method has' if ranked else 'no method has'} two seeds or more")
    return tuple(notes)
