"""Whose batches are compared with true gradients, and on which weights: what C5, C6 and the table of gradients rest on."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from peft import PeftModel
from torch import nn

from methods.examples import Example
from methods.parts import Selection
from methods.scope.lora import Lora
from methods.selection.colm import Colm
from methods.selection.uniform import Uniform
from methods.selection.uniform_by_source import UniformBySource
from methods.streams import Streams
from repro.scale import Scale
from repro.settings.colm import COMPARED
from suites.coresets import RANDOM, Contender, evaluate
from suites.suite import Evaluation

PAIRS = (("variance gain", "mixture", "colm"), ("error gain", RANDOM, "colm"), ("skill", "many", "colm"))
POOLS = 10
PARTS = (0.25, 0.5)
"""Sizes of further batches, as shares of b, at which variances are compared."""


def at(rule: str, part: float) -> str:
    """The name of a rule that picks a share of b."""
    return f"{rule} at {part:g} b"


def contenders(h: int | None, eps: float, many: int) -> dict[str, Contender]:
    """CoLM with one direction, with many and with true gradients; random examples of the same mixture; twice the
    batch; and those that choose at smaller sizes of the batch."""
    one = Colm(pool=2, h=h, eps=eps)
    oracle = replace(one, z="gradient")
    mixture = UniformBySource(pool=2)
    shrunk: dict[str, Selection] = {"colm": one, "mixture": mixture, RANDOM: Uniform()}
    smaller = {at(name, part): Contender(rule, part) for name, rule in shrunk.items() for part in PARTS}
    return smaller | {"colm": Contender(one, oracle=oracle), "many": Contender(replace(one, z="step", m=many), oracle=oracle),
            "oracle": Contender(oracle), "mixture": Contender(mixture), "random-2x": Contender(Uniform(), 2)}


def compare(model: nn.Module, data: Sequence[Example], scale: Scale, *, pools: int | None, pad_id: int) -> Evaluation:
    """The comparison on new adapters of CoLM's own shape, whose B is what CoLM would look at from this model on.

    The adapters are taken off again. The same pools and adapters at every call.
    """
    h, eps, many, sizes, r, alpha, targets = (scale.setting(key) for key in COMPARED)
    attached = Lora(r=r, alpha=alpha, targets=targets).attach(model, Streams(0)).model
    assert isinstance(attached, PeftModel)
    try:
        return evaluate(attached, data, contenders(h, eps, many), size=sizes[0], pools=pools or POOLS, seed=0,
                        pad_id=pad_id, micro_batch=scale.batch_size, pairs=PAIRS)
    finally:
        attached.unload()
