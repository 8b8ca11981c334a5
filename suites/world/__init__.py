"""The tiny world: data whose truth is known, in the real benchmarks' formats, and the base model pretrained on it."""

from pathlib import Path

from suites.world.files import write
from suites.world.mmlu import SUBJECTS as MMLU_SUBJECTS
from suites.world.world import World

BASE = Path(__file__).parent / "base"
"""The folder of the embedded base model; transformers loads it."""

__all__ = ["BASE", "MMLU_SUBJECTS", "World", "write"]
