"""Calibration: measures against slow references and other libraries, known answers, refusals, the command."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from methods.parts import Refused
from repro.__main__ import app
from suites.calibration import Answers, floored, reliability, table
from suites.calibration.metrics import MEASURES, Draws, binned

RUNNER = CliRunner()


def made(n: int = 300, c: int = 4, seed: int = 0, sure: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels drawn from them: perfectly calibrated."""
    generator = np.random.default_rng(seed)
    logits = sure * generator.normal(size=(n, c))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return p, np.array([generator.choice(c, p=row) for row in p])


def value(name: str, p: np.ndarray, y: np.ndarray) -> float:
    answers = Answers.of(p, y)
    return float(MEASURES[name](Draws(answers, np.ones((1, len(answers))), answers.labels[None]))[0])


def slow_ece(said: np.ndarray, hit: np.ndarray, bins: int) -> float:
    total = 0.0
    for b in range(bins):
        inside = [i for i in range(len(said)) if b / bins < said[i] <= (b + 1) / bins or (b == 0 and said[i] == 0)]
        if inside:
            total += len(inside) / len(said) * abs(np.mean([hit[i] for i in inside]) - np.mean([said[i] for i in inside]))
    return total


def test_the_plain_measures_are_their_formulas():
    p, y = made()
    n = len(y)
    assert value("accuracy", p, y) == np.mean(p.argmax(1) == y)
    assert value("nll", p, y) == pytest.approx(-np.mean([np.log(p[i, y[i]]) for i in range(n)]))
    assert value("brier", p, y) == pytest.approx(np.mean([sum((p[i, k] - (k == y[i])) ** 2 for k in range(4)) for i in range(n)]))


@pytest.mark.parametrize("bins", [10, 15])
def test_top_label_ece_is_the_slow_one(bins):
    p, y = made(seed=1)
    hit = (p.argmax(1) == y).astype(float)
    assert value(f"ece ({bins} bins)", p, y) == pytest.approx(slow_ece(p.max(1), hit, bins))
    at = binned(p.max(1), 15)
    worst = max(abs(hit[at == b].mean() - p.max(1)[at == b].mean()) for b in set(at))
    assert value("mce (15 bins)", p, y) == pytest.approx(worst)


def test_errors_by_option_are_the_slow_ones():
    p, y = made(seed=2)
    each = [slow_ece(p[:, k], (y == k).astype(float), 15) for k in range(4)]
    assert value("classwise ece", p, y) == pytest.approx(np.mean(each))
    flat = slow_ece(p.ravel(), (np.arange(4) == y[:, None]).astype(float).ravel(), 15)
    assert value("pooled-option ece", p, y) == pytest.approx(flat)


def test_equal_mass_bins_hold_as_many_and_adaptive_counts_them_alike():
    p, y = made(n=300, seed=3)
    said, hit = p.max(1), (p.argmax(1) == y).astype(float)
    assert set(np.bincount(binned(said, 15, mass=True))) == {20}
    parts = np.array_split(np.argsort(said), 15)
    expected = sum(abs(hit[i].mean() - said[i].mean()) for i in parts) / 15
    assert value("ece (15 equal-mass bins)", p, y) == pytest.approx(expected)
    each = [np.mean([abs((y[i] == k).mean() - p[i, k].mean()) for i in np.array_split(np.argsort(p[:, k]), 15)])
            for k in range(4)]
    assert value("adaptive ece", p, y) == pytest.approx(np.mean(each))


def test_auroc_is_scikit_learns_with_ties_too():
    p, y = made(seed=4)
    assert value("auroc", p, y) == pytest.approx(roc_auc_score(p.argmax(1) == y, p.max(1)))
    ties = np.array([[0.7, 0.3], [0.7, 0.3], [0.6, 0.4], [0.6, 0.4], [0.9, 0.1]])
    labels = np.array([0, 1, 0, 1, 0])
    assert value("auroc", ties, labels) == pytest.approx(roc_auc_score(labels == 0, ties[:, 0]))
    assert np.isnan(value("auroc", ties, np.zeros(5, dtype=int)))


def test_aurc_is_the_mean_risk_over_coverage():
    p, y = made(n=50, seed=5)
    order = np.argsort(-p.max(1))
    wrong = (p.argmax(1) != y)[order]
    assert value("aurc", p, y) == pytest.approx(np.mean([wrong[:i + 1].mean() for i in range(50)]))
    same = np.full((4, 2), 0.5)
    assert value("aurc", same, np.array([0, 1, 1, 0])) == 0.5  # all of one confidence: taken together


@pytest.mark.parametrize(("ours", "theirs", "options"), [
    ("ece (15 bins)", "multiclass_calibration_error", {"n_bins": 15, "norm": "l1"}),
    ("mce (15 bins)", "multiclass_calibration_error", {"n_bins": 15, "norm": "max"})])
def test_they_agree_with_torchmetrics(ours, theirs, options):
    functional = pytest.importorskip("torchmetrics.functional.classification")
    import torch
    p, y = made(seed=6)
    got = getattr(functional, theirs)(torch.tensor(p), torch.tensor(y), num_classes=4, **options)
    assert value(ours, p, y) == pytest.approx(float(got), abs=1e-6)


def test_they_agree_with_netcal():
    metrics = pytest.importorskip("netcal.metrics")
    p, y = made(seed=7)
    assert value("ece (15 bins)", p, y) == pytest.approx(metrics.ECE(15).measure(p, y))
    assert value("mce (15 bins)", p, y) == pytest.approx(metrics.MCE(15).measure(p, y))


# ------------------------------------------------------------------------------------------------- laws


def test_errors_of_a_perfectly_calibrated_model_lie_in_nine_of_ten_of_their_own_null_intervals():
    names = [n for n in MEASURES if "ece" in n or n in ("nll", "brier")]
    inside = []
    for seed in range(60):
        found = table(Answers.of(*made(n=400, seed=seed)), draws=2, worlds=200, measures={n: MEASURES[n] for n in names})
        inside.append((found["value"] >= found["calibrated_low"]) & (found["value"] <= found["calibrated_high"]))
    share = np.mean(inside, axis=0)
    assert ((share > 0.9 - 4 * 0.039) & (share <= 1)).all()  # four standard errors of a share of .9 among 60


def test_an_overconfident_model_lies_above_its_null():
    p, y = made(n=800, seed=8)
    hot = p**3 / (p**3).sum(1, keepdims=True)
    found = table(Answers.of(hot, y), draws=50, worlds=50).set_index("measure")
    assert (found.loc[["ece (15 bins)", "classwise ece", "nll"], "value"] > found.loc[["ece (15 bins)", "classwise ece", "nll"],
                                                                                     "calibrated_high"]).all()


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_nll_of_the_mean_is_no_more_than_the_mean_of_nlls(seed):
    members = [made(n=40, seed=seed + i)[0] for i in range(3)]
    y = np.random.default_rng(seed).integers(0, 4, 40)
    assert value("nll", np.mean(members, axis=0), y) <= np.mean([value("nll", m, y) for m in members]) + 1e-12
    assert value("brier", np.mean(members, axis=0), y) <= np.mean([value("brier", m, y) for m in members]) + 1e-12


def test_questions_may_differ_in_their_options():
    rows = [[0.5, 0.5], [0.2, 0.3, 0.5], [0.1, 0.2, 0.3, 0.4]] * 10
    answers = Answers.of(rows, [0, 2, 3] * 10)
    found = table(answers, draws=20, worlds=20)
    assert np.isfinite(found["value"].drop(index=found.index[found["measure"] == "auroc"])).all()
    assert answers.there.sum() == 90
    assert answers.chosen[:3].tolist() == [0, 2, 3]  # of equally likely options the first


def test_logits_and_their_softmax_give_the_same_and_a_floor_is_counted():
    p, y = made(n=60, seed=9)
    a, b = table(Answers.of(p, y), draws=10, worlds=10), table(Answers.of_logits(np.log(p) - 7.0, y), draws=10, worlds=10)
    np.testing.assert_allclose(a["value"], b["value"], rtol=1e-6)
    sure = Answers.of_logits([[0.0, -1000.0], [0.0, -1.0]], [1, 0])
    assert floored(sure) == 1
    found = table(sure, draws=5, worlds=5).set_index("measure")
    assert found.loc["nll", "value"] == pytest.approx((-np.log(1e-12) + np.log1p(np.exp(-1))) / 2)


def test_a_value_lies_in_its_own_interval():
    found = table(Answers.of(*made(n=200, seed=11)), draws=200, worlds=5)
    assert ((found["low"] <= found["value"]) & (found["value"] <= found["high"])).all()


def test_clusters_are_resampled_whole():
    p, y = made(n=40, seed=10)
    apart = table(Answers.of(p, y), draws=300, worlds=5).set_index("measure").loc["accuracy"]
    twice = table(Answers.of(np.repeat(p, 4, 0), np.repeat(y, 4), clusters=np.repeat(np.arange(40), 4)), draws=300,
                  worlds=5).set_index("measure").loc["accuracy"]
    assert twice["high"] - twice["low"] == pytest.approx(apart["high"] - apart["low"], rel=0.25)


@pytest.mark.parametrize(("rows", "labels", "why"), [
    ([], [], "no questions"), ([[0.5, float("nan")]], [0], "not numbers"), ([[0.5, 0.6]], [0], "add up to 1.1"),
    ([[1.5, -0.5]], [0], "1.5 for a"), ([[0.5, 0.5]], [2], "label of question 0 is 2"), ([[0.5, 0.5]], [-1], "is -1"),
    ([[0.5, 0.5]], [0.5], "no whole number"), ([[0.5, 0.5]], ["x"], "no whole number"), ([[1.0]], [0], "has 1 options"),
    ([[0.5, 0.5]], [0, 1], "one for each")])
def test_what_cannot_be_measured_is_refused_by_name(rows, labels, why):
    with pytest.raises(Refused, match=why):
        Answers.of(rows, labels)


def test_a_reliability_diagram_counts_every_answer():
    p, y = made()
    bins = reliability(Answers.of(p, y))
    assert bins["n"].sum() == len(y)
    assert ((bins["low"] <= bins["accuracy"]) & (bins["accuracy"] <= bins["high"])).all()


# ------------------------------------------------------------------------------------------------- as a suite


def test_a_suites_own_pass_gives_accuracy_and_calibration(tmp_path):
    """The tiny world's WinoGrande on the embedded model: accuracy is lm-eval's, to the last digit, and no second pass is made."""
    from repro.scales import get
    from suites import models
    from suites.evaluate import evaluate
    scale = get("tiny")
    model, tokenizer = models.load(scale.model("tinyllama").place)
    found = evaluate(model, tokenizer, [("calibration:winogrande", 0, 30)], source=scale.source(), batch_size=16)
    plain = evaluate(model, tokenizer, [("winogrande", 0, 30)], source=scale.source(), batch_size=16)
    assert found.metrics["winogrande"] == plain.metrics["winogrande"]
    ours = found.metrics["calibration:winogrande"]
    assert ours["accuracy"].value == plain.metrics["winogrande"]["acc"].value
    assert all(score.n == 30 for score in ours.values())
    assert ours["ece (15 bins), if perfectly calibrated"].value > 0
    assert len(found.samples) == 30


@pytest.mark.parametrize(("suite", "tasks", "names"), [
    ("calibration", "a, b", ["calibration:a", "calibration:b"]), ("mmlu,calibration:a", "", ["mmlu", "calibration:a"])])
def test_tasks_are_those_of_calibration(suite, tasks, names):
    from repro.commands.measuring import named
    assert named(suite, tasks) == names
    with pytest.raises(Refused, match="they are those of the suite calibration"):
        named("mmlu", "a")


def test_calibration_of_nothing_is_refused():
    from suites.calibration.suite import answers_of, evaluate
    with pytest.raises(Refused, match="no task was named"):
        evaluate(None, None, [("calibration", None, None)], source=None, batch_size=1)
    free = pd.DataFrame({"loglik": [None], "gold": pd.array([None], dtype="Int64"), "task": ["t"], "fact": ["f"]})
    with pytest.raises(Refused, match="no options"):
        answers_of(free, "gsm8k")


# ------------------------------------------------------------------------------------------------- the command


def written(folder: Path, kind: str) -> Path:
    p, y = made(n=80)
    file = folder / f"answers.{kind}"
    lists_ = pd.DataFrame({"probs": p.tolist(), "label": y})
    if kind == "jsonl":
        rows = [{"logits": np.log(row).tolist(), "gold": "ABCD"[k]} for row, k in zip(p, y, strict=True)]
        file.write_text("\n".join(map(json.dumps, rows)))
    elif kind == "csv":
        pd.DataFrame({f"p{k}": p[:, k] for k in range(4)}).assign(target=y).to_csv(file, index=False)
    else:
        lists_.to_parquet(file)
    return file


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_the_command_reads_what_others_write(kind, tmp_path, capsys):
    from repro.commands.calibrating import calibrate
    calibrate(written(tmp_path, kind), out=tmp_path / "out")
    said = capsys.readouterr()
    assert "for labels; name others with" in said.err
    assert "nll" in said.out
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"calibration.csv", "reliability.png", "reliability.svg"}
    got = pd.read_csv(tmp_path / "out" / "calibration.csv").set_index("measure")["value"]
    p, y = made(n=80)
    assert got["nll"] == pytest.approx(value("nll", p, y), rel=1e-6)


def test_what_has_no_number_is_empty_for_a_machine_and_a_folder_that_cannot_be_is_told(tmp_path, capsys):
    from repro.commands.calibrating import calibrate
    (tmp_path / "a.jsonl").write_text('{"probs": [0.9, 0.1], "label": 0}\n{"probs": [0.8, 0.2], "label": 0}\n')
    calibrate(tmp_path / "a.jsonl", machine=True)
    found = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    auroc = next(m for m in found["measures"] if m["measure"] == "auroc")
    assert (auroc["value"], auroc["low"], auroc["high"]) == (None, None, None)
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="a file is in the place of a folder"):
        calibrate(tmp_path / "a.jsonl", out=tmp_path / "file" / "out")


@pytest.mark.parametrize(("name", "text", "why"), [
    ("a.txt", "x", "name ends with .txt"), ("a.jsonl", "", "no row"), ("a.jsonl", "{nonsense", "cannot read"),
    ("a.csv", "x,y\n1,2\n", "cannot find option probabilities"), ("a.csv", "p0,p1\n.5,.5\n", "cannot find labels"),
    ("a.csv", "p,label\nwords,0\n", "no lists of numbers")])
def test_the_command_says_what_is_wrong_in_one_sentence(name, text, why, tmp_path):
    from repro.commands.calibrating import calibrate
    (tmp_path / name).write_text(text)
    with pytest.raises(Refused, match=why) as caught:
        calibrate(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_outside_questions_are_told_by_normalised_entropy(tmp_path):
    rng = np.random.default_rng(0)

    def rows(n, options, sharp):
        logits = rng.normal(size=(n, options)) * sharp
        return [{"logits": row.tolist(), "label": int(row.argmax())} for row in logits]

    own, far, same = (tmp_path / f"{name}.jsonl" for name in ("own", "far", "same"))
    for place, made in ((own, rows(300, 4, 4.0)), (far, rows(200, 5, 0.3)), (same, rows(300, 4, 4.0))):
        place.write_text("\n".join(map(json.dumps, made)))
    found = {}
    for other in (far, same):
        said = RUNNER.invoke(app, ["calibrate", str(own), "--outside", str(other), "--json"])
        assert said.exit_code == 0, said.output
        found[other] = {row["measure"]: row for row in json.loads(said.stdout)["outside"]}
    assert found[far]["auroc"]["value"] > 0.95
    assert found[far]["fpr95"]["value"] < 0.2
    assert abs(found[same]["auroc"]["value"] - 0.5) < 3 * found[same]["auroc"]["stderr"]
    assert found[far]["fpr95"]["n_outside"] == 200
    shown = RUNNER.invoke(app, ["calibrate", str(own), "--outside", str(far)])
    assert "200 from outside" in shown.output
