"""The draws of a bootstrap, remembered: every mean over as many units is resampled alike."""
from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt


@functools.lru_cache(maxsize=64)
def times(units: int, draws: int, seed: int) -> npt.NDArray[np.float64]:
    """[draws, units] how often each unit is drawn when as many are drawn with replacement."""
    drawn = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=draws)
    return np.asarray(drawn, dtype=np.float64)
