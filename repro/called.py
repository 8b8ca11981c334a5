"""What models, training sets and benchmarks are called: where a scale has stand-ins for them, their names say so."""
from __future__ import annotations

from repro.scales import get


def base(scale: str, key: str) -> str:
    """"tinyllama", or at a scale of the embedded model "embedded model in place of TinyLlama"."""
    of = get(scale).models.get(key)
    return f"{of.id} model in place of {of.stands_for}" if of is not None and of.stands_for else key


def ours(scale: str, key: str) -> str:
    """What is said of our numbers where a line bears the name of the model that a paper tuned."""
    of = get(scale).models.get(key)
    return f" (ours: {of.id} model)" if of is not None and of.stands_for else ""


def world(scale: str) -> str:
    """What stands before the name of a training set or benchmark of this scale: nothing where it is the real one."""
    return "tiny-world " if get(scale).world else ""


def trained_on(scale: str, data: tuple[str, ...]) -> str:
    return " then ".join(f"{world(scale)}{key}" for key in data)
