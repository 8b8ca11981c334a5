"""A recipe: one value in each of the six slots. Frozen, hashable, printable, and the same after a trip through JSON."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from methods import catalogue
from methods.ensemble.single import Single
from methods.estimator.backprop import Backprop
from methods.objective.nll import Nll
from methods.parts import Ensemble, Estimator, Objective, Refused, Scope, Selection, Update
from methods.selection.uniform import Uniform


@dataclass(frozen=True)
class Recipe:
    """How a model is fine-tuned: which weights move, by which gradient, by which rule, on which examples, for which loss."""

    scope: Scope
    update: Update
    estimator: Estimator = field(default_factory=Backprop)
    selection: Selection = field(default_factory=Uniform)
    objective: Objective = field(default_factory=Nll)
    ensemble: Ensemble = field(default_factory=Single)

    def __str__(self) -> str:
        """The slots that differ from the plainest choice, e.g. `Lisa(gamma=2, K=20) + AdamW(lr=0.001)`."""
        plain = {f.name: f.default_factory() for f in dataclasses.fields(self) if callable(f.default_factory)}
        shown = [getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != plain.get(f.name)]
        return " + ".join(describe(part) for part in shown)

    def to_json(self) -> dict[str, Any]:
        return {f.name: encode(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Recipe:
        """The recipe that `to_json` wrote. Raises Refused where a part or a field is unknown."""
        return cls(**{name: decode(value) for name, value in values.items()})


def describe(part: Any) -> str:
    """A part with the fields that are not at their default."""
    shown = []
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if f.default is dataclasses.MISSING or value != f.default:
            shown.append(f"{f.name}={describe(value) if dataclasses.is_dataclass(value) else value}")
    return f"{type(part).__name__}({', '.join(shown)})"


def encode(value: Any) -> Any:
    """A part as JSON values; nested parts (LISA over LoRA) and tuples included."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"part": type(value).__name__} | {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [encode(v) for v in value] if isinstance(value, tuple) else value


def decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(decode(v) for v in value)
    if not isinstance(value, dict):
        return value
    fields = {k: decode(v) for k, v in value.items() if k != "part"}
    kind = catalogue.part_type(value["part"])
    unknown = sorted(set(fields) - {f.name for f in dataclasses.fields(kind)})
    if unknown:
        raise Refused(f"cannot read a recipe with {kind.__name__}.{unknown[0]}; because {kind.__name__} has no such "
                      f"field; use one of {', '.join(f.name for f in dataclasses.fields(kind))}")
    return kind(**fields)
