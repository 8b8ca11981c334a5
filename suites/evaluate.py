"""Any suite by its name: glue's tasks, sets of math, MT-Bench, what lm-eval defines, and the calibration of any of them."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from methods.parts import Refused
from suites import calibration, glue
from suites import math as mathematics
from suites.mt_bench import measure as mt_bench
from suites.suite import Evaluation

OWN = {glue.NAME: glue.evaluate, mathematics.NAME: mathematics.evaluate, calibration.NAME: calibration.evaluate,
       mt_bench.NAME: mt_bench.evaluate}


def evaluate(model: nn.Module, tokenizer: Any, calls: Sequence[tuple[str, int | None, int | None]], *, source: Path | None,
             batch_size: int, device: str | torch.device | None = None) -> Evaluation:
    """Measures a model by every call (suite, shots, limit of items per task), in order. Raises Refused as the suites do."""
    from suites import harness  # lm-eval takes seconds

    if not calls:
        raise Refused("cannot evaluate; because no suite was named; name one")
    found = []
    for call in calls:
        of = OWN.get(call[0].partition(":")[0], harness.evaluate)
        found.append(of(model, tokenizer, [call], source=source, batch_size=batch_size, device=device))
    return together(found)


def together(found: Sequence[Evaluation]) -> Evaluation:
    """Several evaluations as one; a column that one of them lacks is empty for its items."""
    metrics = {suite: of for e in found for suite, of in e.metrics.items()}
    versions = {name: version for e in found for name, version in e.versions.items()}
    return Evaluation(metrics, pd.concat([e.samples for e in found], ignore_index=True),
                      sum(e.truncated for e in found), versions)
