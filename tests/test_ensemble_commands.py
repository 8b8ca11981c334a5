"""An ensemble from the command line: trained member by member into PEFT's folders, and measured on multiple choice."""
from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from methods.adapters import Adapters
from methods.ensemble.average import Average
from methods.parts import Refused
from repro.__main__ import app
from repro.scales import get
from suites import members, models
from suites.evaluate import evaluate as measured

BASE = get("tiny").model("tinyllama").place
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two members of four steps, by the command."""
    folder = tmp_path_factory.mktemp("ensemble")
    rows = [{"prompt": f"What is {i}?\nAnswer:", "completion": f" {'ABCD'[i % 4]}"} for i in range(40)]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    call = ["train", "--recipe", "lora-ensemble", "--set", "members=2", "--model", BASE, "--data", str(folder / "d.jsonl"),
            "--out", str(folder / "out"), "--steps", "4", "--lr", "3e-2", "--batch-size", "4"]
    first = RUNNER.invoke(app, call)
    assert first.exit_code == 0, first.output
    again = RUNNER.invoke(app, call)  # all is done: read back
    assert again.output == first.output
    return folder / "out", first.output


def test_members_are_adapters_that_differ(trained):
    folder, said = trained
    base, _ = models.load(BASE)
    one, two = (Adapters.read(folder / f"member-{m}", base) for m in range(2))
    assert set(one.factors) == set(two.factors)
    assert any(not torch.equal(one.factors[n][1], two.factors[n][1]) for n in one.factors)
    assert "--adapter" in said
    assert str(folder / "member-1") in said


def test_an_ensemble_of_one_answers_as_the_adapter_does(trained):
    folder, _ = trained
    base, tokenizer = models.load(BASE)
    source, calls = get("tiny").source(), [("winogrande", 0, 6), ("mmlu", 0, 2)]
    adapter = Adapters.read(folder / "member-0", base)
    found = members.evaluate(base, tokenizer, calls, [adapter], Average(1), source=source, batch_size=8)
    plain, tokenizer = models.load(str(folder / "member-0"))
    alone = measured(plain, tokenizer, calls, source=source, batch_size=8)
    for suite, metric in (("winogrande", "acc"), ("mmlu", "acc")):
        assert found.metrics[suite]["acc, ensemble"].value == pytest.approx(alone.metrics[suite][metric].value)
    for ours, theirs in zip(found.samples["loglik"], alone.samples["loglik"], strict=True):
        np.testing.assert_allclose(np.exp(ours), torch.tensor(theirs).softmax(0).numpy(), atol=1e-4)


def test_the_command_averages_and_refuses_free_text(trained):
    folder, _ = trained
    adapters = [part for m in range(2) for part in ("--adapter", str(folder / f"member-{m}"))]
    call = ["eval", "--model", BASE, *adapters, "--source", "world", "--limit", "4", "--json"]
    found = RUNNER.invoke(app, [*call, "--suite", "calibration", "--tasks", "winogrande"])
    assert found.exit_code == 0, found.output
    metrics = json.loads(found.stdout)["metrics"]
    assert metrics["winogrande"]["acc, ensemble"]["value"] == metrics["calibration:winogrande"]["accuracy"]["value"]
    with pytest.raises(Refused, match=r"cannot average members on gsm8k.* free text"):
        RUNNER.invoke(app, [*call, "--suite", "gsm8k"], catch_exceptions=False)
    with pytest.raises(Refused, match=r"no adapter_config\.json"):
        RUNNER.invoke(app, ["eval", "--model", BASE, "--adapter", str(folder), "--suite", "winogrande"], catch_exceptions=False)
