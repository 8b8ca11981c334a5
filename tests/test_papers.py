"""What holds for every paper's study at every scale: it hangs together, its tuning is fair, and no number is made up."""
from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from methods.refusals import check
from repro.answered import named
from repro.claims import Paper
from repro.papers import PAPERS, rates
from repro.papers.numbers import printed, reported
from repro.scale import TaskRef
from repro.scales import get
from repro.study import PROBES
from tests.fake_study import tuned_rates

SCALES = ("smoke", "tiny", "small", "paper")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "papers"
WORLD_ONLY = {"coresets", "heldout"}
"""Suites of a training set rather than of a benchmark."""


@pytest.fixture(autouse=True)
def some_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "FOLDER", tmp_path)
    rates.tuned.cache_clear()
    for paper in PAPERS.values():
        for scale in ("tiny", "small", "paper"):
            tuned_rates(tmp_path, paper.trials(scale), scale, paper.name)


everywhere = pytest.mark.parametrize(("paper", "scale"), [(p, s) for p in PAPERS.values() for s in SCALES],
                                     ids=lambda v: v.name if isinstance(v, Paper) else v)


@everywhere
def test_names_are_unique_and_every_arm_has_a_label(paper: Paper, scale: str) -> None:
    found = paper.arms(scale)
    assert max(Counter(a.name for a in found).values()) == 1
    assert all(a.label for a in found)


@everywhere
def test_claims_tables_and_figures_name_arms_that_exist(paper: Paper, scale: str) -> None:
    known = {a.name for a in paper.arms(scale)}
    for claim in paper.claims(scale):
        for contrast in (*claim.contrasts, *(x for c in claim.controls for x in c.contrasts)):
            assert {named(a)[0] for a in contrast.arms} <= known, claim.id
    for table in paper.tables(scale):
        assert table.rows
        assert {named(r.arm)[0] for r in table.rows if r.arm} <= known, table.id
    for figure in paper.figures(scale):
        assert figure.lines or figure.panels or figure.counted, figure.id
        assert {named(line.arm)[0] for line in figure.lines} <= known, figure.id


@everywhere
def test_claims_can_fail_or_say_why_they_are_not_tried(paper: Paper, scale: str) -> None:
    found = paper.claims(scale)
    assert len({c.id for c in found}) == len(found)
    for claim in found:
        assert claim.refuted_by
        assert [bool(part) for part in (claim.contrasts, claim.counted, claim.untried)].count(True) == 1, claim.id
        assert not claim.untried or claim.reason


@everywhere
def test_every_arm_has_its_model_its_data_and_a_recipe_that_can_be(paper: Paper, scale: str) -> None:
    at = get(scale)
    for arm in paper.arms(scale):
        assert arm.base in at.models, arm.name
        assert all(s.data in at.sets for s in arm.stages), arm.name
        assert arm.points.keys() <= PROBES.keys()
        for stage in arm.stages:
            check(stage.recipe)
        for name, _, data in (call.suite.partition(":") for call in arm.suites):
            assert name not in ("probe", *WORLD_ONLY) or data in at.sets, arm.name
            assert name != "options" or data.partition("/")[0] in at.sets, arm.name
            assert name != "probe" or isinstance(at.sets[data], TaskRef)


@everywhere
def test_every_tuned_method_has_as_many_trials_and_none_sees_the_test(paper: Paper, scale: str) -> None:
    found = paper.trials(scale)
    assert len({len(of) for of in found.values()}) == 1
    assert all(not arm.suites for of in found.values() for arm in of)
    run = {seed for arm in paper.arms(scale) for seed in arm.seeds}
    assert not set(get(scale).tuning_seeds) & run


@everywhere
def test_a_comparison_at_a_real_scale_has_three_seeds(paper: Paper, scale: str) -> None:
    trained = [a for a in paper.arms(scale) if a.stages]
    assert all(len(set(a.seeds)) >= (1 if scale == "smoke" else 3) for a in trained)


@pytest.mark.parametrize("scale", ["tiny", "paper"])
@pytest.mark.parametrize(("name", "least"), [("lisa", 20), ("helene", 6), ("colm", 6)])
def test_every_cell_finds_at_most_one_printed_number(name: str, least: int, scale: str) -> None:
    shown = [printed(name, {**row.reported, **column.reported}) for table in PAPERS[name].tables(scale) for row in table.rows
             for column in table.columns if row.reported and column.reported is not None]
    assert sum(p.value is not None for p in shown) >= least


@pytest.mark.parametrize("name", list(PAPERS))
def test_numbers_are_those_that_were_collected(name: str) -> None:
    collected = SHARED / name / "tables.csv"
    if not collected.exists():
        pytest.skip("the collected facts are not beside this checkout")
    facts = pd.read_csv(collected, dtype=str, keep_default_na=False)
    cells = [*facts["value"], *facts.get("std", ())]
    known = Counter(v.removeprefix("about ").removeprefix("almost ").split(" ")[0] for v in cells)
    assert not Counter(v.split(" ")[0] for v in reported(name)["value"] if v) - known
