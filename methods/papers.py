"""The papers' methods and their baselines, each one expression over the slots. Rates have no default: they are tuned."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

from methods.ensemble.average import Average
from methods.estimator.forward_grad import ForwardGrad
from methods.estimator.spsa import Spsa
from methods.objective.nll import Nll
from methods.parts import Scope
from methods.recipe import Recipe
from methods.scope.full import Full
from methods.scope.lisa import Lisa
from methods.scope.lora import Lora
from methods.selection.clustered import Clustered
from methods.selection.colm import Colm
from methods.update.adamw import AdamW
from methods.update.conservative import Conservative
from methods.update.galore import GaLore
from methods.update.helene import Helene
from methods.update.sgd import Sgd
from methods.update.sign import Sign
from methods.update.sophia import Sophia

FULL = Full()


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


def colm(lr: float, r: int = 128, alpha: float = 512.0, **selection: Any) -> Recipe:
    """CoLM (arXiv 2407.19580) over LoRA, as the authors run it; examples carry the names of their sources."""
    return Recipe(Lora(r=r, alpha=alpha), AdamW(lr=lr), selection=Colm(**selection), objective=Nll("example"))


def colm_clustered(lr: float, c: int = 8, **fields: Any) -> Recipe:
    """CoLM over clusters, for examples whose sources nobody wrote down (section 5.4)."""
    plain = colm(lr, keep_small=False, **fields)
    return replace(plain, selection=Clustered(plain.selection, c=c))


def lora_ensemble(lr: float, members: int = 5, r: int = 8, alpha: float = 16.0, **ensemble: Any) -> Recipe:
    """LoRA ensembles (arXiv 2310.00035): members that differ in their random streams, each an adapter of query and value."""
    return Recipe(Lora(r=r, alpha=alpha, targets="query_value"), AdamW(lr=lr), ensemble=Average(members, **ensemble))


def mezo(lr: float, eps: float = 1e-3, scope: Scope = FULL, **sgd: Any) -> Recipe:
    """MeZO (arXiv 2305.17333): SGD along SPSA's directions; `momentum` makes it ZO-SGD-MMT."""
    return Recipe(scope, Sgd(lr=lr, **sgd), Spsa(eps=eps))


def mezo_adam(lr: float, eps: float = 1e-3, scope: Scope = FULL, **adam: Any) -> Recipe:
    """MeZO-Adam, with both moments stored."""
    return Recipe(scope, AdamW(lr=lr, **adam), Spsa(eps=eps))


def helene(lr: float, eps: float = 1e-3, scope: Scope = FULL, **update: Any) -> Recipe:
    """HELENE (arXiv 2411.10696); `eps` is SPSA's distance, `lam` the floor (to be tuned with the rate)."""
    return Recipe(scope, Helene(lr=lr, **update), Spsa(eps=eps))


def zo_sophia(lr: float, eps: float = 1e-3, scope: Scope = FULL, **update: Any) -> Recipe:
    """Sophia-G on SPSA's gradient."""
    return Recipe(scope, Sophia(lr=lr, **update), Spsa(eps=eps))


def zo_sign(lr: float, eps: float = 1e-3, scope: Scope = FULL, **update: Any) -> Recipe:
    """ZO-SGD-Sign (arXiv 2402.11592)."""
    return Recipe(scope, Sign(lr=lr, **update), Spsa(eps=eps))


def zo_conservative(lr: float, eps: float = 1e-3, scope: Scope = FULL) -> Recipe:
    """ZO-SGD-Cons (arXiv 2402.11592): five forward passes a step."""
    return Recipe(scope, Conservative(lr=lr), Spsa(eps=eps))


def forward_grad(lr: float, scope: Scope = FULL, **sgd: Any) -> Recipe:
    """Forward-Grad (arXiv 2402.11592): SGD along exact directional derivatives."""
    return Recipe(scope, Sgd(lr=lr, **sgd), ForwardGrad())


NAMED = {"full": full, "full-sgd": full_sgd, "lora": lora, "galore": galore, "lisa": lisa,
         "colm": colm, "colm-clustered": colm_clustered, "lora-ensemble": lora_ensemble,
         "lisa-fixed": lisa_fixed, "embeddings-and-head": embeddings_and_head,
         "mezo": mezo, "mezo-adam": mezo_adam, "helene": helene, "zo-sophia": zo_sophia, "zo-sign": zo_sign,
         "zo-conservative": zo_conservative, "forward-grad": forward_grad}
"""What `--recipe NAME` stands for."""
