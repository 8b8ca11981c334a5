"""Adapters multiplied in for one pass: PEFT's own layer computes the same, and nothing is written to."""
from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from methods.merged import adapters, merged

torch.manual_seed(0)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide, self.small = nn.Linear(12, 20), nn.Linear(20, 6, bias=False)

    def forward(self, x):
        return self.small(torch.tanh(self.wide(x)))


def adapted(**kw):
    torch.manual_seed(0)
    model = get_peft_model(Two().double(), LoraConfig(r=3, lora_alpha=7, target_modules=["wide", "small"],
                                                      init_lora_weights=False, **kw))
    return model.double().eval()


@pytest.mark.parametrize("rows", [1, 40])
def test_the_same_with_few_rows_and_with_many(rows):
    model, x = adapted(), torch.randn(rows, 12, dtype=torch.float64)
    before = {n: p.clone() for n, p in model.named_parameters()}
    plain = model(x)
    with merged(adapters(model)):
        torch.testing.assert_close(model(x), plain, rtol=0, atol=1e-12)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert not any("forward" in vars(m) for m in model.modules())
    assert torch.equal(model(x), plain)


def test_several_adapters_at_once_and_a_failing_pass():
    model, x = adapted(), torch.randn(40, 12, dtype=torch.float64)
    model.add_adapter("second", LoraConfig(r=2, target_modules=["wide"], init_lora_weights=False))
    model.double().base_model.set_adapter(["default", "second"])
    model.eval()
    plain = model(x)
    with merged(adapters(model)):
        torch.testing.assert_close(model(x), plain, rtol=0, atol=1e-12)
    with pytest.raises(RuntimeError), merged(adapters(model)):
        model(x[:, :3])
    assert not any("forward" in vars(m) for m in model.modules())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", ["dora", "bias", "half", "training"])
def test_what_cannot_be_merged_computes_as_ever(change):
    model = adapted(use_dora=change == "dora")
    if change == "half":
        model = model.bfloat16()
    if change == "training":
        model.train()
    if change == "bias":
        model = get_peft_model(Two().double(), LoraConfig(r=3, target_modules=["wide"], lora_bias=True,
                                                          init_lora_weights=False)).double().eval()
    with merged(adapters(model)):
        assert not any("forward" in vars(m) for m in model.modules())
