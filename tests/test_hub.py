"""Real benchmarks and a real tiny model from a loopback Hub: our numbers are lm-eval's own, to the last digit."""
from __future__ import annotations

import math

import datasets
import pytest
from lm_eval import evaluator
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import AutoTokenizer

from methods.parts import Refused
from suites import data, harness, models
from tests.hub import MODEL

PARITY = (("winogrande", "winogrande", None, 20), ("pubmedqa", "pubmedqa", None, 6),
          ("mmlu_anatomy", "mmlu/default", 2, 6), ("gsm8k", "gsm8k", None, 3), ("agieval_sat_math", "agieval", None, 4))


@pytest.fixture(scope="module")
def loaded(hub):
    return models.load(MODEL)


@pytest.fixture(scope="module")
def theirs(hub):
    """lm-eval's own model, built from the id."""
    return HFLM(pretrained=MODEL, batch_size=4, device="cpu")


@pytest.mark.parametrize(("task", "folder", "shots", "limit"), PARITY)
def test_our_numbers_are_lm_evals(loaded, theirs, monkeypatch, task, folder, shots, limit):
    monkeypatch.setattr(evaluator, "add_env_info", lambda results: None)  # seconds spent on asking what is installed
    manager = TaskManager(include_defaults=False, include_path=str(harness.STOCK / folder))
    own = evaluator.simple_evaluate(theirs, tasks=[task], num_fewshot=shots, limit=limit, task_manager=manager)
    found = harness.evaluate(*loaded, [(task, shots, limit)], source=None, batch_size=4)
    numbers = {k: v for k, v in own["results"][task].items() if "," in k}
    assert numbers
    for key, value in numbers.items():
        metric, filtered = key.split(",")
        score = found.metrics[task][metric.replace("_stderr", "") + ("" if filtered == "none" else f",{filtered}")]
        assert (score.stderr if "_stderr" in metric else score.value) == value
        assert score.n == limit
    _same_samples(own["samples"][task], found.samples)


def _same_samples(own, ours):
    by_item = {s["doc_id"]: s for s in own}
    assert len(ours) == len(by_item)
    for row in ours.itertuples():
        responses = [r[0] for r in by_item[row.item]["resps"]]
        if row.loglik is None:
            assert row.answer == responses[0]
        else:
            assert list(row.loglik) == [loglik for loglik, _ in responses]


def test_cut_prompts_are_those_longer_than_the_context(loaded):
    found = harness.evaluate(*loaded, [("pubmedqa", None, 6), ("winogrande", None, 6)], source=None, batch_size=4)
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tasks = harness._tasks("pubmedqa", None, None)["tasks"]["pubmedqa"]
    long = [len(tokenizer(tasks.doc_to_text(doc) + " maybe")["input_ids"]) > 513 for doc in tasks.eval_docs.select(range(6))]
    assert list(found.samples.loc[found.samples["suite"] == "pubmedqa", "truncated"]) == long
    assert found.truncated == sum(long) > 0


def test_any_other_task_of_lm_eval_has_its_suites_shape(loaded):
    found = harness.evaluate(*loaded, [("agieval_aqua_rat", None, 3)], source=None, batch_size=4)
    assert found.metrics["agieval_aqua_rat"]["acc"].n == 3
    assert math.isfinite(found.metrics["agieval_aqua_rat"]["acc_norm"].stderr)


def test_real_instructions_become_examples(loaded):
    _, tokenizer = loaded
    ref = data.DataSet("yahma/alpaca-cleaned")
    dev = data.read(ref, tokenizer, "dev", max_length=512)
    assert dev.form == "alpaca"
    rows = datasets.load_dataset("yahma/alpaca-cleaned", split="train").num_rows
    assert (len(dev.examples) + dev.dropped) / rows == pytest.approx(0.05, abs=0.01)
    assert all(len(e.input_ids) <= 512 for e in dev.examples)
    first = dev.examples[0]
    assert "### Response:" in tokenizer.decode(first.input_ids[:first.answer_from])
    assert "### Response:" not in tokenizer.decode(first.input_ids[first.answer_from:])


def test_a_model_without_a_padding_token_pads_with_its_end(hub, caplog):
    _, tokenizer = models.load(MODEL)
    assert tokenizer.pad_token == tokenizer.eos_token
    assert "no padding token" in caplog.text


@pytest.mark.parametrize(("call", "why"), [
    (lambda: models.load("tinyllamas/none"), "no folder and no public repository"),
    (lambda: data.load_examples(data.DataSet("yahma/none"), None), "no folder and no public repository"),
    (lambda: data.load_examples(data.DataSet("cais/mmlu"), None), "Config name is missing"),
    (lambda: data.load_examples(data.DataSet("openai/gsm8k", config="main", train="none"), None), "Unknown split"),
])
def test_wrong_names_are_refused_in_one_sentence(hub, call, why):
    with pytest.raises(Refused, match=why) as caught:
        call()
    assert "\n" not in str(caught.value)
