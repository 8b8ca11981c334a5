"""The suites: lm-eval's own numbers, complete samples, errors, and inputs that are refused."""
from __future__ import annotations

import json
import logging
import math
import random

import huggingface_hub
import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import RobertaConfig, RobertaForMaskedLM

from methods.parts import Refused
from suites import SUITES
from tests.reading import byte_tokenizer, reader, write_benchmarks, write_set

harness = pytest.importorskip("suites.harness")
ALL = tuple((name, 0, None) for name in SUITES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_benchmarks(tmp_path_factory.mktemp("benchmarks"))


@pytest.fixture(scope="module")
def found(folder):
    return harness.evaluate(reader(), byte_tokenizer(), ALL, source=folder, batch_size=4)


def test_every_suite_gives_scores_with_n_and_error_and_a_row_per_item(found):
    items = found.samples.groupby("suite").size().to_dict()
    assert items == {"mmlu": 12, "gsm8k": 6, "agieval": 12, "agieval_math": 6, "winogrande": 6, "pubmedqa": 6}
    for name in SUITES:
        primary = SUITES[name].primary
        score, rows = found.metrics[name][primary], found.samples[found.samples["suite"] == name]
        assert score.n == len(rows)
        assert score.value == pytest.approx(rows["correct"].mean())
        assert math.isfinite(score.stderr)
    assert not found.samples.duplicated(["task", "item"]).any()


def test_a_single_task_has_the_usual_error_and_a_group_the_pooled_one(found):
    correct = found.samples.loc[found.samples["suite"] == "winogrande", "correct"]
    assert found.metrics["winogrande"]["acc"].stderr == pytest.approx(correct.std(ddof=1) / math.sqrt(len(correct)))
    parts = [found.metrics[f"mmlu/mmlu_{s}"]["acc"] for s in ("anatomy", "sociology")]
    pooled = sum((p.n - 1) * p.stderr**2 * p.n for p in parts) / sum(p.n - 1 for p in parts)
    assert found.metrics["mmlu"]["acc"].stderr == pytest.approx(math.sqrt(pooled / sum(p.n for p in parts)))


def test_samples_say_what_was_asked_and_answered(found):
    chosen = found.samples[found.samples["suite"].isin(["mmlu", "agieval", "winogrande", "pubmedqa"])]
    for row in chosen.itertuples():
        assert row.correct == float(int(np.argmax(row.loglik)) == row.gold)
        assert all(value < 0 for value in row.loglik)
        assert row.answer is None
    generated = found.samples[found.samples["suite"].isin(["gsm8k", "agieval_math"])]
    assert all(isinstance(a, str) for a in generated["answer"])
    assert generated["loglik"].isna().all()
    assert generated["gold"].isna().all()
    assert "exact_match,flexible-extract" in found.samples


def test_items_carry_their_fact_or_stand_alone(found):
    mmlu = found.samples[found.samples["task"] == "mmlu_anatomy"]
    assert list(mmlu["fact"]) == [f"number/{i // 2}" for i in range(6)]
    assert found.samples[found.samples["suite"] == "gsm8k"]["fact"].is_unique


def test_prompts_that_are_too_long_are_counted(found):
    cut = found.samples[found.samples["truncated"]]
    assert set(cut["suite"]) == {"pubmedqa"}
    assert list(cut["item"]) == [4, 5], "an abstract of 80 words or more takes over 400 bytes"
    assert found.truncated == 2


def test_versions_name_the_harness_every_task_and_what_is_overridden(found, folder):
    assert found.versions["lm_eval"]
    assert found.versions["mmlu_anatomy"] == "1.0"
    assert found.versions["gsm8k"] == "3.0"
    assert found.versions["gsm8k.max_gen_toks"] == "96"
    assert found.versions["batch_size"] == "4"
    assert "gsm8k.max_gen_toks" not in harness.suite_versions([("gsm8k", None, None)])
    assert set(harness.suite_versions(ALL, source=folder)) == set(found.versions) - {"batch_size"}


def test_a_suite_gives_the_same_numbers_alone_and_among_others(found, folder):
    alone = harness.evaluate(reader(), byte_tokenizer(), [("agieval", 0, None)], source=folder, batch_size=4)
    among = found.samples[found.samples["suite"] == "agieval"]
    assert list(alone.samples["loglik"]) == list(among["loglik"])


def test_shots_and_limits_reach_the_prompts(folder):
    def loglik(shots, limit):
        calls = [("mmlu", shots, limit)]
        return harness.evaluate(reader(), byte_tokenizer(), calls, source=folder, batch_size=4).samples["loglik"]

    assert len(loglik(0, 2)) == 4
    assert list(loglik(0, 2)) != list(loglik(2, 2))
    assert list(loglik(0, 2)) == list(loglik(None, 2))


def test_ties_are_seen(folder):
    model = reader()
    torch.nn.init.zeros_(model.lm_head.weight)
    found = harness.evaluate(model, byte_tokenizer(), [("mmlu", 0, None)], source=folder, batch_size=4)
    assert found.samples["tied"].all()
    assert not harness.evaluate(reader(), byte_tokenizer(), [("mmlu", 0, None)], source=folder,
                                batch_size=4).samples["tied"].any()


def test_the_model_and_the_generators_are_left_as_they_were(folder, caplog):
    model, tokenizer = reader().train(), byte_tokenizer(pad=False)
    random.seed(5), torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    before = random.random(), torch.rand(1).item(), np.random.rand()  # noqa: NPY002
    random.seed(5), torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    weights = [p.detach().clone() for p in model.parameters()]
    harness.evaluate(model, tokenizer, [("winogrande", 0, 2)], source=folder, batch_size=4)
    assert (random.random(), torch.rand(1).item(), np.random.rand()) == before  # noqa: NPY002
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert tokenizer.pad_token_id is None


def test_nothing_is_printed(folder, capfd, caplog):
    with caplog.at_level(logging.INFO):
        harness.evaluate(reader(), byte_tokenizer(), [("mmlu", 0, 2), ("gsm8k", 0, 2)], source=folder, batch_size=2)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_adapters_are_measured(folder):
    plain = reader()
    calls = [("winogrande", 0, None)]
    base = harness.evaluate(plain, byte_tokenizer(), calls, source=folder, batch_size=4)
    model = get_peft_model(reader(), LoraConfig(r=2, target_modules=["q_proj"]))
    same = harness.evaluate(model, byte_tokenizer(), calls, source=folder, batch_size=4)
    np.testing.assert_allclose(np.stack(list(same.samples["loglik"])), np.stack(list(base.samples["loglik"])), rtol=1e-5)
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p)
    moved = harness.evaluate(model, byte_tokenizer(), calls, source=folder, batch_size=4)
    assert list(moved.samples["loglik"]) != list(base.samples["loglik"])


def test_a_row_that_ends_early_gives_the_same_answer_as_in_lm_evals_way(folder, monkeypatch):
    """Against lm-eval's own stopping, which goes on until every row of the batch has the same stop string."""
    from lm_eval.models.utils_hf import stop_sequences_criteria

    def answers():
        return list(harness.evaluate(reader(3), byte_tokenizer(), [("gsm8k", 0, None)], source=folder,
                                     batch_size=6).samples["answer"])

    steps: list[int] = []
    whole = harness._Reader._model_generate

    def counted(self, context, max_length, stop, **kwargs):
        made = whole(self, context, max_length, ["a", "b", *stop], **kwargs)
        steps.append(made.shape[1] - context.shape[1])
        return made

    monkeypatch.setattr(harness._Reader, "_model_generate", counted)
    ours = answers()
    monkeypatch.setattr(harness, "row_stops", stop_sequences_criteria)
    theirs = answers()
    cut = [min((t.find(s) for s in "ab" if s in t), default=len(t)) for t in theirs]
    assert [t[:c] for t, c in zip(theirs, cut, strict=True)] == \
        [o[:c] for o, c in zip(ours, cut, strict=True)]
    assert steps[0] <= steps[1]


@pytest.mark.parametrize("suite", ["mmlu", "gsm8k"])
def test_a_model_that_gives_no_numbers_is_refused(folder, suite):
    model = reader()
    torch.nn.init.constant_(model.lm_head.weight, math.nan)
    with pytest.raises(Refused, match=r"logits are not numbers \(NaN\)"):
        harness.evaluate(model, byte_tokenizer(), [(suite, 0, 2)], source=folder, batch_size=2)


@pytest.mark.parametrize(("calls", "why"), [
    ([], "no suite was named"),
    ([("mmlu", 0, 0)], "a mean needs one"),
    ([("mmlu", 6, None)], "its data have 5"),
])
def test_calls_that_cannot_be_are_refused(folder, calls, why):
    with pytest.raises(Refused, match=why):
        harness.evaluate(reader(), byte_tokenizer(), calls, source=folder, batch_size=2)


def test_a_folder_without_the_suite_or_without_items_is_refused(tmp_path):
    with pytest.raises(Refused, match="the folder has no data of it"):
        harness.evaluate(reader(), byte_tokenizer(), [("gsm8k", 0, None)], source=tmp_path, batch_size=2)
    write_set(tmp_path / "hails/agieval-math", {"default": {"test": []}})
    with pytest.raises(Refused, match="cannot load the data of agieval_math"):
        harness.evaluate(reader(), byte_tokenizer(), [("agieval_math", 0, None)], source=tmp_path, batch_size=2)


def test_another_folder_of_the_same_shape_gives_its_own_items(tmp_path):
    """The cache of the datasets library cannot tell two such folders apart."""
    for name, items in (("one", 3), ("two", 5)):
        root = write_benchmarks(tmp_path / name, items)
        found = harness.evaluate(reader(), byte_tokenizer(), [("winogrande", 0, None)], source=root, batch_size=4)
        assert len(found.samples) == items


def test_without_a_network_the_hub_is_refused(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Refused, match="the Hub cannot be reached"):
        harness.evaluate(reader(), byte_tokenizer(), [("agieval_lsat_rc", 0, None)], source=None, batch_size=2)


def test_a_masked_model_is_refused(folder):
    model = RobertaForMaskedLM(RobertaConfig(vocab_size=258, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
                                             intermediate_size=8))
    with pytest.raises(Refused, match="need a causal language model"):
        harness.evaluate(model, byte_tokenizer(), [("mmlu", 0, None)], source=folder, batch_size=2)


def test_samples_survive_parquet(found, tmp_path):
    import pandas as pd

    found.samples.to_parquet(tmp_path / "samples.parquet")
    again = pd.read_parquet(tmp_path / "samples.parquet")
    assert len(again) == len(found.samples)
    assert json.dumps([list(v) for v in again["loglik"].dropna()]) == json.dumps(list(found.samples["loglik"].dropna()))
