"""The number of seeds that an open claim asks for: of all its parts together, and of those alone that seeds can move."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from repro.bootstrap import LEVEL, Estimate
from repro.claims import Claim, Contrast
from repro.power import POWER, Part, chance, seeds_needed
from repro.series import Series
from repro.simulated import MEASURE, RUNS, Drawn, Trial, run
from repro.sparse import Few
from repro.verdict import judge

EFFECT = 2.3 * RUNS.error
FAR = 8 * RUNS.error


def parts(*effects: float) -> list[Part]:
    return [Part(RUNS.known(effect), "above", 0.0) for effect in effects]


def asked(*effects: float) -> int:
    n = seeds_needed(parts(*effects))
    assert n is not None
    return n


def trial(*effects: float, refuted: bool = False) -> Trial:
    """As many seeds as are asked for."""
    named = {f"part {i}": effect for i, effect in enumerate(effects)}
    claim = Claim("C", "s", "x", "y", tuple(Contrast(name, "l", "r", MEASURE) for name in named))
    word = "refuted" if refuted else "supported"
    return Trial(str(effects), replace(RUNS, seeds=asked(*effects)), (claim,), named, word)


@pytest.mark.parametrize("effects", [(EFFECT,), (EFFECT,) * 3, (EFFECT, FAR, FAR)])
def test_all_parts_together_are_shown_in_four_studies_of_five(effects: tuple[float, ...]) -> None:
    n = asked(*effects)
    assert chance(parts(*effects), n) >= POWER > chance(parts(*effects), n - 1)
    assert run(trial(*effects)).as_planned(chance(parts(*effects), n))


def test_three_parts_take_more_seeds_than_one() -> None:
    assert asked(EFFECT, EFFECT, EFFECT) > asked(EFFECT) == asked(EFFECT, 2 * FAR, 2 * FAR)


def test_to_refute_one_of_three_parts_takes_a_third_of_the_level() -> None:
    effects = (-EFFECT, FAR, FAR)
    assert asked(*effects) > asked(-EFFECT)
    assert chance(parts(*effects), 9) == chance(parts(-EFFECT), 9, level=LEVEL / 3)
    assert run(trial(*effects, refuted=True)).as_planned(chance(parts(*effects), asked(*effects)))


def test_one_part_on_the_other_side_is_enough() -> None:
    """A part that is hardly below its threshold need not fail as well."""
    assert asked(-EFFECT, -0.01 * EFFECT) == asked(-EFFECT, EFFECT)


def untrained(mean: float, p: float) -> Part:
    return Part(Estimate(mean, 0.1, 0, 0, 99, 0, 100, 100, 0.0, 0.01), "above", 0.0, p)


def test_what_is_not_trained_is_as_it_is() -> None:
    open_ = parts(EFFECT)
    assert seeds_needed([*open_, untrained(1.0, 1e-9)]) == seeds_needed(open_)
    assert seeds_needed([*open_, untrained(0.1, 0.2)]) is None
    assert seeds_needed([untrained(0.1, 0.2)]) is None
    assert seeds_needed([untrained(-0.1, 0.8)]) is None


def test_more_seeds_do_not_make_more_items_differ() -> None:
    few = replace(RUNS.known(EFFECT), few=Few(0.0, 3, 0, 134, (-1.0, 1.0)))
    assert seeds_needed([Part(few, "above", 0.0, 0.125)]) is None


def test_a_verdict_counts_further_seeds_from_those_that_were_trained() -> None:
    rng = np.random.default_rng(1)
    runs = Series.one_each((0, 1, 2), (0.5, 1.6, 2.9), "x")
    base = Series((0,), rng.normal(5, 1, (1, 200)), np.arange(200), tuple(map(str, range(200))), np.ones(200), trained=False)
    verdicts = [judge((Claim("C1", "s", "x", "y", tuple(Contrast(name, "l", "r", MEASURE) for name in names)),
                       Claim("C2", "s", "x", "y", (Contrast("a", "l", "r", MEASURE),))),
                      Drawn({"a": runs, "b": base}))[0] for names in ("a", "ab")]
    alone, with_base = verdicts
    assert alone.seeds_needed is not None
    assert (with_base.headline, with_base.more_seeds) == (alone.headline, alone.more_seeds)
    assert alone.more_seeds == alone.seeds_needed - 3


def test_few_flips_ask_for_items_and_not_for_seeds() -> None:
    values = np.zeros((3, 134))
    values[:, :3] = 100.0
    flips = Series((0, 1, 2), values, np.arange(134), tuple(map(str, range(134))), np.ones(134), within=(-100.0, 100.0))
    verdict = judge((Claim("C", "s", "x", "y", (Contrast("c", "l", "r", MEASURE),)),), Drawn({"c": flips}))[0]
    assert (verdict.headline, verdict.p) == ("inconclusive", pytest.approx(0.125))
    assert "more items might" in verdict.why
