"""LISA's arms: what is trained on what, as values of the scale. Names are the same at every scale, numbers are not.

Core arms carry the main comparison and the controls of its claims; the rest are ablations. Every method's learning rate
was tuned on dev with the same number of trials, the controls as hard as the methods.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from methods import papers as methods
from methods.fit import Training
from methods.recipe import Recipe
from repro.papers.rates import Tuned, check_even, tuned
from repro.scales import Scale, get
from repro.study import Arm, Stage, SuiteCall

Maker = Callable[[float, Scale], Recipe]
"""From a learning rate to the recipe."""
INSTRUCTIONS, WORD_PROBLEMS, WEB_MATH = "alpaca-gpt4", "gsm8k", "open-web-math"


def _lisa(**fields: Any) -> Maker:
    """LISA with some fields of its scope changed; a string names a setting."""
    def make(lr: float, scale: Scale) -> Recipe:
        values = {"gamma": "gamma", "K": "K"} | fields
        return methods.lisa(lr, **{k: scale.setting(f"lisa.{v}") if k in ("gamma", "K") and isinstance(v, str) else v
                                   for k, v in values.items()})
    return make


def _lora(r: str = "r", **fields: Any) -> Maker:
    def make(lr: float, scale: Scale) -> Recipe:
        return methods.lora(lr, r=scale.setting(f"lisa.{r}"), alpha=scale.setting("lisa.alpha"),
                            dropout=scale.setting("lisa.dropout"), **fields)
    return make


def _full(lr: float, scale: Scale) -> Recipe:
    return methods.full(lr)


def _galore(lr: float, scale: Scale) -> Recipe:
    return methods.galore(lr, rank=scale.setting("lisa.galore_rank"),
                          update_gap=scale.setting("lisa.galore_gap"))


TUNED: Mapping[str, Maker] = {
    "full": _full, "lora": _lora(), "galore": _galore, "lisa": _lisa(),
    "embeddings-and-head": _lisa(gamma=0), "lisa-fixed": _lisa(fixed=True),
    "lora-embeddings": _lora(embeddings=True), "lisa-few": _lisa(gamma="few"), "lisa-many": _lisa(gamma="many"),
    "full-restarts": _lisa(gamma="all"),
}
"""Method -> recipe, each tuned on the instructions' dev split."""

VARIANTS: Mapping[str, tuple[str, Maker]] = {
    "lisa-reweighted": ("steps times 1/p", _lisa(reweight=True)),
    "lisa-few-same-rate": ("one block", _lisa(gamma="few")),
    "lisa-many-same-rate": ("more blocks", _lisa(gamma="many")),
    "lisa-many-short": ("more blocks, drawn at every step", _lisa(gamma="many", K="K_short")),
    "lisa-long": ("drawn less often", _lisa(K="K_long")),
    "lisa-once": ("drawn once, no restarts (K = T)", _lisa(K=None)),
    "lisa-keep": ("moments kept", _lisa(on_switch="keep")),
    "lisa-drop": ("moments of frozen blocks dropped", _lisa(on_switch="drop")),
    "lisa-bernoulli": ("each block by its own coin", _lisa(draw="bernoulli")),
    "lisa-increasing": ("later blocks likelier", _lisa(probabilities="increasing")),
    "lisa-decreasing": ("earlier blocks likelier", _lisa(probabilities="decreasing")),
    "lisa-by-norm": ("likelier by norm", _lisa(probabilities="norm")),
    "lisa-no-embeddings": ("without embeddings", _lisa(embeddings=False)),
    "lisa-no-head": ("without head", _lisa(head=False)),
}
"""LISA with one choice changed, at LISA's own rate: name -> (label, recipe)."""

LABELS = {
    "vanilla": "not tuned", "full": "full tuning", "lora": "LoRA", "galore": "GaLore", "lisa": "LISA",
    "embeddings-and-head": "E+H only (γ = 0)", "lisa-fixed": "LISA, one draw, same restarts",
    "lisa-reweighted": "LISA, steps times 1/p at LISA's rate",
    "lora-embeddings": "LoRA on embeddings and head too",
    "full-restarts": "full tuning, restarted as LISA is",
    "lisa-few": "LISA, one block, own rate", "lisa-many": "LISA, more blocks, own rate",
}
PROBES = {"full": ("norms", "dev"), "lora-embeddings": ("norms",), "lora": ("dev",), "galore": ("dev",), "lisa": ("dev",)}
CORE_VARIANTS = ("lisa-reweighted",)
"""Variants that are controls of the main comparison, on every base model."""
OWN_RATE = ("lisa-few", "lisa-many", "full-restarts")
CHATTING = ("vanilla", "full", "lora", "lisa")
DRAWS = ("lisa-draw-1", "lisa-draw-2", "lisa-draw-3")


def _watched(names: tuple[str, ...], scale: Scale) -> tuple[str, ...]:
    """Probes of an arm; the dev loss is looked at as often as the scale says (None: as often as a probe does)."""
    points = scale.setting("lisa.points")
    return tuple(f"dev:{points}" if name == "dev" and points is not None else name for name in names)


def suffix(base: str, scale: Scale) -> str:
    """What an arm's name ends with on a base model other than the scale's first."""
    return "" if base == scale.bases[0] else f"@{base}"


def arms(scale_name: str) -> tuple[Arm, ...]:
    """All arms of a scale. Raises Refused where its learning rates have not been tuned."""
    scale = get(scale_name)
    rates = tuned("lisa", scale.rates_of or scale.name)
    main = [a for base in scale.bases for a in _main(scale, rates, base)]
    return (*main, *_variants(scale, rates), *_norms(scale, rates), *_rate_arms(scale, rates), *_math(scale, rates))


def trials(scale_name: str) -> dict[str, tuple[Arm, ...]]:
    """Method -> one arm per learning rate of the scale's grid, the same for all; judged by dev loss, never by the test.

    Each base model of the main comparison is tuned by itself; its methods' names end as its arms' do.
    """
    scale = get(scale_name)
    grid = scale.setting("lisa.rates")
    found = {name + suffix(base, scale): tuple(_trial(name, base, _stage(scale, make(lr, scale)), lr, scale) for lr in grid)
             for base in scale.bases for name, make in _methods(base, scale).items()}
    for name, make in _math_methods(scale).items():
        found[name] = tuple(_trial(name, scale.bases[0], _math_stage(scale, make(lr, scale), WORD_PROBLEMS), lr, scale)
                            for lr in grid)
    check_even(found)
    return found


def _trial(name: str, base: str, stage: Stage, lr: float, scale: Scale) -> Arm:
    name += suffix(base, scale)
    return Arm(f"tune/{name}/{lr:g}", f"{name} at {lr:g}", base, (stage,), (), scale.tuning_seeds, probes=("dev",))


def _training(scale: Scale, steps: str, batch: str) -> Training:
    s: Callable[[str], Any] = lambda name: scale.setting(f"lisa.{name}")  # noqa: E731
    return Training(
        steps=s(steps), epochs=s("epochs") if s(steps) is None else None, batch_size=s(batch),
        micro_batch=s("micro_batch"), schedule=s("schedule"), warmup_steps=s("warmup_steps"), clip_norm=s("clip_norm"),
        precision=s("precision"), gradient_checkpointing=s("checkpointing"))


def _stage(scale: Scale, recipe: Recipe) -> Stage:
    return Stage(recipe, INSTRUCTIONS, _training(scale, "steps", "batch_size"))


def _math_stage(scale: Scale, recipe: Recipe, data: str) -> Stage:
    steps = "web_steps" if data == WEB_MATH else "math_steps"
    return Stage(recipe, data, _training(scale, steps, "math_batch"))


def _methods(base: str, scale: Scale) -> Mapping[str, Maker]:
    """What is tuned on a base model: the ablations among the methods on the scale's first one alone."""
    return {name: make for name, make in TUNED.items() if base == scale.bases[0] or name not in OWN_RATE}


def _suites(name: str, scale: Scale) -> tuple[SuiteCall, ...]:
    """The scale's suites; for the main methods two-turn questions too, where a rule can judge them."""
    chat = scale.setting("lisa.chat")
    return (*scale.suites, SuiteCall("mt_bench", None, chat)) if chat and name in CHATTING else scale.suites


def _main(scale: Scale, rates: Tuned, base: str) -> list[Arm]:
    """The main comparison on one base model: not tuned, the methods, and the controls of their claims."""
    end = suffix(base, scale)
    found = [Arm(f"vanilla{end}", LABELS["vanilla"], base, (), _suites("vanilla", scale), scale.seeds[:1])]
    for name, make in _methods(base, scale).items():
        stage = _stage(scale, make(rates.rate(name + end), scale))
        found.append(Arm(name + end, LABELS[name], base, (stage,), _suites(name, scale), scale.seeds, name not in OWN_RATE,
                         probes=_watched(PROBES.get(name, ()), scale)))
    for name in CORE_VARIANTS:
        stage = _stage(scale, VARIANTS[name][1](rates.rate("lisa" + end), scale))
        found.append(Arm(name + end, LABELS[name], base, (stage,), scale.suites, scale.seeds))
    return found


def _variants(scale: Scale, rates: Tuned) -> Iterable[Arm]:
    """One choice of LISA changed at a time, and three draws of layers over the same data order."""
    lr = rates.rate("lisa")
    lisa = Arm("lisa", "", scale.bases[0], (_stage(scale, TUNED["lisa"](lr, scale)),), scale.suites, scale.seeds, False,
               probes=_watched(("dev",), scale))
    for name, (label, make) in VARIANTS.items():
        if name not in CORE_VARIANTS:
            yield replace(lisa, name=name, label=f"LISA, {label}", stages=(_stage(scale, make(lr, scale)),), probes=())
    for i, name in enumerate(DRAWS, 1):
        yield replace(lisa, name=name, label=f"LISA, layer seed {i}", own_seeds={"blocks": i})


def _norms(scale: Scale, rates: Tuned) -> Iterable[Arm]:
    """Controls of the norm observation: adapters on embeddings and head with another r and another initialisation."""
    lr = rates.rate("lora-embeddings")
    for name, label, make in (
            ("lora-embeddings-other-r", "another r", _lora("other_r", embeddings=True)),
            ("lora-embeddings-gaussian", "Gaussian initialisation", _lora(embeddings=True, init="gaussian"))):
        yield Arm(name, f"{LABELS['lora-embeddings']}, {label}", scale.bases[0], (_stage(scale, make(lr, scale)),),
                  scale.suites[:1], scale.seeds, False, probes=("norms",))


def _rate_arms(scale: Scale, rates: Tuned) -> Iterable[Arm]:
    """Full tuning at a third of its rate: is what LISA gains only a smaller step?"""
    stage = _stage(scale, TUNED["full"](rates.rate("full") / 3, scale))
    yield Arm("full-slow", "full tuning at a third of its rate", scale.bases[0], (stage,), scale.suites, scale.seeds, False,
              probes=_watched(("dev",), scale))


# -------------------------------------------------------------------------------------- word problems


def _math_methods(scale: Scale) -> dict[str, Maker]:
    """Methods tuned on word problems: full tuning, and LISA for every gamma of the scan."""
    scan = {f"math-lisa-{g}": _lisa(gamma=g) for g in scale.setting("lisa.math_gammas")}
    return {"math-full": _full, **scan}


def _math(scale: Scale, rates: Tuned) -> Iterable[Arm]:
    """Continual pre-training on web mathematics, then word problems; and word problems alone at three rates."""
    items = scale.setting("lisa.math_items")
    suites = tuple(replace(s, limit=items) for s in scale.suites if s.suite == "gsm8k")
    yield Arm("math-vanilla", "not tuned", scale.bases[0], (), suites, scale.seeds[:1], False)
    for name, make in _math_methods(scale).items():
        lr = rates.rate(name)
        label = "full tuning" if name == "math-full" else f"LISA, γ = {name.rpartition('-')[2]}"
        both = tuple(_math_stage(scale, make(lr, scale), data) for data in (WEB_MATH, WORD_PROBLEMS))
        yield Arm(f"{name}-pretrained", f"{label}, web mathematics first", scale.bases[0], both, suites, scale.seeds, False)
        for word, factor in (("", 1.0), ("-slow", 1 / 3), ("-fast", 3.0)):
            if word and name == "math-full":
                continue
            stage = _math_stage(scale, make(lr * factor, scale), WORD_PROBLEMS)
            yield Arm(name + word, f"{label}, {factor:.2g} × its rate", scale.bases[0], (stage,), suites, scale.seeds, False)
