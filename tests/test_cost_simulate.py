"""A simulated run takes, to the byte and at every step, what the real one takes."""
from __future__ import annotations

import json
import resource
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import GPT2Config, LlamaConfig, OPTConfig, PhiConfig, Qwen2Config

from methods import papers
from methods.catalogue import SLOTS
from methods.fit import Training
from methods.parts import Refused
from methods.recipe import Recipe
from methods.refusals import check
from methods.selection.clustered import Clustered
from suites.cost.footprint import Footprint
from suites.cost.hollow import Hollow, Hollowing, hollow
from suites.cost.loops import naive_lisa, peft_lora
from suites.cost.simulate import empty, measure, measure_loop, simulate, simulate_loop, texts
from tests.cost_toys import CONFIG, DATA, RECIPES, SMALL, TRAINING, real

SIZES = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}
OTHERS = {"GPT-2": GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=0),
          "OPT": OPTConfig(**SIZES, ffn_dim=48, word_embed_proj_dim=32),
          "Phi": PhiConfig(**SIZES, intermediate_size=48), "Qwen2": Qwen2Config(**SIZES, intermediate_size=48,
                                                                       num_key_value_heads=2)}


def both(config: Any, recipe: Recipe, training: Training, data: Any = DATA,
         attention: str = "sdpa") -> tuple[Footprint, Footprint]:
    model = real(config, training.weight_dtype, attention)
    return measure(model, recipe, training, data), simulate(config, recipe, training, data, attention=attention)


def same(measured: Footprint, simulated: Footprint) -> None:
    assert measured.steps == simulated.steps
    assert replace(measured, simulated=True) == simulated


@pytest.mark.parametrize("name", RECIPES)
def test_the_embedded_model_to_the_byte(name: str) -> None:
    data = texts(16, 48, CONFIG.vocab_size, prompt=16, sources=4)
    same(*both(CONFIG, RECIPES[name], TRAINING, data))


@pytest.mark.parametrize("fields", [
    {"precision": "bf16"}, {"precision": "bf16-mixed"}, {"gradient_checkpointing": True}, {"micro_batch": None},
    {"micro_batch": 1}, {"batch_size": 3}, {"clip_norm": 1.0}, {"precision": "bf16", "gradient_checkpointing": True}], ids=str)
@pytest.mark.parametrize("name", ["full", "LISA", "CoLM"])
def test_however_it_trains(name: str, fields: dict[str, Any]) -> None:
    same(*both(SMALL, RECIPES[name], replace(TRAINING, **fields)))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("model", OTHERS)
def test_other_models(model: str, attention: str) -> None:
    same(*both(OTHERS[model], RECIPES["full"], TRAINING, attention=attention))


def test_texts_of_unlike_length_and_a_partial_last_batch() -> None:
    data = [replace(e, input_ids=e.input_ids[:24 - i]) for i, e in enumerate(DATA[:10])]
    measured, simulated = both(SMALL, RECIPES["LISA"], replace(TRAINING, epochs=1, steps=None, micro_batch=None), data)
    same(measured, simulated)
    assert len(simulated.steps) == 3


def parts() -> list[Recipe]:
    """Every part of the catalogue beside plain ones, with every estimator's gradient."""
    found = []
    for plain in (RECIPES["full"], RECIPES["MeZO"]):
        for slot in ("scope", "estimator", "update", "selection"):
            found += [replace(plain, **{slot: part}) for part in SLOTS[slot]]
    return [recipe for recipe in dict.fromkeys(found) if allowed(recipe)]


def allowed(recipe: Recipe) -> bool:
    try:
        check(recipe)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("recipe", [r for r in parts() if not isinstance(r.selection, Clustered)], ids=str)
def test_every_part_to_the_byte(recipe: Recipe) -> None:
    """Texts are of one length, as picks that hang on losses are not the same in a run without numbers; nor are clusters."""
    config = LlamaConfig(**{**SMALL.to_dict(), "num_hidden_layers": 2})
    same(*both(config, recipe, replace(TRAINING, steps=2, micro_batch=None)))


def test_layer_norm_in_bfloat16_keeps_float32_statistics_as_a_gpu_does() -> None:
    """A CPU keeps them in bfloat16: the one known difference. Two numbers a token and norm, two more bytes each.

    At the peak the backward pass is through with the last of five norms.
    """
    measured, simulated = both(OTHERS["GPT-2"], RECIPES["full"], replace(TRAINING, precision="bf16", steps=1, micro_batch=None,
                                                                         batch_size=2), attention="eager")
    more = simulated.composition["activations"] - measured.composition["activations"]
    assert more == simulated.peak_bytes - measured.peak_bytes == 4 * (2 * 24) * 2 * 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_plain_loops_to_the_byte(precision: Any) -> None:
    training = replace(TRAINING, precision=precision)
    for loop in (naive_lisa(papers.lisa(1e-3, gamma=1, K=1).scope, training, DATA),
                 peft_lora(papers.lora(1e-3, r=4).scope, training, DATA)):
        same(measure_loop(real(SMALL, training.weight_dtype), loop), simulate_loop(SMALL, loop, training))


def test_billions_of_weights_take_no_memory() -> None:
    """LLaMA-2-7B's widths; two blocks of it."""
    config = LlamaConfig(num_hidden_layers=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = simulate(config, RECIPES["full"], Training(steps=2, batch_size=1, precision="bf16"), texts(2, 64, 32000))
    numbers = 2 * 32000 * 4096 + 2 * (4 * 4096 ** 2 + 3 * 4096 * 11008 + 2 * 4096) + 4096
    assert found.weights == numbers
    assert found.composition["gradients"] == 2 * numbers
    assert found.composition["optimizer state"] == 4 * numbers + 4 * 21
    assert found.peak_bytes == pytest.approx(8 * numbers, rel=0.01)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 ** 19  # KiB: half a GiB for 5


def test_a_footprint_through_json() -> None:
    found = simulate(SMALL, RECIPES["LISA"], TRAINING, DATA)
    assert Footprint.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_an_index_that_hangs_on_numbers_is_refused() -> None:
    with Hollowing(), pytest.raises(Refused, match="an index or a count"):
        torch.zeros(3).argmax().item()


def test_what_has_no_hollow_tensor_in_it_is_real() -> None:
    with Hollowing():
        ids = torch.arange(6).view(2, 3)
        assert type(ids) is torch.Tensor
        assert (ids > 2).nonzero().tolist() == [[1, 0], [1, 1], [1, 2]]
        assert isinstance(torch.zeros(3), Hollow)
        assert float(torch.zeros(3).sum()) == 1.0
        assert bool(torch.isfinite(torch.zeros(3)).all())


def test_real_numbers_and_hollow_ones_in_one_write_are_refused() -> None:
    with Hollowing():
        made = torch.zeros(3)
    with Hollowing(), pytest.raises(Refused, match="with and without numbers"):
        torch._foreach_add_([made, torch.ones((), dtype=torch.float32)], 1.0)


def test_a_table_drawn_at_random_may_go_without_numbers() -> None:
    with Hollowing():
        made = torch.zeros(3)
    drawn = torch.ones(2)
    with Hollowing():
        torch._foreach_add_([made, drawn], 1.0)
    assert type(drawn) is torch.Tensor


def test_ties_survive_hollowing() -> None:
    model = empty(LlamaConfig(**{**SMALL.to_dict(), "tie_word_embeddings": True}), torch.float32, "sdpa")
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert isinstance(hollow(torch.nn.Linear(2, 2, device="meta")).weight, Hollow)


def test_a_run_of_no_steps_is_refused() -> None:
    with pytest.raises(Refused, match="took no step"):
        simulate_loop(SMALL, lambda model, watch: iter(()), TRAINING)
