"""Base models by their sizes alone: for counting what they keep, simulating their memory, and timing them with random weights."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PhiConfig,
    Qwen2Config,
    RobertaConfig,
)


@dataclass(frozen=True)
class Shapes:
    """A base model's sizes; `source` says where they stand."""

    name: str
    kind: Literal["gpt2", "roberta", "opt", "phi", "llama", "mistral", "qwen2"]
    hidden: int
    inner: int
    layers: int
    heads: int
    vocabulary: int
    positions: int
    source: str
    key_value_heads: int | None = None
    """None: as many as heads."""
    one_end: bool = False
    """Embedding and head are one weight, in families where they usually are two."""

    @property
    def config(self) -> Any:
        """Its configuration in transformers; head and embedding are one weight in GPT-2, RoBERTa and OPT."""
        sizes: dict[str, Any] = {"vocab_size": self.vocabulary, "hidden_size": self.hidden, "num_hidden_layers": self.layers,
                                 "num_attention_heads": self.heads, "max_position_embeddings": self.positions}
        if self.kind == "gpt2":
            return GPT2Config(vocab_size=self.vocabulary, n_embd=self.hidden, n_layer=self.layers, n_head=self.heads,
                              n_positions=self.positions, n_inner=self.inner)
        if self.kind == "roberta":
            return RobertaConfig(**sizes, intermediate_size=self.inner, type_vocab_size=1)
        if self.kind == "opt":
            return OPTConfig(**sizes, ffn_dim=self.inner, word_embed_proj_dim=self.hidden)
        if self.kind == "phi":
            return PhiConfig(**sizes, intermediate_size=self.inner, partial_rotary_factor=0.4)
        of = {"llama": LlamaConfig, "mistral": MistralConfig, "qwen2": Qwen2Config}[self.kind]
        return of(**sizes, intermediate_size=self.inner, num_key_value_heads=self.key_value_heads or self.heads,
                  tie_word_embeddings=self.one_end)

    def model(self, device: str = "meta", dtype: torch.dtype = torch.float32, attention: str | None = None) -> nn.Module:
        """The model with random weights; on PyTorch's "meta" device, which holds no numbers, without. `attention` None:
        transformers' choice."""
        of = AutoModelForMaskedLM if self.kind == "roberta" else AutoModelForCausalLM
        with torch.device(device):
            made: nn.Module = of.from_config(self.config, dtype=dtype, attn_implementation=attention)
        return made

    @property
    def weights(self) -> int:
        return sum(p.numel() for p in self.model().parameters())

    def share(self, devices: int) -> Shapes:
        """What the fullest of so many devices holds that share the blocks evenly: its blocks and one end, embedding or head."""
        return self if devices == 1 else replace(self, name=f"{self.name}, one of {devices} devices", one_end=True,
                                                 layers=-(-self.layers // devices))


ROBERTA_LARGE = Shapes("RoBERTa-large", "roberta", 1024, 4096, 24, 16, 50265, 514, "config.json of FacebookAI/roberta-large")
OPT_1_3B = Shapes("OPT-1.3B", "opt", 2048, 8192, 24, 32, 50272, 2048, "config.json of facebook/opt-1.3b")
GPT_2 = Shapes("GPT2-Small", "gpt2", 768, 3072, 12, 12, 50257, 1024, "config.json of openai-community/gpt2")
TINYLLAMA = Shapes("TinyLlama", "llama", 2048, 5632, 22, 32, 32000, 2048,
                   "config.json of TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T", 4)
PHI_2 = Shapes("Phi-2", "phi", 2560, 10240, 32, 32, 51200, 2048, "config.json of microsoft/phi-2")
MISTRAL_7B = Shapes("Mistral-7B", "mistral", 4096, 14336, 32, 32, 32000, 32768, "config.json of mistralai/Mistral-7B-v0.1", 8)
LLAMA_2_7B = Shapes("LLaMA-2-7B", "llama", 4096, 11008, 32, 32, 32000, 4096, "config.json of meta-llama/Llama-2-7b-hf")
LLAMA_2_13B = Shapes("LLaMA-2-13B", "llama", 5120, 13824, 40, 40, 32000, 4096, "config.json of meta-llama/Llama-2-13b-hf")
LLAMA_2_70B = Shapes("LLaMA-2-70B", "llama", 8192, 28672, 80, 64, 32000, 4096, "config.json of meta-llama/Llama-2-70b-hf", 8)
LLAMA_3_8B = Shapes("Llama-3-8B", "llama", 4096, 14336, 32, 32, 128256, 8192, "config.json of meta-llama/Meta-Llama-3-8B", 8)
QWEN_2_5_7B = Shapes("Qwen2.5-7B", "qwen2", 3584, 18944, 28, 28, 152064, 131072, "config.json of Qwen/Qwen2.5-7B", 4)
EMBEDDED = Shapes("embedded model", "llama", 96, 256, 6, 4, 1600, 512, "suites/world/base/config.json")
ALL = {s.name: s for s in (GPT_2, ROBERTA_LARGE, TINYLLAMA, OPT_1_3B, PHI_2, MISTRAL_7B, LLAMA_2_7B, LLAMA_3_8B, QWEN_2_5_7B,
                           LLAMA_2_13B, LLAMA_2_70B, EMBEDDED)}
