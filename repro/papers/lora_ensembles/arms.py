"""The arms of LoRA ensembles: one run trains M members on one draw of the data, alike but for their random streams.

Which prediction is taken from a run's members (one of them, their mean, the mean after a temperature ...) is no matter of
training: `repro.inference` names them, and an arm "lora|ensemble" is the run of "lora" with that prediction.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Any

from peft import LoraConfig

from methods.ensemble.average import Average
from methods.objective.choice_kl import ChoiceKl
from methods.objective.label_words import LabelWords
from methods.parts import Objective, Scope, Update
from methods.recipe import Recipe
from methods.scope.lora import Adapter, Lora
from methods.training import Training
from methods.update.adamw import AdamW
from methods.update.adamw_on_factor import AdamWOnFactor
from repro.papers.rates import Tuned, check_even, tuned
from repro.scales import Scale, get
from repro.study import Arm, Stage, SuiteCall

LABELS = {"zero-shot": "base model, zero-shot", "few-shot": "base model, few-shot", "lora": "LoRA", "head": "last layer",
          "dropout": "LoRA with dropout", "kl": "LoRA with a leash (KL)", "decay": "LoRA with decay on B",
          "long": "one LoRA, compute of all members", "wide": "one LoRA, parameters of all members",
          "same-init": "members differ in data order", "same-order": "members differ in initialisation",
          "same": "members differ in nothing", "other": "LoRA, trained on the other set",
          "decay-on-a": "LoRA with the decay on A", "lora-at-decays-rate": "LoRA at the rate of decay on B",
          "reverse-kl": "LoRA with the leash the other way round"}
PLAIN = ("lora", "head", "dropout")


def _s(scale: Scale, key: str) -> Any:
    return scale.setting(f"ensembles.{key}")


def label_of(name: str) -> str:
    """"kl 0.1" is a regulariser at one coefficient of its grid."""
    method, _, coefficient = name.partition(" ")
    return f"{LABELS[method]}, {coefficient}" if coefficient else LABELS[method]


def regularised(scale: Scale) -> tuple[str, ...]:
    """Regularisers that have a coefficient, one method for each of its grid."""
    return (*(f"kl {b:g}" for b in _s(scale, "betas")), *(f"decay {d:g}" for d in _s(scale, "decays")))


def parts(scale: Scale, method: str, lr: float) -> tuple[Scope, Update, Objective]:
    """A method's scope, update and objective. `method` may carry its coefficient: "kl 0.1", "decay 10"."""
    name, _, coefficient = method.partition(" ")
    scope: Scope = Lora(r=_s(scale, "r"), alpha=_s(scale, "alpha"), targets=_s(scale, "targets"),
                        dropout=_s(scale, "dropout") if name == "dropout" else 0.0)
    if name == "head":
        layer, r = _s(scale, "head")
        scope = Adapter.of(LoraConfig(r=r, lora_alpha=2 * r, target_modules=[layer]))
    if name == "wide":
        times = _s(scale, "members")
        scope = Lora(r=times * _s(scale, "r"), alpha=times * _s(scale, "alpha"), targets=_s(scale, "targets"))
    update: Update = AdamW(lr=lr)
    if name in ("decay", "decay-on-a"):
        update = AdamWOnFactor(lr=lr, decay=float(coefficient), factor="A" if name == "decay-on-a" else "B")
    objective: Objective = LabelWords()
    if name in ("kl", "reverse-kl"):
        objective = ChoiceKl(beta=float(coefficient), reverse=name == "reverse-kl")
    return scope, update, objective


def stage(scale: Scale, method: str, lr: float, members: int = 1, fresh: tuple[str, ...] | None = None,
          times: int = 1, data: str | None = None) -> Stage:
    """One method's training; several members differ in the streams `fresh` (None: in all)."""
    scope, update, objective = parts(scale, method, lr)
    recipe = Recipe(scope, update, objective=objective)
    if members > 1:
        recipe = replace(recipe, ensemble=Average(members) if fresh is None else Average(members, fresh=fresh))
    steps = times * _s(scale, "steps")
    return Stage(recipe, data or _s(scale, "train"), Training(
        steps=steps, batch_size=_s(scale, "batch_size"), micro_batch=_s(scale, "micro_batch"), schedule=_s(scale, "schedule"),
        warmup_steps=round(_s(scale, "warmup") * steps), clip_norm=_s(scale, "clip_norm"), precision=_s(scale, "precision")))


def methods(scale: Scale) -> tuple[str, ...]:
    """What is tuned: every method, regularisers once for each coefficient."""
    return (*PLAIN, *regularised(scale), "long", "wide")


def trials(scale_name: str) -> dict[str, tuple[Arm, ...]]:
    """Method -> one arm per rate, one member each; judged by the loss among the letters on dev questions, never by the test."""
    scale = get(scale_name)
    found = {method: tuple(Arm(f"tune/{method}/{lr:g}", f"{method} at {lr:g}", _s(scale, "base"),
                               (stage(scale, method, lr, times=_s(scale, "members") if method == "long" else 1),), (),
                               _s(scale, "tuning_seeds"), probes=("choice:2",)) for lr in _s(scale, "rates"))
             for method in methods(scale)}
    check_even(found)
    return found


def chosen(rates: Tuned, scale: Scale) -> dict[str, str]:
    """Regulariser -> its method at the coefficient with the least dev loss, each at its own best rate."""
    def best(names: tuple[str, ...]) -> str:
        return min(names, key=lambda name: min(rates.means(name).values(), default=float("inf")))

    return {kind: best(tuple(name for name in regularised(scale) if name.startswith(kind))) for kind in ("kl", "decay")}


def suites(scale: Scale, trained: str) -> tuple[SuiteCall, ...]:
    """The tests of all sets, and the dev questions of the one that is trained on."""
    elsewhere = _s(scale, "elsewhere")
    others = (name for name in (_s(scale, "train"), _s(scale, "other"), *_s(scale, "far")) if name != trained)
    return (SuiteCall(f"options:{trained}", None, _s(scale, "items")),
            SuiteCall(f"options:{trained}/dev", None, _s(scale, "dev")),
            *(SuiteCall(f"options:{name}", None, elsewhere) for name in others))


def arms(scale_name: str) -> tuple[Arm, ...]:
    """All arms of a scale. Raises Refused where its learning rates have not been tuned."""
    scale = get(scale_name)
    rates, seeds, base = tuned("lora_ensembles", scale.rates_of or scale.name), _s(scale, "seeds"), _s(scale, "base")
    calls, other = suites(scale, _s(scale, "train")), _s(scale, "other")
    many, points = _s(scale, "members"), f"answers:{_s(scale, 'points')}"
    best = chosen(rates, scale)

    def arm(name: str, method: str, *probes: str, core: bool = True, lr: float | None = None, **how: Any) -> Arm:
        rate = rates.rate(method) if lr is None else lr
        asked = suites(scale, how.get("data", _s(scale, "train")))
        return Arm(name, label_of(name), base, (stage(scale, method, rate, **how),), asked, seeds, core, probes=(points, *probes))

    few = tuple(replace(call, shots=_s(scale, "shots")) for call in calls)
    kl, decay = best["kl"], best["decay"]
    return (
        Arm("zero-shot", LABELS["zero-shot"], base, (), calls, seeds[:1]),
        Arm("few-shot", LABELS["few-shot"], base, (), few, seeds),
        arm("lora", "lora", "laplace", "averaged", members=many),
        arm("dropout", "dropout", f"sampled:{_s(scale, 'samples')}", members=many),
        arm("kl", kl, members=many), arm("decay", decay, members=many),
        arm("head", "head", core=False, members=many), arm("long", "long", times=many), arm("wide", "wide"),
        arm("same-init", "lora", core=False, members=many, fresh=("order",)),
        arm("same-order", "lora", core=False, members=many, fresh=("init",)),
        arm("same", "lora", core=False, members=2, fresh=()),
        arm("other", "lora", core=False, members=many, data=other),
        arm("lora-at-decays-rate", "lora", core=False, lr=rates.rate(decay), members=many),
        arm("decay-on-a", f"decay-on-a {decay.partition(' ')[2]}", core=False, lr=rates.rate(decay), members=many),
        *(arm(name, name, core=False, members=many) for name in regularised(scale)),
        arm("reverse-kl", f"reverse-kl {kl.partition(' ')[2]}", core=False, lr=rates.rate(kl), members=many),
    )
