"""CoLM's study as values: arms differ by what they say, controls bite, and every column it reads is measured."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from methods.objective.nll import Nll
from methods.parts import Refused
from methods.selection.clustered import Clustered
from methods.selection.colm import Colm
from methods.selection.uniform_by_source import UniformBySource
from repro.claims import OfItems
from repro.evidence import Evidence
from repro.papers import rates
from repro.papers.colm import cost
from repro.papers.colm.arms import RANDOM, arms, on_task, rules, task_name, trials, variants
from repro.papers.colm.claims import claims
from repro.papers.colm.contenders import PAIRS, compare, contenders
from repro.papers.colm.exhibits import tables
from repro.scales import get
from repro.study import Metric, Record, Run
from repro.verdict import judge
from suites.coresets import evaluate
from tests.fake_study import Memory, samples_of, tuned_rates
from tests.toys import toy_examples, toy_llama

GAINS = {"variance gain colm": 0.3, "variance gain mixture minus colm": -0.25, "error gain random minus colm": -0.2,
         "skill colm": 0.4}


@pytest.fixture(autouse=True)
def some_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "FOLDER", tmp_path)
    rates.tuned.cache_clear()
    for scale in ("tiny", "small", "paper"):
        tuned_rates(tmp_path, trials(scale), scale, "colm")


def rule_of(arm: str, scale: str = "tiny") -> object:
    return next(a for a in arms(scale) if a.name == arm).stages[0].recipe.selection


def test_each_variant_changes_what_its_label_says_and_runs_at_colms_rate() -> None:
    main, by_name = rule_of("colm"), {a.name: a for a in arms("tiny")}
    assert isinstance(main, Colm)
    allowed = {"colm-fresh": {"z"}, "colm-many": {"z", "m"}, "colm-gradient": {"z"}, "colm-no-small": {"keep_small"},
               "colm-no-adam": {"adam"}, "colm-one-group": {"per_source"}, "colm-clusters": {"weights"},
               "colm-all-coordinates": {"z", "h"}, "colm-l2": {"z", "metric"}, "colm-cosine": {"z", "metric"}}
    assert set(allowed) == set(variants(get("tiny")))
    for name, fields in allowed.items():
        other = rule_of(name)
        assert isinstance(other, Colm)
        assert {k for k, v in vars(main).items() if vars(other)[k] != v} == fields, name
        assert by_name[name].stages[0].recipe.update == by_name["colm"].stages[0].recipe.update


def test_the_mixture_draws_from_the_same_pool_and_trains_on_as_many() -> None:
    by_name = {a.name: a.stages[0] for a in arms("paper") if a.stages}
    mixture, colm = rule_of("mixture", "paper"), rule_of("colm", "paper")
    assert isinstance(mixture, UniformBySource)
    assert isinstance(colm, Colm)
    assert mixture.pool == colm.pool
    assert all(rule.pool == colm.pool for rule in rules().values())  # type: ignore[attr-defined]
    sizes = [by_name[name].training.batch_size for name in ("colm", "mixture", *RANDOM)]
    assert sizes == [64, 64, 64, 128, 256]
    assert by_name["colm"].training.steps == by_name["random-4x"].training.steps


def test_the_longer_control_has_colms_arithmetic() -> None:
    """Tiny: 13 of 16 examples of a pool through five blocks once and through the sixth twice, 8 trained through adapters."""
    by_name = {a.name: a.stages[0].training.steps for a in arms("tiny") if a.stages}
    passes = 13 * (5 / 6 + 2 / 6) + 8 * 2
    assert by_name["random-longer"] == pytest.approx((by_name["colm"] or 0) * passes / (8 * 2), abs=0.6)


def test_the_papers_speed_is_in_reach_of_the_arithmetic_with_checkpointing_alone() -> None:
    """By hand for Phi-2: 128 x 3 passes against 64 x 3 and 93 x (31 + 2) / 32 for choosing."""
    assert cost.speed(2, 93 / 128, 32, cost.WEIGHTS) == pytest.approx(128 * 3 / (64 * 3 + 93 * 33 / 32))
    assert cost.speed(2, 1.0, 32, cost.ADAPTERS) < 1
    assert cost.share(2, 1.0, 6, 2) == pytest.approx(7 / 13)


def test_every_chosen_example_counts_once_in_the_loss() -> None:
    objectives = {a.name: a.stages[0].recipe.objective for a in arms("tiny") if a.stages and "@" not in a.name}
    assert set(objectives.values()) == {Nll("example")}


def test_where_sources_are_unknown_clusters_stand_in_their_place_for_colm_and_for_its_control() -> None:
    found = on_task(get("tiny"))
    rules_ = [found[name][1] for name in ("colm", "mixture")]
    assert all(isinstance(rule, Clustered) for rule in rules_)
    inside = [rule.of for rule in rules_ if isinstance(rule, Clustered)]
    assert [type(rule) for rule in inside] == [Colm, UniformBySource]
    assert not any(vars(rule)["keep_small"] for rule in inside)
    assert len({(vars(rule)["c"], vars(rule)["warmup"], vars(rule)["refresh"]) for rule in rules_}) == 1


def test_every_number_read_about_batches_is_measured() -> None:
    data = [dataclasses.replace(e, source="aabbbr"[i % 6]) for i, e in enumerate(toy_examples(48))]
    scale = get("tiny")
    measured = evaluate(toy_llama().eval(), data, contenders(4, 1e-3, 2), size=8, pools=3, seed=0, pad_id=0, micro_batch=4,
                        pairs=PAIRS)
    contrasts = [x for c in claims(scale.name) for x in (*c.contrasts, *(y for k in c.controls for y in k.contrasts))]
    read = {m.column for m in (x.measure for x in contrasts) if isinstance(m, OfItems) and m.suite == "coresets"}
    read |= {c.measure.column for t in tables(scale.name) for c in t.columns
             if isinstance(c.measure, OfItems) and c.measure.suite == "coresets"}
    assert read <= set(measured.samples.columns)


def test_the_comparison_is_on_new_adapters_that_are_taken_off_again() -> None:
    model, at = toy_llama().eval(), get("tiny")
    pools = dataclasses.replace(at.settings["colm.pools"], value=(8, 3))
    scale = dataclasses.replace(at, settings=at.settings | {"colm.pools": pools})
    before = {name: p.clone() for name, p in model.named_parameters()}
    data = [dataclasses.replace(e, source="aabbbr"[i % 6]) for i, e in enumerate(toy_examples(32))]
    found = [compare(model, data, scale, pools=3, pad_id=0).samples for _ in range(2)]
    pd.testing.assert_frame_equal(*found)
    after = dict(model.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


# ------------------------------------------------------------------------------------------------------------ verdicts


def store_of(level: dict[str, float], gains: dict[str, float]) -> Memory:
    """Held-out loss by arm (1.0 where none is given); what batches stand for, by column."""
    store, items, pools = Memory(), 120, 24
    shared = np.random.default_rng(3).normal(0, 0.2, items)
    for arm in arms("tiny"):
        for seed in arm.seeds:
            run, rng = Run("colm", arm, seed, "tiny", 1, {}), np.random.default_rng([seed, *arm.name.encode()])
            nll = level.get(arm.name, 1.0) + shared + rng.normal(0, 0.002) + rng.normal(0, 0.02, items)
            heldout = samples_of("heldout", nll, per_fact=1).rename(columns={"correct": "nll"}).assign(tokens=10)
            task = samples_of("glue:sst2", (rng.random(items) < 0.8).astype(float), per_fact=1)
            frames = [heldout, task]
            if any(call.suite.startswith("coresets") for call in arm.suites):
                columns = {c: v + rng.normal(0, 0.02, pools) for c, v in gains.items()}
                frames.append(samples_of("coresets", np.zeros(pools), per_fact=1).assign(**columns))
            record = Record(run.id, "colm", arm.name, seed, "tiny", "done", None, {"heldout": {"nll": Metric(1.0, 0.1, items)}},
                            {"wall_s": 1.0}, run.content, {})
            store.put(record, pd.concat(frames, ignore_index=True), pd.DataFrame(columns=["step", "kind", "layer", "value"]))
    return store


def verdicts(level: dict[str, float] | None = None, gains: dict[str, float] | None = None) -> dict[str, str]:
    store = store_of({"colm": 0.8, "random-4x": 0.9} | (level or {}), GAINS | (gains or {}))
    return {v.claim.id: v.headline for v in judge(claims("tiny"), Evidence(store, "colm", "tiny", arms("tiny")))}


def explained(headline: str, by: str) -> bool:
    return headline.startswith("supported, but explained by its control") and by in headline


def test_a_gain_stands_only_where_neither_the_mixture_nor_the_compute_gives_it() -> None:
    plain = verdicts()
    assert plain["C3"] == "supported"
    assert plain["C4"] == "supported"
    assert explained(verdicts({"mixture": 0.8})["C4"], "the mixture of sources")
    assert explained(verdicts({"random-longer": 0.8})["C4"], "the compute of a step")
    assert verdicts({"colm": 1.1})["C4"] == "refuted"


def test_what_counts_as_no_difference_for_a_control_does_for_the_claim() -> None:
    assert verdicts({"colm": 0.99, "mixture": 1.0})["C4"] not in ("supported", "supported, but explained by its control")


def test_beating_larger_batches_says_nothing_where_these_do_not_help() -> None:
    assert explained(verdicts({"random-4x": 1.0})["C3"], "does a larger batch help at all")


def test_parts_count_only_where_gradients_choose_something() -> None:
    assert verdicts()["C8"] == "supported"
    assert explained(verdicts({"mixture": 0.8})["C8"], "the mixture of sources")


def test_low_variance_and_agreement_have_their_explanations() -> None:
    plain = verdicts()
    assert plain["C5"] == "supported"
    assert plain["C6"] == "supported"
    assert explained(verdicts(gains={"variance gain mixture minus colm": 0.0})["C5"], "the mixture of sources")
    assert explained(verdicts(gains={"error gain random minus colm": 0.3})["C5"], "bias")
    assert verdicts(gains={"skill colm": 0.0})["C6"] == "refuted"


def test_a_task_that_is_none_is_refused() -> None:
    at = get("tiny")
    task = dataclasses.replace(at.settings["colm.task"], value="alpaca-gpt4")
    with pytest.raises(Refused, match="it is no classification task"):
        task_name(dataclasses.replace(at, settings=at.settings | {"colm.task": task}))
