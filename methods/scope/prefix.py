"""Prefix tuning: a few key and value vectors before the text of every block, trained alone.

Source: Li and Liang, arXiv 2101.00190, started from real activations as in Malladi et al. (MeZO), arXiv 2305.17333,
appendix. In block l, with P_K, P_V [H, m, d] the only weights that move, a text's queries attend to
[P_K; K] and [P_V; V].  At the start P_K and P_V are the keys and values that m real tokens have there, so that at step 0
the model gives what it would give behind these tokens.

Departures:
- The prefix is PEFT's, so that a saved one loads in plain peft: one tensor [m, 2 L H d] for all blocks, which makes it one
  weight. The paper's re-parametrisation by a two-layer network is left out, as in MeZO's code.
- The m tokens are drawn from the stream "prefix", special tokens among them; `tokens` names them instead.
- Text stands behind the prefix: its positions start at m. MeZO's code for OPT does so too.
- Causal language models alone: transformers' masked models take no keys and values from outside.
"""
from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch
from peft import PeftModel, PrefixTuningConfig, TaskType, get_peft_model
from torch import Tensor, nn

from methods import anatomy
from methods.parts import Attached, OnSwitch, Refused
from methods.streams import Streams

EXPECTED = "`is_gradient_checkpointing` is deprecated"
"""How a warning begins that PEFT's own call of transformers raises."""


@dataclass(frozen=True)
class Prefix:
    """`m` virtual tokens in every block, started as the drawn or given `tokens` (ids, m of them where given)."""

    m: int = 5
    tokens: tuple[int, ...] = ()
    on_switch: ClassVar[OnSwitch] = "keep"

    def __post_init__(self) -> None:
        if self.m < 1 or len(self.tokens) not in (0, self.m):
            raise Refused(f"cannot use a prefix of m = {self.m} with {len(self.tokens)} tokens; because it has at least one "
                          "virtual token and each starts as one real token; use m >= 1 and m tokens, or none")

    def attach(self, model: nn.Module, streams: Streams) -> Attached:
        """Refuses models that have adapters, are not causal, or lack a token that is given."""
        start = activations(model, self.ids(model, streams))
        config = PrefixTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=self.m)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())), warnings.catch_warnings():
            warnings.filterwarnings("ignore", EXPECTED)
            wrapped = get_peft_model(model, config, autocast_adapter_dtype=False)
        encoder = wrapped.prompt_encoder[wrapped.active_adapter].to(start)
        encoder.load_prompt_embeddings(start)
        weights = tuple(w for w in anatomy.read(wrapped).weights if w.tensor is encoder.embedding.weight)
        return Attached(wrapped, weights, lambda step: weights)

    def ids(self, model: nn.Module, streams: Streams) -> tuple[int, ...]:
        """The m token ids that the prefix starts as."""
        if isinstance(model, PeftModel):
            raise Refused("cannot add a prefix to a model that has adapters; because two sets would train as one; "
                          "use the model after merge_and_unload()")
        body = anatomy.read(model)
        if not body.predicts_next:
            raise Refused(f"cannot use a prefix with {type(model).__name__}; because it takes no keys and values from "
                          "outside; use Lora or Full, or a causal language model")
        known = body.model.get_input_embeddings().num_embeddings
        if any(not 0 <= token < known for token in self.tokens):
            raise Refused(f"cannot start a prefix as the tokens {self.tokens}; because the model knows {known}; "
                          f"use ids from 0 to {known - 1}")
        drawn = torch.randint(known, (self.m,), generator=streams.generator("prefix"))
        return self.tokens or tuple(drawn.tolist())


@torch.no_grad()
def activations(model: nn.Module, ids: tuple[int, ...]) -> Tensor:
    """[m, 2 L H d] keys and values of m tokens in every block, in the order in which PEFT keeps a prefix."""
    training = model.training
    tokens = torch.tensor([ids], device=next(model.parameters()).device)
    cache = model.eval()(input_ids=tokens, use_cache=True).past_key_values
    model.train(training)
    pairs = [tensor[0].transpose(0, 1).flatten(1) for layer in cache.layers for tensor in (layer.keys, layer.values)]
    return torch.cat(pairs, dim=1)
