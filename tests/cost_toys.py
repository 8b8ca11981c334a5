"""Recipes and models that the cost suite's tests share."""
from __future__ import annotations

import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig

from methods import papers
from methods.fit import Training
from methods.recipe import Recipe
from suites.cost.simulate import texts

CONFIG = LlamaConfig(vocab_size=1600, hidden_size=96, intermediate_size=256, num_hidden_layers=6, num_attention_heads=4,
                     max_position_embeddings=512, eos_token_id=1)
"""The embedded model's sizes."""
SMALL = LlamaConfig(vocab_size=60, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
                    num_key_value_heads=2, max_position_embeddings=64, eos_token_id=1)
RECIPES: dict[str, Recipe] = {
    "full": papers.full(1e-3), "LoRA": papers.lora(1e-3, r=4, alpha=8.0), "LISA": papers.lisa(1e-3, gamma=2, K=1),
    "MeZO": papers.mezo(1e-4), "HELENE": papers.helene(1e-4, k=2), "CoLM": papers.colm(1e-3, r=4, alpha=8.0)}
TRAINING = Training(steps=3, batch_size=4, micro_batch=2)
"""Three LISA switches, two micro-batches each."""
DATA = texts(16, 24, 60, prompt=8, sources=4)


def real(config: LlamaConfig = SMALL, dtype: torch.dtype = torch.float32, attention: str = "sdpa") -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    return model
