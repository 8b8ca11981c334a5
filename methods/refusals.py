"""Which values go together. Each rule is written once and says: cannot use X with Y; because ...; use Z."""
from __future__ import annotations

from collections.abc import Callable

from methods.anatomy import Anatomy
from methods.estimator.forward_grad import ForwardGrad
from methods.objective.kl import KlToBase
from methods.objective.nll import Nll
from methods.parts import Refused, Scope, Sight
from methods.recipe import Recipe, describe
from methods.scope.lisa import Lisa
from methods.scope.lora import Adapter, Lora
from methods.update.adamw_on_factor import AdamWOnFactor
from methods.update.galore import GaLore

Rule = Callable[[Recipe, Anatomy | None], str | None]
"""Looks at a recipe (and at the model, where there is one already) and returns its sentence, or None."""


def check(recipe: Recipe, model: Anatomy | None = None) -> None:
    """Raises Refused with the first rule's sentence that the recipe breaks."""
    for rule in RULES:
        sentence = rule(recipe, model)
        if sentence:
            raise Refused(sentence)


def gradient_kind(recipe: Recipe, model: Anatomy | None) -> str | None:
    gives, accepts = recipe.estimator.gives, recipe.update.accepts
    if issubclass(gives, accepts):
        return None
    kinds = " or ".join(a.__name__ for a in accepts)
    return (f"cannot use {describe(recipe.update)} with {describe(recipe.estimator)}; because it needs a {kinds} gradient "
            f"and gets a {gives.__name__} one; use an update that accepts {gives.__name__}")


def galore_on_adapters(recipe: Recipe, model: Anatomy | None) -> str | None:
    scope = recipe.scope.of if isinstance(recipe.scope, Lisa) else recipe.scope
    if not (isinstance(recipe.update, GaLore) and isinstance(scope, Lora | Adapter)):
        return None
    return (f"cannot use GaLore with {describe(scope)}; because an adapter's matrices are of low rank already and a "
            "projection of their gradients saves nothing; use AdamW with it, or GaLore with Full or LISA")


def decay_on_a_factor(recipe: Recipe, model: Anatomy | None) -> str | None:
    scope = recipe.scope.of if isinstance(recipe.scope, Lisa) else recipe.scope
    if not isinstance(recipe.update, AdamWOnFactor) or isinstance(scope, Lora) or _is_lora(scope):
        return None
    return (f"cannot use {describe(recipe.update)} with {describe(recipe.scope)}; because it has no product B A one factor of "
            "which could decay; use Lora, or AdamW with weight_decay")


def _is_lora(scope: Scope | None) -> bool:
    return isinstance(scope, Adapter) and '"LORA"' in scope.config


def selection_under_dora(recipe: Recipe, model: Anatomy | None) -> str | None:
    scope = recipe.scope.of if isinstance(recipe.scope, Lisa) else recipe.scope
    if recipe.selection.sees < Sight.FEATURES or not (isinstance(scope, Lora) and dict(scope.options).get("use_dora")):
        return None
    return (f"cannot use {describe(recipe.selection)} with DoRA; because it looks at the change that LoRA's B makes, and DoRA "
            "rescales that; use LoRA without use_dora, or a selection by losses")


def lisa_of_lisa(recipe: Recipe, model: Anatomy | None) -> str | None:
    if not (isinstance(recipe.scope, Lisa) and isinstance(recipe.scope.of, Lisa)):
        return None
    return ("cannot use LISA with LISA inside it; because both would draw the moving blocks; "
            "use one LISA over Full or LoRA")


def lisa_reweighted(recipe: Recipe, model: Anatomy | None) -> str | None:
    scope = recipe.scope
    if not (isinstance(scope, Lisa) and scope.reweight and scope.probabilities != "uniform"):
        return None
    return (f"cannot use LISA's re-weighting by 1/p with probabilities={scope.probabilities!r}; because blocks drawn "
            "without replacement then have no closed inclusion probability; use probabilities='uniform'")


def lisa_gamma(recipe: Recipe, model: Anatomy | None) -> str | None:
    scope = recipe.scope
    if model is None or not isinstance(scope, Lisa) or 0 <= scope.gamma <= model.n_blocks:
        return None
    return (f"cannot use LISA with gamma {scope.gamma} on a model of {model.n_blocks} blocks; because it draws gamma "
            f"different blocks; use gamma between 0 and {model.n_blocks}")


def next_token_loss(recipe: Recipe, model: Anatomy | None) -> str | None:
    if model is None or model.predicts_next or not isinstance(recipe.objective, Nll | KlToBase):
        return None
    kind = type(model.model).__name__
    return (f"cannot use {describe(recipe.objective)} with {kind}; because it scores the next token and {kind} does not "
            "predict one; use a causal language model")


def forward_through_loha(recipe: Recipe, model: Anatomy | None) -> str | None:
    scope = recipe.scope.of if isinstance(recipe.scope, Lisa) else recipe.scope
    if not (isinstance(recipe.estimator, ForwardGrad) and isinstance(scope, Adapter) and "LOHA" in scope.config):
        return None
    return ("cannot use ForwardGrad with LoHa; because PEFT writes LoHa's derivative for backpropagation alone; use LoRA with "
            "it, or SPSA or Backprop with LoHa")


def empty_pool(recipe: Recipe, model: Anatomy | None) -> str | None:
    if recipe.selection.pool >= 1:
        return None
    return (f"cannot use {describe(recipe.selection)}; because a pool smaller than the batch leaves nothing to choose "
            "from; use pool >= 1")


RULES: tuple[Rule, ...] = (gradient_kind, galore_on_adapters, decay_on_a_factor, selection_under_dora, lisa_of_lisa,
                           lisa_reweighted, lisa_gamma, next_token_loss, forward_through_loha, empty_pool)
