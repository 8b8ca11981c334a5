"""A case: one way to train one model, whose memory is asked for. Nothing is computed here."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from methods.recipe import Recipe
from methods.training import Training
from repro.shapes import Shapes

Attention = Literal["eager", "sdpa"]
By = Literal["fit", "freeze flags", "freeze flags, gradients kept", "PEFT", "galore-torch", "scoring"]
"""The loop: this project's; LISA by freezing alone under one AdamW over all weights, gradients freed after a step or filled with
zeros; PEFT's LoRA and GaLore's authors' optimizer in plain loops; no training, but scoring by the recipe's members."""
VERSION = 1
"""Of what is kept; another one is simulated anew."""


@dataclass(frozen=True, eq=False)
class Model:
    """A configuration of transformers under a name."""

    name: str
    config: Any

    @classmethod
    def of(cls, shapes: Shapes) -> Model:
        return cls(shapes.name, shapes.config)


@dataclass(frozen=True, eq=False)
class Case:
    """`label`: what is trained how, e.g. "LISA E+H+2L". Texts have `tokens` tokens, the loss is on all but the first."""

    label: str
    model: Model
    recipe: Recipe
    training: Training
    tokens: int = 1024
    attention: Attention = "eager"
    by: By = "fit"

    @property
    def key(self) -> str:
        """Digest of all that its bytes hang on; names do not count."""
        return hashlib.blake2b(json.dumps(self.facts(), sort_keys=True).encode(), digest_size=10).hexdigest()

    def facts(self) -> Mapping[str, Any]:
        config = self.model.config.to_dict()
        return {"version": VERSION, "config": {k: repr(v) for k, v in sorted(config.items()) if k != "transformers_version"},
                "recipe": self.recipe.to_json(), "training": self.training.to_json(), "tokens": self.tokens,
                "attention": self.attention, "by": self.by}

    def with_batch(self, batch: int) -> Case:
        return replace(self, training=replace(self.training, batch_size=batch, micro_batch=None))

    def __str__(self) -> str:
        return f"{self.model.name}, {self.label}"
