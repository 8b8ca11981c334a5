"""The papers' methods and their baselines, each one expression over the slots. Rates have no default: they are tuned."""
from __future__ import annotations

from typing import Any

from methods.recipe import Recipe
from methods.scope.full import Full
from methods.scope.lisa import Lisa
from methods.scope.lora import Lora
from methods.update.adamw import AdamW
from methods.update.galore import GaLore
from methods.update.sgd import Sgd


def full(lr: float, **adamw: Any) -> Recipe:
    """Full fine-tuning with AdamW."""
    return Recipe(Full(), AdamW(lr=lr, **adamw))


def full_sgd(lr: float, **sgd: Any) -> Recipe:
    """Full fine-tuning with SGD."""
    return Recipe(Full(), Sgd(lr=lr, **sgd))


def lora(lr: float, r: int = 128, alpha: float = 256.0, **scope: Any) -> Recipe:
    """LoRA on every linear layer of the blocks (LISA's baseline: r = 128; its alpha is not stated)."""
    return Recipe(Lora(r=r, alpha=alpha, **scope), AdamW(lr=lr))


def galore(lr: float, rank: int = 128, **update: Any) -> Recipe:
    """GaLore (arXiv 2403.03507): full fine-tuning, Adam in a projected space."""
    return Recipe(Full(), GaLore(lr=lr, rank=rank, **update))


def lisa(lr: float, gamma: int = 2, K: int | None = 20, **scope: Any) -> Recipe:
    """LISA (arXiv 2403.17919, algorithm 1)."""
    return Recipe(Lisa(gamma=gamma, K=K, **scope), AdamW(lr=lr))


def embeddings_and_head(lr: float) -> Recipe:
    """LISA's "E+H": gamma = 0, no block moves."""
    return lisa(lr, gamma=0)


def lisa_fixed(lr: float, gamma: int = 2, K: int | None = 20) -> Recipe:
    """LISA whose first draw stays, all else alike: isolates drawing anew (K = None is the paper's K = T)."""
    return lisa(lr, gamma=gamma, K=K, fixed=True)


NAMED = {"full": full, "full-sgd": full_sgd, "lora": lora, "galore": galore, "lisa": lisa,
         "lisa-fixed": lisa_fixed, "embeddings-and-head": embeddings_and_head}
"""What `--recipe NAME` stands for."""
