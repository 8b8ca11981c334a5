"""Small models and examples that many tests share."""
from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from methods.examples import Example

VOCABULARY = 40
PAD = 0


def toy_llama(blocks: int = 4, tied: bool = False, seed: int = 0, dropout: float = 0.0) -> LlamaForCausalLM:
    """A random Llama of width 16."""
    torch.manual_seed(seed)
    config = LlamaConfig(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=blocks,
                         num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=32,
                         tie_word_embeddings=tied, attention_dropout=dropout)
    return LlamaForCausalLM(config)


def toy_examples(n: int = 22, seed: int = 1) -> list[Example]:
    """Texts of 4 to 12 tokens with prompts of different length."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for i in range(n):
        length = int(torch.randint(4, 13, (1,), generator=generator))
        ids = torch.randint(1, VOCABULARY, (length,), generator=generator).tolist()
        rows.append(Example(tuple(ids), int(torch.randint(0, length - 1, (1,), generator=generator)), fact=str(i % 7)))
    return rows


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}
