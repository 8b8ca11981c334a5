"""A model's mode: evaluation for as long as something is measured, each module's own afterwards."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Every module in evaluation mode, and back in its own afterwards, also where modules differ."""
    training = [vars(module) for module in model.modules() if module.training]  # an nn.Module's own setattr is 30 times slower
    for fields in training:
        fields["training"] = False
    try:
        yield
    finally:
        for fields in training:
            fields["training"] = True
