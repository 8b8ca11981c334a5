"""Models in and out: what is saved loads in plain transformers and plain peft, what cannot be loaded is refused."""
from __future__ import annotations

import json
import logging
import warnings
from urllib.error import URLError

import huggingface_hub
import peft
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, RobertaConfig, RobertaForMaskedLM

from methods.parts import Refused
from suites import models, refusing
from tests.reading import byte_tokenizer, reader

IDS = torch.arange(2, 12)[None]


def same(a, b):
    return torch.equal(a(IDS).logits, b(IDS).logits)


@pytest.fixture
def saved(tmp_path):
    return models.save(reader(), byte_tokenizer(), tmp_path / "model")


def adapted(base):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return _adapted(base)


def _adapted(base):
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.5)
    return model.eval()


def test_a_saved_model_loads_here_and_in_plain_transformers(saved):
    model, tokenizer = models.load(saved)
    assert not model.training
    assert same(model, reader())
    assert same(AutoModelForCausalLM.from_pretrained(saved), reader())
    assert AutoTokenizer.from_pretrained(saved)("abc")["input_ids"] == tokenizer("abc")["input_ids"]


def test_saved_adapters_load_here_and_in_plain_peft(saved, tmp_path):
    model = adapted(saved)
    folder = models.save(model, byte_tokenizer(), tmp_path / "adapters")
    assert not (folder / "model.safetensors").exists()
    loaded, _ = models.load(folder)
    assert isinstance(loaded, PeftModel)
    assert same(loaded, model)
    assert not same(loaded, reader())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(saved), folder)
    assert same(plain.eval(), model)


def test_adapters_without_a_tokenizer_use_that_of_their_base(saved, tmp_path):
    adapted(saved).save_pretrained(tmp_path / "adapters")
    _, tokenizer = models.load(tmp_path / "adapters")
    assert tokenizer("abc")["input_ids"] == byte_tokenizer()("abc")["input_ids"]


def test_a_masked_model_loads_as_one(tmp_path):
    model = RobertaForMaskedLM(RobertaConfig(vocab_size=258, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
                                             intermediate_size=8))
    folder = models.save(model, byte_tokenizer(), tmp_path / "masked")
    assert type(models.load(folder)[0]) is RobertaForMaskedLM


def test_the_weights_type_is_the_stored_one_or_the_one_asked_for(saved, tmp_path):
    assert models.load(saved)[0].dtype is torch.float32
    half = models.load(saved, dtype=torch.bfloat16)[0]
    assert half.dtype is torch.bfloat16
    assert models.load(models.save(half, byte_tokenizer(), tmp_path / "half"))[0].dtype is torch.bfloat16


def test_a_tokenizer_without_padding_pads_with_its_end_and_says_so(tmp_path, caplog):
    folder = models.save(reader(), byte_tokenizer(pad=False), tmp_path / "model")
    _, tokenizer = models.load(folder)
    assert tokenizer.pad_token == "</s>"
    assert "has no padding token; its end token </s> pads" in caplog.text


def test_saving_over_a_folder_replaces_the_model_and_keeps_the_rest(saved):
    (saved / "note.json").write_text("{}")
    (saved / "checkpoint").mkdir()
    (saved / "checkpoint" / "state.safetensors").write_text("state")
    (saved / "model-00002-of-00002.safetensors").write_text("an older model's")
    models.save(reader(seed=1), byte_tokenizer(), saved)
    assert same(models.load(saved)[0], reader(seed=1))
    assert (saved / "note.json").read_text() == "{}"
    assert (saved / "checkpoint" / "state.safetensors").read_text() == "state"
    assert not (saved / "model-00002-of-00002.safetensors").exists()


def test_a_save_that_fails_leaves_what_was_there(saved, monkeypatch):
    def fail(*_, **__):
        raise OSError("no space left")

    tokenizer = byte_tokenizer()
    monkeypatch.setattr(type(tokenizer), "save_pretrained", fail)
    with pytest.raises(OSError, match="no space left"):
        models.save(reader(seed=1), tokenizer, saved)
    assert same(models.load(saved)[0], reader())
    assert [p.name for p in saved.parent.iterdir()] == ["model"], "no half-written folder is left"


def test_pickled_weights_are_not_read(saved):
    torch.save({}, saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    with pytest.raises(Refused, match="cannot load the model"):
        models.load(saved)


def test_pickled_adapters_are_not_read(saved, tmp_path):
    folder = models.save(adapted(saved), byte_tokenizer(), tmp_path / "adapters")
    torch.save(peft.get_peft_model_state_dict(adapted(saved)), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(Refused, match=r"cannot load the model .* adapter_model.safetensors"):
        models.load(folder)


@pytest.mark.parametrize(("config", "why"), [(None, "cannot load the model"), ({}, "model_type"),
                                             ({"model_type": "of-nobody"}, "of-nobody")])
def test_a_folder_that_is_no_model_is_refused_in_one_sentence(tmp_path, config, why):
    (tmp_path / "read.me").write_text("no model")
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(Refused, match=why) as caught:
        models.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["/no/such/folder", "no such model!"])
def test_a_place_that_cannot_be_is_refused_in_one_sentence(place):
    with pytest.raises(Refused, match="neither a folder here nor a possible name") as caught:
        models.load(place)
    assert "\n" not in str(caught.value)


def test_without_a_network_the_hub_is_asked_once_and_refused(monkeypatch, caplog):
    asked = []

    def unreachable(request, timeout):
        asked.append(request.full_url)
        raise URLError("no route")

    monkeypatch.setattr(refusing, "urlopen", unreachable)
    with caplog.at_level(logging.INFO), pytest.raises(Refused, match="the Hub cannot be reached") as caught:
        models.load("nobody/nothing")
    assert "\n" not in str(caught.value)
    assert asked == [huggingface_hub.constants.ENDPOINT]
    assert "Retrying" not in caplog.text
    assert not huggingface_hub.constants.is_offline_mode()


def test_adapters_whose_base_is_gone_name_it(saved, tmp_path):
    folder = models.save(adapted(saved), byte_tokenizer(), tmp_path / "adapters")
    saved.rename(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="the base model of the adapters"):
        models.load(folder)
