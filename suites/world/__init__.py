"""The tiny world: data whose truth is known, in the real benchmarks' formats, and the base model pretrained on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from suites.world.files import write
from suites.world.mmlu import SUBJECTS as MMLU_SUBJECTS
from suites.world.world import World

if TYPE_CHECKING:
    from suites.world.pretrain import pretrain

BASE = Path(__file__).parent / "base"
"""The folder of the embedded base model; transformers loads it."""

__all__ = ["BASE", "MMLU_SUBJECTS", "World", "pretrain", "write"]


def __getattr__(name: str) -> Any:
    """``pretrain`` is imported on first use: it needs torch and transformers."""
    if name == "pretrain":
        from suites.world.pretrain import pretrain

        return pretrain
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
