"""HELENE's study as values: it hangs together at every scale, its controls bite, and no number is made up."""
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from methods.objective.label_words import LabelWords
from methods.update.helene import Helene
from methods.update.sgd import Sgd
from repro.claims import Paper
from repro.evidence import Evidence
from repro.papers import rates
from repro.papers.helene.arms import METHODS, arms, cells, name, trials
from repro.papers.helene.claims import claims
from repro.papers.helene.exhibits import figures, tables
from repro.papers.helene.measures import accuracy, speed
from repro.papers.numbers import printed, reported
from repro.reaching import steps_to
from repro.scales import get
from repro.site import write as site
from repro.study import Metric, Record, Run, SuiteCall
from repro.table import Mean, fill
from repro.verdict import judge
from tests.fake_study import Memory, samples_of, tuned_rates

NAMES = ("smoke", "tiny", "small", "paper")


@pytest.fixture(autouse=True)
def some_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "FOLDER", tmp_path)
    rates.tuned.cache_clear()
    for scale in ("tiny", "small", "paper"):
        tuned_rates(tmp_path, trials(scale), scale, "helene")


@pytest.mark.parametrize("scale", NAMES)
def test_the_answer_is_chosen_among_label_words_in_every_loss(scale: str) -> None:
    assert all(isinstance(stage.recipe.objective, LabelWords) for arm in arms(scale) for stage in arm.stages)


def test_controls_follow_from_the_tuned_rate_of_mezo() -> None:
    by_name = {a.name: a.stages[0].recipe.update for a in arms("tiny") if a.stages}
    mezo, tenfold, matched = (by_name[n] for n in ("mezo", "mezo-x10", "mezo-momentum"))
    assert isinstance(mezo, Sgd)
    assert isinstance(tenfold, Sgd)
    assert isinstance(matched, Sgd)
    assert tenfold.lr == pytest.approx(10 * mezo.lr)
    assert matched.lr / (1 - matched.momentum) == pytest.approx(mezo.lr)


def test_each_ablation_changes_one_part_of_helene() -> None:
    by_name = {a.name: a.stages[0].recipe for a in arms("tiny") if a.stages}
    main = by_name["helene"].update
    assert isinstance(main, Helene)
    for arm, allowed in (("helene-ema", {"annealing"}), ("helene-flat", {"curvature"}), ("helene-scalar", {"curvature"}),
                         ("helene-global", {"rule", "lam"})):
        other = by_name[arm].update
        changed = {k for k, v in vars(main).items() if vars(other)[k] != v}
        assert changed - {"lr"} == allowed


def test_steps_to_a_target_counts_the_first_and_a_run_that_never_arrives_whole() -> None:
    curve = pd.DataFrame({"step": [0, 10, 20, 30], "kind": "dev_accuracy", "layer": None, "value": [0.5, 0.8, 0.7, 0.9]})
    assert [steps_to(curve, "dev_accuracy", level) for level in (0.1, 0.8, 0.85, 0.95)] == [1, 10, 30, None]
    assert [speed(("dev_accuracy", t)).read(curve) for t in (80, 95)] == pytest.approx([math.log2(10), math.log2(30)])
    falling = curve.assign(kind="dev_loss", value=[1.5, 0.9, 1.0, 0.6])
    assert [steps_to(falling, "dev_loss", level) for level in (0.95, 0.7, 0.5)] == [10, 30, None]
    with pytest.raises(LookupError):
        steps_to(curve, "train_loss", 0.8)


def store_of(level: dict[str, float]) -> Memory:
    """Accuracy by arm (0.7 where none is given), reached after 100 / (10 * level) of the steps."""
    store, items = Memory(), 200
    for arm in arms("tiny"):
        for seed in arm.seeds:
            run = Run("helene", arm, seed, "tiny", 1, {})
            rng = np.random.default_rng([seed, *arm.name.encode()])
            p = level.get(arm.name, 0.7)
            right = (np.arange(items) < p * items + rng.integers(0, 2)).astype(float)
            steps = np.arange(0, 401, 16)
            rise = np.minimum(p, 0.5 + steps / 400 * (p - 0.5) * (8 if p > 0.75 else 1)) + 0.2
            curve = pd.concat([pd.DataFrame({"step": steps, "kind": kind, "layer": None, "value": value})
                               for kind, value in (("dev_accuracy", rise), ("dev_loss", 1.9 - rise))])
            suite = f"glue:{arm.suites[0].suite.partition(':')[2].partition('-')[0]}"
            metrics = {suite: {"acc": Metric(p, 0.03, items)}}
            record = Record(run.id, "helene", arm.name, seed, "tiny", "done", None, metrics, {"wall_s": 1.0}, run.content, {})
            store.put(record, samples_of(suite, right), curve)
    return store


def verdicts(**level: float) -> dict[str, str]:
    names = {k.replace("_", "-"): v for k, v in level.items()}
    everywhere = {name(m, c, get("tiny")): v for m, v in names.items() for c in cells(get("tiny"))}
    found = arms("tiny")
    return {v.claim.id: v.headline for v in judge(claims("tiny"), Evidence(store_of(everywhere), "helene", "tiny", found))}


def test_a_gain_stands_only_where_neither_step_nor_momentum_gives_it() -> None:
    assert verdicts(helene=0.8)["C2"] == "supported"
    assert "MeZO at ten times its rate" in verdicts(helene=0.8, mezo_x10=0.8)["C2"]
    assert "momentum" in verdicts(helene=0.8, zo_momentum=0.8)["C2"]
    assert verdicts(mezo=0.8)["C2"] == "refuted"
    assert verdicts()["C2"].startswith("inconclusive"), "no gain, but three seeds cannot exclude one among all claims"


def test_curvature_must_beat_one_number_a_block() -> None:
    assert verdicts(helene=0.9)["C5b"] == "supported"
    assert "one number a block" in verdicts(helene=0.9, helene_scalar=0.9)["C5b"]


def test_a_mean_over_cells_weighs_each_alike_and_knows_shared_items() -> None:
    found = arms("tiny")
    evidence = Evidence(store_of({"helene": 0.9, "mezo": 0.7}), "helene", "tiny", found)
    claim = next(c for c in claims("tiny") if c.id == "C2")
    effect = evidence.effect(claim.contrasts[0])
    parts = [evidence.effect(c) for c in claim.contrasts[0].over]
    assert effect.means == pytest.approx(np.mean([p.means for p in parts], axis=0))
    assert effect.values.shape[1] == sum(p.values.shape[1] for p in parts)
    tasks = {c.task for c in cells(get("tiny"))}
    assert effect.cluster.max() + 1 == len(tasks) * (parts[0].cluster.max() + 1)


def test_every_zeroth_order_rival_is_in_the_claim_about_others() -> None:
    claim = next(c for c in claims("tiny") if c.id == "C4")
    rivals = {m for m, method in METHODS.items() if method.order == 0 and not m.startswith("helene")} - {"mezo"}
    assert {c.right for c in claim.contrasts} == rivals


def test_helenes_unverified_cells_stay_empty_and_mezos_are_found() -> None:
    frame = reported("helene")
    of_helene = frame[frame["method"].str.startswith("HELENE") & frame["benchmark"].isin(["SST-2", "RTE"])]
    assert len(of_helene)
    assert (of_helene["value"] == "").all()
    where = {"table": "MeZO Table 18", "model": "RoBERTa-large", "benchmark": "SST-2", "metric": "accuracy", "method": "MeZO"}
    assert printed("helene", where | {"setting": "k=512"}).value is not None


@pytest.mark.parametrize("scale", NAMES)
def test_untrained_arms_stand_beside_the_trained_ones(scale: str) -> None:
    at, by_name = get(scale), {a.name: a for a in arms(scale)}
    for cell in (c for c in cells(at) if c.variant == "full"):
        probed, shown = by_name[name("lp", cell, at)], by_name.get(name("icl", cell, at))
        assert (probed.stages, probed.seeds) == ((), at.setting("helene.seeds"))
        assert probed.suites == (SuiteCall(f"probe:{cell.data}", 0, at.setting("helene.items")),)
        assert (shown is None) == (cell.base in at.setting("helene.masks"))
        assert shown is None or shown.suites[0].shots == at.setting("helene.shots")
    assert not any("lp" in method for method in trials(scale))


def test_the_table_shows_a_probe_with_its_seeds_and_a_bare_model_without() -> None:
    evidence = Evidence(store_of({"lp": 0.9}), "helene", "tiny", arms("tiny"))
    shown = {str(row[0]): row[2] for row in fill(tables("tiny")[0], evidence).rows}
    probed, bare = (shown[label] for label in ("linear probing", "zero-shot"))
    assert isinstance(probed, Mean)
    assert isinstance(bare, Mean)
    assert (probed.seeds, bare.seeds) == (3, 0)
    assert probed.value == pytest.approx(90, abs=1)
    assert printed("helene", {"table": "MeZO Table 18", "model": "RoBERTa-large", "benchmark": "SST-2", "metric": "accuracy",
                              "method": "LP", "setting": "k=512"}).value is not None


def test_the_report_shows_what_needs_no_record(tmp_path: Path) -> None:
    paper = Paper("helene", "HELENE: a study", "2411.10696", arms, trials, tables, figures, claims)
    index = site.write((paper,), get("tiny"), Memory(), tmp_path)
    page = (index.parent / "tiny" / "helene" / "index.html").read_text()
    assert {f.stem for f in tmp_path.rglob("*.png")} == {"figure-landscape", "figure-peaks"}
    assert "An illustration, not evidence" in page
    opt = (tmp_path / "tiny" / "helene" / "tables" / "table-memory-opt-1.3b.md").read_text()
    assert "5,263,032,320" in opt
    assert "5,263,032,320" in page
    assert "±" not in opt


def test_accuracy_is_shown_in_points() -> None:
    assert accuracy(cells(get("tiny"))[0]).times == 100
