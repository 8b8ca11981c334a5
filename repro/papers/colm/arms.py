"""CoLM's arms: b examples out of a pool of 2 b, random batches of b, 2 b and 4 b, and b with the same mixture of sources.

All train the same adapters for the same number of steps, on the mean loss of the batch's examples. Random batches of each
size, the mixture, CoLM and those of its variants on which a claim rests have a learning rate of their own, tuned with the same
number of trials; its other variants run at CoLM's rate, and other rules of selection at that of random batches of their size.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from methods import papers
from methods.objective.label_words import LabelWords
from methods.objective.nll import Nll
from methods.parts import Refused, Selection
from methods.selection.big_gradient_norm import BigGradientNorm
from methods.selection.big_loss import BigLoss
from methods.selection.clustered import Clustered
from methods.selection.colm import Colm
from methods.selection.craig import Craig
from methods.selection.grad_match import GradMatch
from methods.selection.middle_perplexity import MiddlePerplexity
from methods.selection.uniform import Uniform
from methods.selection.uniform_by_source import UniformBySource
from methods.training import Training
from repro.papers.colm import cost
from repro.papers.rates import Tuned, check_even, tuned
from repro.scale import TaskRef
from repro.scales import Scale, get
from repro.study import Arm, Stage, SuiteCall

DATA = "math-instruct"
FACTOR = 2
"""The pool is this many times the batch."""
RANDOM = ("random", "random-2x", "random-4x")
ABLATED = ("colm-no-small", "colm-no-adam", "colm-one-group", "colm-clusters", "colm-gradient")
"""The variants that are tuned as well."""
LABELS = {
    "vanilla": "not tuned", "random": "random, b", "random-2x": "random, 2 b", "random-4x": "random, 4 b",
    "mixture": "random b with CoLM's mixture", "colm": "CoLM, b of 2 b", "random-longer": "random b, CoLM's compute",
    "big-loss": "largest losses", "middle-perplexity": "middle perplexity", "big-gradient": "largest gradients",
    "grad-match": "gradient matching", "craig": "CRAIG",
}


def colm(scale: Scale, **fields: Any) -> Colm:
    """CoLM as the authors' code runs it, with some choices changed."""
    return Colm(**{"pool": FACTOR, "h": scale.setting("colm.h"), "eps": scale.setting("colm.eps"), **fields})


def variants(scale: Scale) -> dict[str, tuple[str, Colm]]:
    """CoLM with one choice changed: name -> (label, rule)."""
    many = scale.setting("colm.many")
    return {
        "colm-fresh": ("new direction every step", colm(scale, z="step")),
        "colm-many": (f"{many} directions", colm(scale, z="step", m=many)),
        "colm-gradient": ("true gradients", colm(scale, z="gradient")),
        "colm-no-small": ("small sources not kept", colm(scale, keep_small=False)),
        "colm-no-adam": ("gradients as they are, not as Adam steps", colm(scale, adam=False)),
        "colm-one-group": ("medoids over all sources", colm(scale, per_source=False)),
        "colm-clusters": ("weighted by cluster size", colm(scale, weights="clusters")),
        "colm-all-coordinates": ("true gradients, all coordinates", colm(scale, z="gradient", h=None)),
        "colm-l2": ("true gradients, Euclidean", colm(scale, z="gradient", metric="l2")),
        "colm-cosine": ("true gradients, cosine", colm(scale, z="gradient", metric="cosine")),
    }


def labels(scale: Scale) -> dict[str, str]:
    """Arm -> what a line of a table is called."""
    return LABELS | {name: label for name, (label, _) in variants(scale).items()}


def rules() -> dict[str, Selection]:
    """Other rules of selection."""
    return {"big-loss": BigLoss(pool=FACTOR), "middle-perplexity": MiddlePerplexity(pool=FACTOR),
            "big-gradient": BigGradientNorm(pool=FACTOR), "grad-match": GradMatch(pool=FACTOR), "craig": Craig(pool=FACTOR)}


def main(scale: Scale) -> dict[str, tuple[int, Selection]]:
    """What is tuned: name -> (batch size, rule)."""
    b, twice, four = scale.setting("colm.sizes")
    return {"random": (b, Uniform()), "random-2x": (twice, Uniform()), "random-4x": (four, Uniform()),
            "mixture": (b, UniformBySource(pool=FACTOR)), "colm": (b, colm(scale))}


def ablated(scale: Scale) -> dict[str, tuple[int, Selection]]:
    """Variants of CoLM that are tuned: name -> (batch size, rule)."""
    return {name: (scale.setting("colm.sizes")[0], variants(scale)[name][1]) for name in ABLATED}


def longer(scale: Scale) -> float:
    """Steps of a plain batch in the arithmetic of one of CoLM's."""
    return 1 + cost.selecting(FACTOR, scale.setting("colm.scored"), scale.setting("colm.blocks")) / cost.ADAPTERS


def stage(scale: Scale, size: int, rule: Selection, lr: float, times: float = 1.0, data: str = DATA) -> Stage:
    """One rule's training."""
    def s(key: str) -> Any:
        return scale.setting(f"colm.{key}")

    steps = round(times * s("steps" if data == DATA else "task_steps"))
    adapters = papers.lora(lr, r=s("r"), alpha=s("alpha"), dropout=s("dropout"), targets=s("targets"))
    recipe = replace(adapters, selection=rule, objective=Nll("example") if data == DATA else LabelWords())
    return Stage(recipe, data, Training(steps=steps, batch_size=size, micro_batch=s("micro_batch"), schedule=s("schedule"),
                                        warmup_steps=round(s("warmup") * steps), clip_norm=s("clip_norm"),
                                        precision=s("precision")))


def watched(scale: Scale) -> tuple[str, ...]:
    """What is looked at while training: the dev losses of a convergence curve, where the scale has one, and the mixture."""
    points = scale.setting("colm.points")
    return ("sources",) if points is None else (f"dev:{points}", "sources")


def suites(scale: Scale) -> tuple[SuiteCall, ...]:
    calls = (SuiteCall(name, 0, scale.setting("colm.items")) for name in scale.setting("colm.suites"))
    return (SuiteCall(f"heldout:{DATA}", None, scale.setting("colm.heldout")), *calls)


def trials(scale_name: str) -> dict[str, tuple[Arm, ...]]:
    """Method -> one arm per learning rate, as many for each; judged by dev loss, never by the test."""
    scale = get(scale_name)
    base = scale.setting("colm.base")
    found = {name: tuple(Arm(f"tune/{name}/{lr:g}", f"{labels(scale)[name]} at {lr:g}", base, (stage(scale, size, rule, lr),), (),
                             scale.tuning_seeds, probes=("dev:2",)) for lr in scale.setting("colm.rates"))
             for name, (size, rule) in (main(scale) | ablated(scale)).items()}
    task = {f"{name}@task": tuple(Arm(f"tune/{name}@task/{lr:g}", f"{name} at {lr:g}", base,
                                      (stage(scale, size, rule, lr, data=task_key(scale)),), (), scale.tuning_seeds,
                                      probes=("choice:2",)) for lr in scale.setting("colm.rates"))
            for name, (size, rule) in on_task(scale).items()}
    check_even(found | task)
    return found | task


def task_key(scale: Scale) -> str:
    key: str = scale.setting("colm.task")
    return key


def task_name(scale: Scale) -> str:
    """Raises Refused where the setting names no task."""
    ref = scale.data(task_key(scale))
    if not isinstance(ref, TaskRef):
        raise Refused(f"cannot compare selections on {task_key(scale)}; because it is no classification task; use one of glue's")
    return ref.task


def on_task(scale: Scale) -> Mapping[str, tuple[int, Selection]]:
    """Where sources are unknown: random batches of b and 2 b, and out of the same clusters random examples and CoLM's.

    No cluster is kept whole, as in the authors' code for these tasks.
    """
    b, twice, _ = scale.setting("colm.sizes")
    c, warmup, refresh = scale.setting("colm.clusters")
    return {"random": (b, Uniform()), "random-2x": (twice, Uniform()),
            "mixture": (b, Clustered(UniformBySource(pool=FACTOR, keep_small=False), c=c, warmup=warmup, refresh=refresh)),
            "colm": (b, Clustered(colm(scale, keep_small=False), c=c, warmup=warmup, refresh=refresh))}


def arms(scale_name: str) -> tuple[Arm, ...]:
    """All arms of a scale. Raises Refused where its learning rates have not been tuned."""
    scale = get(scale_name)
    rates = tuned("colm", scale.rates_of or scale.name)
    base, seeds, calls = scale.setting("colm.base"), scale.setting("colm.seeds"), suites(scale)
    compared = SuiteCall(f"coresets:{DATA}", None, scale.setting("colm.pools")[1])
    found = [Arm("vanilla", LABELS["vanilla"], base, (), (*calls, compared), seeds[:1])]
    for name, (size, rule) in main(scale).items():
        here = (*calls, compared) if name == "random" else calls
        found.append(Arm(name, LABELS[name], base, (stage(scale, size, rule, rates.rate(name)),), here, seeds,
                         probes=watched(scale)))
    return (*found, *_more(scale, rates, base, seeds, calls), *_tasks(scale, rates, base, seeds))


def _more(scale: Scale, rates: Tuned, base: str, seeds: tuple[int, ...], calls: tuple[SuiteCall, ...]) -> list[Arm]:
    b = scale.setting("colm.sizes")[0]
    found = [Arm("random-longer", LABELS["random-longer"], base,
                 (stage(scale, b, Uniform(), rates.rate("random"), times=longer(scale)),), calls, seeds,
                 probes=watched(scale))]
    for name, (label, rule) in variants(scale).items():
        rate = rates.rate(name if name in ABLATED else "colm")
        found.append(Arm(name, f"CoLM, {label}", base, (stage(scale, b, rule, rate),), calls, seeds, False))
    for name, other in rules().items():
        found.append(Arm(name, LABELS[name], base, (stage(scale, b, other, rates.rate("random")),), calls, seeds, False,
                         probes=("sources",)))
    return found


def _tasks(scale: Scale, rates: Tuned, base: str, seeds: tuple[int, ...]) -> list[Arm]:
    task = task_name(scale)
    calls = (SuiteCall(f"glue:{task}", 0, scale.setting("colm.task_items")),)
    return [Arm(f"{name}@task", f"{LABELS[name]}, {task}", base,
                (stage(scale, size, rule, rates.rate(f"{name}@task"), data=task_key(scale)),), calls, seeds, False,
                probes=("choice:2",))
            for name, (size, rule) in on_task(scale).items()]
