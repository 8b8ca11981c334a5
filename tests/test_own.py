"""Training one's own model: it learns, loads in plain transformers, resumes, and refuses bad input without a trace."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from methods.fit import Snapshot
from tests.engine_toys import toy_scale
from tests.test_cli import Call, call, refused

__all__ = ["call"]


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a toy model and a training set."""
    root = tmp_path_factory.mktemp("toys")
    toy_scale(root)
    return root


def words(toys: Path, out: Path, recipe: str = "full", **options: object) -> list[object]:
    given = {"recipe": recipe, "model": toys / "toy", "data": toys / "toys.jsonl", "out": out, "prompt": "q", "answer": "a",
             "steps": 12, "lr": 1e-2, "batch-size": 4, "max-length": 16, "held-out": 0.5, **options}
    return ["train", *(w for k, v in given.items() for w in (f"--{k}", v))]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers for it
@pytest.mark.parametrize("recipe", ["full", "lora", "lisa", "galore"])
def test_held_out_loss_falls_and_the_result_loads_in_plain_libraries(call: Call, toys: Path, tmp_path: Path,
                                                                     recipe: str) -> None:
    out = tmp_path / "out"
    extra = {"lora": ["--set", "r=2", "--set", "alpha=4"], "galore": ["--set", "rank=2"], "lisa": ["--gamma", 1]}
    said = call(*words(toys, out, recipe, lr=3e-2 if recipe == "lora" else 1e-2), *extra.get(recipe, ()), "--json")
    assert said.status == 0, said.err
    outcome = json.loads(said.out)
    assert outcome["change"]["value"] + 2 * outcome["change"]["stderr"] < 0
    assert outcome["before"]["n"] == outcome["after"]["n"] > 5
    base = AutoModelForCausalLM.from_pretrained(toys / "toy")
    before = {n: p.clone() for n, p in base.named_parameters()}
    loaded = PeftModel.from_pretrained(base, out).merge_and_unload() if recipe == "lora" else \
        AutoModelForCausalLM.from_pretrained(out)
    assert any(not torch.equal(p, before[n]) for n, p in loaded.named_parameters())


def test_a_training_that_was_killed_goes_on_to_the_same_weights(call: Call, toys: Path, tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repro.own.EVERY_S", 0.0)
    assert call(*words(toys, tmp_path / "whole")).status == 0

    class Killed(BaseException):
        pass

    real = Snapshot.save

    def save(self: Snapshot, folder: Path) -> None:
        real(self, folder)
        if self.step == 5:
            raise Killed

    monkeypatch.setattr(Snapshot, "save", save)
    with pytest.raises(Killed):
        call(*words(toys, tmp_path / "cut"))
    refused(call(*words(toys, tmp_path / "cut", steps=13)), "training")
    monkeypatch.setattr(Snapshot, "save", real)
    said = call(*words(toys, tmp_path / "cut"), "--json")
    assert said.status == 0
    whole, cut = (load_file(tmp_path / f / "model.safetensors") for f in ("whole", "cut"))
    assert all(torch.equal(whole[n], cut[n]) for n in whole)
    assert not (tmp_path / "cut" / "checkpoint").exists()
    assert call(*words(toys, tmp_path / "cut"), "--json").out == said.out


def bad(toys: Path, name: str) -> tuple[dict[str, object], list[str]]:
    """Options that cannot work, and what the sentence must name."""
    (toys / "empty.jsonl").write_text("")
    (toys / "broken.jsonl").write_text('{"q": "w1", "a": \n')
    cases: dict[str, tuple[dict[str, object], list[str]]] = {
        "wrong model": ({"model": toys / "nothing"}, ["nothing"]),
        "no network": ({"model": "someone/some-model"}, ["someone/some-model", "network"]),
        "no network for the data": ({"data": "someone/some-data"}, ["someone/some-data"]),
        "missing field": ({"answer": "reply"}, ["reply", "q, a"]),
        "empty file": ({"data": toys / "empty.jsonl"}, ["empty.jsonl", "empty"]),
        "broken file": ({"data": toys / "broken.jsonl"}, ["broken.jsonl"]),
        "gamma beyond the blocks": ({"recipe": "lisa", "gamma": 3}, ["gamma 3", "2 blocks"]),
        "nothing left to learn": ({"max-length": 2}, ["toys.jsonl", "longer"]),
    }
    return cases[name]


@pytest.mark.parametrize("name", ["wrong model", "no network", "no network for the data", "missing field", "empty file",
                                  "broken file", "gamma beyond the blocks", "nothing left to learn"])
def test_bad_input_is_one_sentence_and_leaves_nothing(call: Call, toys: Path, tmp_path: Path, name: str,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    options, expected = bad(toys, name)
    refused(call(*words(toys, tmp_path / "out", **options)), *expected)
    assert list(tmp_path.iterdir()) == []
