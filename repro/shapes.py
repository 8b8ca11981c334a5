"""Base models by their sizes alone: for counting what they keep, and for timing them with random weights."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, LlamaConfig, OPTConfig, PhiConfig, RobertaConfig


@dataclass(frozen=True)
class Shapes:
    """A base model's sizes; `source` says where they stand."""

    name: str
    kind: Literal["roberta", "opt", "phi", "llama"]
    hidden: int
    inner: int
    layers: int
    heads: int
    vocabulary: int
    positions: int
    source: str

    @property
    def config(self) -> Any:
        """Its configuration in transformers; head and embedding are one weight but in Phi and LLaMA."""
        sizes: dict[str, Any] = {"vocab_size": self.vocabulary, "hidden_size": self.hidden, "num_hidden_layers": self.layers,
                                 "num_attention_heads": self.heads, "max_position_embeddings": self.positions}
        if self.kind == "roberta":
            return RobertaConfig(**sizes, intermediate_size=self.inner, type_vocab_size=1)
        if self.kind == "opt":
            return OPTConfig(**sizes, ffn_dim=self.inner, word_embed_proj_dim=self.hidden)
        if self.kind == "llama":
            return LlamaConfig(**sizes, intermediate_size=self.inner)
        return PhiConfig(**sizes, intermediate_size=self.inner, partial_rotary_factor=0.4)

    def model(self, device: str = "meta", dtype: torch.dtype = torch.float32) -> nn.Module:
        """The model with random weights; on PyTorch's "meta" device, which holds no numbers, without."""
        of = AutoModelForMaskedLM if self.kind == "roberta" else AutoModelForCausalLM
        with torch.device(device):
            made: nn.Module = of.from_config(self.config, dtype=dtype)
        return made


ROBERTA_LARGE = Shapes("RoBERTa-large", "roberta", 1024, 4096, 24, 16, 50265, 514, "config.json of FacebookAI/roberta-large")
OPT_1_3B = Shapes("OPT-1.3B", "opt", 2048, 8192, 24, 32, 50272, 2048, "config.json of facebook/opt-1.3b")
PHI_2 = Shapes("Phi-2", "phi", 2560, 10240, 32, 32, 51200, 2048, "config.json of microsoft/phi-2")
LLAMA_2_7B = Shapes("LLaMA-2-7B", "llama", 4096, 11008, 32, 32, 32000, 4096, "config.json of meta-llama/Llama-2-7b-hf")
LLAMA_2_13B = Shapes("LLaMA-2-13B", "llama", 5120, 13824, 40, 40, 32000, 4096, "config.json of meta-llama/Llama-2-13b-hf")
EMBEDDED = Shapes("embedded model", "llama", 96, 256, 6, 4, 1600, 512, "suites/world/base/config.json")
