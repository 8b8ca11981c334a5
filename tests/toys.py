"""Small models and examples that many tests share."""
from __future__ import annotations

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

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


def toy_gpt2(blocks: int = 4, seed: int = 0) -> GPT2LMHeadModel:
    """A random GPT-2 of width 16 without dropout. Unlike Llama's, its norms never round to float32, so float64 is float64."""
    torch.manual_seed(seed)
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_positions=32, n_embd=16, n_layer=blocks, n_head=2,
                                      bos_token_id=0, eos_token_id=0, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))


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
