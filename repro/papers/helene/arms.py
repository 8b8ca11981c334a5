"""HELENE's arms: every method on cells of (base model, task, examples per class) and on three sets of weights.

The first cell of a scale carries all methods; the others carry MeZO, HELENE and the controls of the headline claims.
Every tuned method has the same number of trials, judged by dev loss; a control at ten times MeZO's rate is not tuned.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from methods import papers as methods
from methods.objective.label_words import LabelWords
from methods.parts import Scope
from methods.recipe import Recipe
from methods.scope.full import Full
from methods.scope.lora import Lora
from methods.scope.prefix import Prefix
from methods.training import Training
from repro.papers.rates import Tuned, check_even, tuned
from repro.scales import Scale, get
from repro.study import Arm, Stage, SuiteCall

Maker = Callable[[float, Scale, Scope], Recipe]
"""From a learning rate and the weights to move to the recipe."""
TENFOLD, MOMENTUM = 10.0, 0.9


@dataclass(frozen=True)
class Method:
    """`rates`: which grid of the scale it is tuned on. `order`: 0 where it needs forward passes alone."""

    label: str
    make: Maker
    rates: str
    core: bool = False
    order: int = 0


@dataclass(frozen=True)
class Cell:
    """Where methods are compared: a base model, a task and its examples per class (None: 1,000), and the moving weights."""

    base: str
    task: str
    k: int | None
    variant: str = "full"

    @property
    def data(self) -> str:
        """Key of the training set."""
        return f"{self.task}-{self.k or 1000}"

    @property
    def suite(self) -> str:
        return f"glue:{self.task}"

    @property
    def probe(self) -> str:
        """The suite's items answered by a linear probe on the training set."""
        return f"probe:{self.data}"


def _zo(make: Callable[..., Recipe], **fields: Any) -> Maker:
    return lambda lr, scale, scope: make(lr, scale.setting("helene.eps"), scope, **fields)


def _helene(rule: str = "dimension", **fields: Any) -> Maker:
    """HELENE as printed; `rule` decides which floor the scale gives."""
    def make(lr: float, scale: Scale, scope: Scope) -> Recipe:
        lam = scale.setting("helene.r" if rule == "dimension" else "helene.lam")
        return methods.helene(lr, scale.setting("helene.eps"), scope, rule=rule, lam=lam, k=scale.setting("helene.k"), **fields)
    return make


def _adamw(lr: float, scale: Scale, scope: Scope) -> Recipe:
    return replace(methods.full(lr), scope=scope)


def _sgd(lr: float, scale: Scale, scope: Scope) -> Recipe:
    return replace(methods.full_sgd(lr), scope=scope)


def _forward(lr: float, scale: Scale, scope: Scope) -> Recipe:
    return methods.forward_grad(lr, scope)


METHODS: Mapping[str, Method] = {
    "ft": Method("FT (AdamW)", _adamw, "adamw", core=True, order=1),
    "ft-sgd": Method("FT (SGD)", _sgd, "sgd", order=1),
    "mezo": Method("MeZO", _zo(methods.mezo), "zo", core=True),
    "zo-momentum": Method("ZO-SGD with momentum", _zo(methods.mezo, momentum=MOMENTUM), "zo-momentum", core=True),
    "zo-adam": Method("MeZO-Adam", _zo(methods.mezo_adam), "zo-adam"),
    "zo-sign": Method("ZO-SGD-Sign", _zo(methods.zo_sign), "zo-sign"),
    "zo-conservative": Method("ZO-SGD-Cons", lambda lr, s, w: methods.zo_conservative(lr, s.setting("helene.eps"), w), "zo"),
    "zo-sophia": Method("ZO-Sophia", _zo(methods.zo_sophia), "zo-sophia"),
    "forward-grad": Method("Forward-Grad", _forward, "zo"),
    "helene": Method("HELENE", _helene(), "helene", core=True),
    "helene-ema": Method("HELENE, plain average for momentum", _helene(annealing="ema"), "helene-ema"),
    "helene-flat": Method("HELENE without curvature", _helene(curvature="off"), "helene-flat"),
    "helene-scalar": Method("HELENE, one curvature a block", _helene(curvature="scalar"), "helene-scalar"),
    "helene-global": Method("HELENE, one floor for all layers", _helene("constant"), "helene"),
}
ELSEWHERE = ("ft", "mezo", "zo-momentum", "helene")
"""What other cells than the first compare."""
CORE_ELSEWHERE = ("mezo", "helene")


def cells(scale: Scale) -> tuple[Cell, ...]:
    """The scale's cells: every (base, task, k) with full tuning, the first task of each base with the other variants too."""
    plain = [Cell(base, task, k) for base, task, k in scale.setting("helene.cells")]
    first = {c.base: c for c in reversed(plain)}
    variants = [replace(first[base], variant=v) for base in first for v in scale.setting("helene.variants")[base]]
    return (*plain, *variants)


def name(method: str, cell: Cell, scale: Scale) -> str:
    """An arm's name; on the scale's first cell the method's own."""
    if cell == cells(scale)[0]:
        return method
    same = (cell.base, cell.task, cell.k) == scale.setting("helene.cells")[0]
    place = "" if same else f"@{cell.data}" + ("" if cell.base == scale.setting("helene.cells")[0][0] else f"/{cell.base}")
    return f"{method}{place}" + ("" if cell.variant == "full" else f"/{cell.variant}")


def of_cell(cell: Cell, scale: Scale) -> dict[str, Method]:
    """The tuned methods of a cell."""
    return dict(METHODS) if cell == cells(scale)[0] else {m: METHODS[m] for m in ELSEWHERE}


def arms(scale_name: str) -> tuple[Arm, ...]:
    """All arms of a scale. Raises Refused where its learning rates have not been tuned."""
    scale = get(scale_name)
    rates = tuned("helene", scale.rates_of or scale.name)
    return tuple(arm for cell in cells(scale) for arm in _in_cell(cell, scale, rates))


def trials(scale_name: str) -> dict[str, tuple[Arm, ...]]:
    """Method -> one arm per learning rate of its grid, as many for each; judged by dev loss, never by the test."""
    scale = get(scale_name)
    found = {}
    for cell in cells(scale):
        for method, m in of_cell(cell, scale).items():
            key = name(method, cell, scale)
            found[key] = tuple(Arm(f"tune/{key}/{lr:g}", f"{m.label} at {lr:g}", cell.base, (stage(m, cell, lr, scale),), (),
                                   scale.tuning_seeds, probes=("choice:2",)) for lr in grid(m, cell, scale))
    check_even(found)
    return found


def grid(method: Method, cell: Cell, scale: Scale) -> tuple[float, ...]:
    """The rates that a method is tried at."""
    rates: Mapping[str, tuple[float, ...]] = scale.setting("helene.rates")
    stretch: Mapping[str, float] = scale.setting("helene.stretch")
    by = stretch[cell.variant] if method.order == 0 else stretch[f"{cell.variant} first order"]
    return tuple(float(f"{by * lr:.3g}") for lr in rates[method.rates])


def stage(method: Method, cell: Cell, lr: float, scale: Scale) -> Stage:
    """One method's training in a cell: the answer is chosen among the label words, in the loss as in the score."""
    def s(key: str) -> Any:
        return scale.setting(f"helene.{key}")

    recipe = replace(method.make(lr, scale, scope(cell, scale)), objective=LabelWords(mask=s("masks").get(cell.base)))
    training = Training(steps=s("steps")[method.order], batch_size=s("batch_size"), micro_batch=s("micro_batch"),
                        schedule="constant" if method.order == 0 else "linear", precision=s("precision"))
    return Stage(recipe, cell.data, training)


def scope(cell: Cell, scale: Scale) -> Scope:
    """Which weights move."""
    if cell.variant == "lora":
        return Lora(r=scale.setting("helene.lora_r"), alpha=scale.setting("helene.lora_alpha"), targets="query_value")
    return Prefix(m=scale.setting("helene.prefix")) if cell.variant == "prefix" else Full()


def in_context(cell: Cell, scale: Scale) -> bool:
    """Whether the base model can be shown examples; a masked one's text is one example."""
    return cell.base not in scale.setting("helene.masks")


def _untrained(cell: Cell, scale: Scale) -> list[Arm]:
    """Zero-shot; in context, by the same examples for every seed; a linear probe on the rows of each seed."""
    seeds, items, shots = (scale.setting(f"helene.{key}") for key in ("seeds", "items", "shots"))
    first = cell == cells(scale)[0]
    found = [Arm(name("zero-shot", cell, scale), "zero-shot", cell.base, (), (SuiteCall(cell.suite, 0, items),), seeds[:1]),
             Arm(name("lp", cell, scale), "linear probing", cell.base, (), (SuiteCall(cell.probe, 0, items),), seeds, first)]
    if in_context(cell, scale):
        found.append(Arm(name("icl", cell, scale), f"in context, up to {shots} examples", cell.base, (),
                         (SuiteCall(cell.suite, shots, items),), seeds[:1], core=first))
    return found


def _in_cell(cell: Cell, scale: Scale, rates: Tuned) -> list[Arm]:
    first, seeds = cell == cells(scale)[0], scale.setting("helene.seeds")
    items = scale.setting("helene.items")
    suites, probes = (SuiteCall(cell.suite, 0, items),), (f"choice:{scale.setting('helene.points')}",)
    found = []
    if cell.variant == "full":
        found += _untrained(cell, scale)
    for method, m in of_cell(cell, scale).items():
        key = name(method, cell, scale)
        rate = rates.rate(key)
        core = m.core if first else method in CORE_ELSEWHERE
        found.append(Arm(key, m.label, cell.base, (stage(m, cell, rate, scale),), suites, seeds, core, probes=probes))
        if method == "mezo":
            tenfold = stage(m, cell, TENFOLD * rate, scale)
            found.append(Arm(name("mezo-x10", cell, scale), "MeZO at ten times its rate", cell.base, (tenfold,), suites, seeds,
                             first, probes=probes))
            matched = stage(METHODS["zo-momentum"], cell, (1 - MOMENTUM) * rate, scale)
            if first:
                found.append(Arm("mezo-momentum", "MeZO with momentum at its own effective step", cell.base, (matched,), suites,
                                 seeds, False, probes=probes))
    return found
