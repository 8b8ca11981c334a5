"""LoRA ensembles' study as values: arms differ by what they say, predictions exist, and verdicts follow from known answers."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from methods.ensemble.average import Average
from methods.objective.choice_kl import ChoiceKl
from methods.scope.lora import Adapter, Lora
from methods.update.adamw_on_factor import AdamWOnFactor
from repro import table, traces
from repro.evidence import Evidence
from repro.inference import WAYS
from repro.members import frame
from repro.papers import rates
from repro.papers.lora_ensembles import cost
from repro.papers.lora_ensembles.arms import LABELS, arms, chosen, label_of, methods, regularised, trials
from repro.papers.lora_ensembles.claims import claims
from repro.papers.lora_ensembles.exhibits import WAYS as WORDS
from repro.papers.lora_ensembles.exhibits import figures, tables
from repro.scales import get
from repro.study import Metric, Record, Run
from repro.verdict import judge
from suites import models
from suites.options.coded import Coded
from tests.fake_study import Memory, tuned_rates

CURVE = pd.DataFrame([(1, "train_loss", None, 1.0)], columns=["step", "kind", "layer", "value"])


@pytest.fixture(autouse=True)
def some_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "FOLDER", tmp_path)
    rates.tuned.cache_clear()
    for scale in ("tiny", "small", "paper"):
        tuned_rates(tmp_path, trials(scale), scale, "lora_ensembles")


def by_name(scale="tiny"):
    return {a.name: a for a in arms(scale)}


def test_arms_differ_from_lora_in_what_their_label_says():
    of = {name: a.stages[0].recipe for name, a in by_name().items() if a.stages}
    lora = of["lora"]
    assert lora.ensemble == Average(5)
    assert isinstance(lora.scope, Lora)
    for name, field, kind in (("kl", "objective", ChoiceKl), ("decay", "update", AdamWOnFactor), ("head", "scope", Adapter),
                              ("dropout", "scope", Lora)):
        changed = {f.name for f in dataclasses.fields(lora) if getattr(lora, f.name) != getattr(of[name], f.name)}
        assert changed <= {field, "update"}, name
        assert isinstance(getattr(of[name], field), kind)
    assert of["same-init"].ensemble.fresh == ("order",)
    assert of["same-order"].ensemble.fresh == ("init",)
    assert of["same"].ensemble.fresh == ()
    for name in ("same-init", "same-order", "same"):
        assert dataclasses.replace(of[name], ensemble=lora.ensemble) == lora
    assert of["reverse-kl"].objective.reverse
    assert of["reverse-kl"].objective.beta == of["kl"].objective.beta
    assert of["decay-on-a"].update == dataclasses.replace(of["decay"].update, factor="A")
    assert by_name()["other"].stages[0].data != by_name()["lora"].stages[0].data


def test_controls_have_the_compute_and_the_weights_of_all_members():
    of = {name: a.stages[0] for name, a in by_name().items() if a.stages}
    assert of["long"].training.steps == 5 * of["lora"].training.steps
    assert of["long"].recipe.ensemble.members == 1
    assert of["wide"].recipe.scope.r == 5 * of["lora"].recipe.scope.r
    assert of["wide"].recipe.scope.alpha / of["wide"].recipe.scope.r == of["lora"].recipe.scope.alpha / of["lora"].recipe.scope.r


def test_five_members_three_draws_of_the_data_and_every_regulariser():
    main = by_name()["lora"]
    assert main.stages[0].recipe.ensemble.members >= 5
    assert len(main.seeds) >= 3
    assert {m.partition(" ")[0] for m in methods(get("tiny"))} >= {"lora", "head", "dropout", "kl", "decay", "long"}
    assert all(f"options:{main.stages[0].data}{part}" in {c.suite for c in main.suites} for part in ("", "/dev"))
    assert set(chosen(rates.tuned("lora_ensembles", "tiny"), get("tiny")).values()) <= set(regularised(get("tiny")))
    assert label_of("kl 0.1").endswith("0.1")
    assert {a.partition(" ")[0] for a in by_name()} <= set(LABELS)
    assert set(WORDS) <= set(WAYS)


def answers_of(rng, n, members, points, sharp, skill, options=4):
    """Members that agree on a noisy truth: `skill` pulls to the right answer, `sharp` exaggerates what they believe."""
    gold = rng.integers(0, options, n)
    truth = np.eye(options)[gold] * skill
    said = truth + rng.normal(size=(points, members, n, options))
    said[0] = rng.normal(size=(1, n, options)) * 0.5  # before training all are one
    return gold, np.asarray(torch.tensor(said * sharp).log_softmax(-1)) - 0.01


def filled(skill=1.2, sharp=3.0):
    """Members whose errors are their own and who are surer than they are right: an ensemble must help."""
    store, scale = Memory(), get("tiny")
    points, many = scale.setting("ensembles.points"), scale.setting("ensembles.members")
    for arm in arms("tiny"):
        for seed in arm.seeds:
            run = Run("lora_ensembles", arm, seed, "tiny", 1, {"code": "fake"})
            recipe = arm.stages[0].recipe if arm.stages else None
            members = recipe.ensemble.members if recipe else 1
            frames = []
            for call in arm.suites:
                key = call.suite.removeprefix("options:")
                rng = np.random.default_rng([sum(map(ord, key))])  # the same questions for every run
                n = 60 if key.endswith("/dev") else 120
                gold, said = answers_of(rng, n, many, points, sharp if recipe else 1.0, skill)
                own = np.random.default_rng([seed, *arm.name.encode(), *key.encode()])
                said = said[:, :members] + (own.normal(size=said[:, :members].shape) * sharp if recipe else 0)
                said = np.asarray(torch.tensor(said).log_softmax(-1))
                if recipe is not None and recipe.ensemble.members > 1 and not getattr(recipe.ensemble, "fresh", ("x",)):
                    said[:] = said[:, :1]
                ours = bool(arm.stages) and key.partition("/")[0] == arm.stages[0].data
                asked = Coded((), (1, 2, 3, 4), (4,) * n, tuple(gold), tuple(f"{key}{i}" for i in range(n)), 0)
                extras = {e: torch.tensor(said[-1, 0]) if e in arm.points and ours else None for e in ("averaged", "laplace")}
                extras["sampled"] = torch.tensor(said[-1, :2]) if "sampled" in arm.points and ours else None
                frames.append(frame(key, asked, torch.tensor(said if ours else said[-1:]), extras))
            store.put(Record(run.id, "lora_ensembles", arm.name, seed, "tiny", "done", None,
                             {"options": {"x": Metric(0.0, 0.0, 1)}}, {"wall_s": 1.0}, run.content, {}),
                      pd.concat(frames, ignore_index=True), CURVE)
    return Evidence(store, "lora_ensembles", "tiny", arms("tiny"))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "FOLDER", folder)
        rates.tuned.cache_clear()
        tuned_rates(folder, trials("tiny"), "tiny", "lora_ensembles")
        return filled()


def test_every_table_and_figure_is_filled(evidence):
    for spec in tables("tiny"):
        written = table.markdown(table.fill(spec, evidence))
        assert "not run" not in written, spec.id
        assert "nan" not in written, spec.id
    for spec in figures("tiny"):
        found = traces.of(spec, evidence)
        assert found.found, spec.id
        assert not found.missing, (spec.id, found.missing)


def test_over_confident_members_with_errors_of_their_own_make_an_ensemble_that_helps(evidence):
    found = {v.claim.id: v for v in judge(claims("tiny"), evidence)}
    held = {t.contrast.name: t for v in found.values() for t in v.tested}
    assert found["C1"].word in ("supported", "direction only")
    assert all(t.holds for t in found["C1"].tested)
    assert all(t.holds for t in found["C2"].tested)
    assert all(t.estimate is not None for t in held.values())
    harness = next(c for c in found["C11"].controls if c.control.name == "the harness")
    assert not harness.explains
    assert found["C7"].counted, "memory is counted at shapes"
    assert found["C8"].word == "not run"


def test_what_members_add_is_counted():
    assert cost.weights("LLaMA-2-13B") == 6_553_600
    assert cost.weights("LLaMA-2-7B") == 4_194_304
    assert cost.memory("LLaMA-2-13B") == pytest.approx(1.0025, abs=1e-4)
    assert 5 < cost.scoring("LLaMA-2-7B") < 5.01
    model, _ = models.load(get("tiny").model("tinyllama").place)
    by_shape = cost.SHAPES["embedded model"].model()
    assert [tuple(p.shape) for p in by_shape.parameters()] == [tuple(p.shape) for p in model.parameters()]
