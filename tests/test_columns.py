"""Positions that nobody reads: a last block that leaves them out says the same at the others, in every architecture."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from methods import anatomy
from methods.columns import computed_at, last_alone
from tests.test_anatomy import CONFIGS, build

CAUSAL = sorted(set(CONFIGS) - {"roberta"})


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("last", [1, 3])
def test_what_is_read_is_what_it_always_was(kind, last):
    model = build(kind).double()
    body = anatomy.read(model)
    ids = torch.randint(3, 48, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[0, :4 if kind != "gemma2" else 0] = 0  # transformers' eager Gemma 2 gives NaN for whole rows of padding
    with torch.no_grad():
        whole = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        with last_alone(body, 9, last):
            cut = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        again = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    torch.testing.assert_close(cut[:, -last:], whole[:, -last:], rtol=0, atol=1e-12)
    assert not torch.allclose(cut[:, :-last], whole[:, :-last]), "nothing was left out"
    assert torch.equal(again, whole)


def test_the_module_sees_the_asked_columns_alone():
    seen = []
    layer = nn.Linear(4, 2)
    layer.register_forward_hook(lambda module, args, output: seen.append(args[0].shape))
    x, columns = torch.randn(3, 5, 4), torch.tensor([1, 4])
    with torch.no_grad(), computed_at(layer, 5, columns):
        out = layer(x)
    assert seen == [(3, 2, 4)]
    assert torch.equal(out[:, [0, 2, 3]], torch.zeros(3, 3, 2))
    torch.testing.assert_close(out[:, columns], layer(x[:, columns]))
