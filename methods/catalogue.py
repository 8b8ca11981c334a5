"""Every part there is, by slot, with the examples that the matrix and the common tests walk: a new part is one line here."""
from __future__ import annotations

from typing import Any

from methods.ensemble.average import Average
from methods.ensemble.single import Single
from methods.estimator.backprop import Backprop
from methods.estimator.forward_grad import ForwardGrad
from methods.estimator.spsa import Spsa
from methods.objective.choice_kl import ChoiceKl
from methods.objective.kl import KlToBase
from methods.objective.label_words import LabelWords
from methods.objective.nll import Nll
from methods.parts import Refused
from methods.scope.full import Full
from methods.scope.lisa import Lisa
from methods.scope.lora import Adapter, Lora
from methods.scope.prefix import Prefix
from methods.selection.big_gradient_norm import BigGradientNorm
from methods.selection.big_loss import BigLoss
from methods.selection.clustered import Clustered
from methods.selection.colm import Colm
from methods.selection.craig import Craig
from methods.selection.grad_match import GradMatch
from methods.selection.middle_perplexity import MiddlePerplexity
from methods.selection.uniform import Uniform
from methods.selection.uniform_by_source import UniformBySource
from methods.update.adamw import AdamW
from methods.update.adamw_on_factor import AdamWOnFactor
from methods.update.conservative import Conservative
from methods.update.galore import GaLore
from methods.update.helene import Helene
from methods.update.sgd import Sgd
from methods.update.sign import Sign
from methods.update.sophia import Sophia

SLOTS: dict[str, tuple[Any, ...]] = {
    "scope": (
        Full(), Lora(r=4), Lisa(gamma=2, K=1), Lisa(gamma=0), Lisa(gamma=2, K=1, draw="bernoulli", on_switch="drop"),
        Lisa(gamma=1, K=1, reweight=True), Lisa(gamma=1, K=1, of=Lora(r=4)), Lisa(gamma=2, K=None, probabilities="norm"),
        Lisa(gamma=1, K=1, of=Lisa()),
        Lisa(gamma=1, K=1, fixed=True),
        Adapter('{"peft_type": "LOHA", "r": 2, "alpha": 4, "target_modules": ["q_proj", "v_proj"]}'),
        Adapter('{"peft_type": "PROMPT_TUNING", "task_type": "CAUSAL_LM", "num_virtual_tokens": 2}'),
        Prefix(m=2),
    ),
    "estimator": (Backprop(), Spsa(), ForwardGrad()),
    "update": (Sgd(lr=1e-2), Sgd(lr=1e-2, momentum=0.9), AdamW(lr=1e-3), GaLore(lr=1e-3, rank=4), Helene(lr=1e-4),
               Sophia(lr=1e-4), Sign(lr=1e-5), Conservative(lr=1e-4),
               AdamWOnFactor(lr=1e-3, decay=1.0)),
    "selection": (Uniform(), Uniform(pool=2), UniformBySource(), Colm(), Colm(z="gradient", weights="clusters"),
                  Clustered(Colm(), c=2, warmup=1, refresh=1), BigLoss(), MiddlePerplexity(), BigGradientNorm(), GradMatch(),
                  Craig()),
    "objective": (Nll(), Nll(mean="example"), KlToBase(beta=0.1), LabelWords(),
                  ChoiceKl(beta=0.1)),
    "ensemble": (Single(), Average(members=2)),
}


def part_type(name: str) -> type[Any]:
    """The class of a part by its name; Refused when there is none."""
    known = {type(part).__name__: type(part) for parts in SLOTS.values() for part in parts}
    if name not in known:
        raise Refused(f"cannot use a part called {name!r}; because there is none; use one of {', '.join(sorted(known))}")
    return known[name]
