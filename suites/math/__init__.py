"""Mathematics, zero-shot, by program or in words: GSM8K, MATH, NumGLUE, SVAMP, DeepMind, SimulEq, and the tiny world's own."""
from suites.math.measure import NAME, evaluate
from suites.math.sets import SETS

SUITES = (NAME, *(f"{NAME}:{name}" for name in SETS))
__all__ = ["NAME", "SETS", "SUITES", "evaluate"]
