"""Records that were never measured, for tests of what is made from records: every number follows from a table of effects."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from repro.papers import PAPERS, rates
from repro.papers.rates import Trial, Tuned
from repro.study import Arm, Metric, Record, Run


class Memory:
    """A store in memory."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._samples: dict[str, pd.DataFrame] = {}
        self._curves: dict[str, pd.DataFrame] = {}

    def put(self, record: Record, samples: pd.DataFrame, curve: pd.DataFrame) -> None:
        self._records.append(record)
        self._samples[record.run_id], self._curves[record.run_id] = samples, curve

    def records(self, scale: str, paper: str) -> list[Record]:
        return [r for r in self._records if (r.scale, r.paper) == (scale, paper)]

    def samples(self, run_id: str) -> pd.DataFrame:
        return self._samples[run_id]

    def table(self, run_id: str) -> pa.Table:
        return pa.Table.from_pandas(self._samples[run_id], preserve_index=False)

    def curve(self, run_id: str) -> pd.DataFrame:
        return self._curves[run_id]


def samples_of(suite: str, values: np.ndarray, per_fact: int = 4) -> pd.DataFrame:
    n = len(values)
    return pd.DataFrame({"suite": suite, "task": suite, "item": range(n), "fact": [f"f{i // per_fact}" for i in range(n)],
                         "correct": values, "target": 0, "loglik": None, "answer": None})


def curve_of(rng: np.random.Generator, level: float, skew: float, steps: int = 40, blocks: int = 6) -> pd.DataFrame:
    """A loss that falls to `level`, and norms whose ends are `skew` times the blocks'."""
    rows: list[tuple[int, str, str | None, float]] = []
    for step in range(1, steps + 1):
        rows.append((step, "train_loss", None, level + 2 * float(np.exp(-step / 8)) + rng.normal(0, 0.05)))
    for step in range(0, steps + 1, 4):
        rows.append((step, "dev_loss", None, level + 2 * float(np.exp(-step / 8)) + rng.normal(0, 0.005)))
        for name in ("embedding", *map(str, range(blocks)), "head"):
            ends = name in ("embedding", "head")
            rows.append((step, "norm", name, (10 * skew if ends else 10.0) + 0.01 * step + rng.normal(0, 0.02)))
            rows.append((step, "delta_norm", name, 1e-9 + 0.05 * step * (1.4 if ends else 1.0) * (3.0 if skew < 2 else 0.2)))
    return pd.DataFrame(rows, columns=["step", "kind", "layer", "value"])


def fill(store: Memory, arms: Iterable[Arm], loss: Mapping[str, float], *, paper: str = "lisa", scale: str = "tiny",
         items: int = 200, failed: tuple[str, ...] = ()) -> Memory:
    """A record for every arm and seed. `loss`: mean held-out loss by arm (1.0 where none is given)."""
    item = np.random.default_rng(7).normal(0, 0.3, items // 4).repeat(4)
    for arm in arms:
        for seed in arm.seeds:
            run = Run(paper, arm, seed, scale, 1, {"code": "fake"})
            rng = np.random.default_rng([seed, *arm.name.encode()])
            level, cost = loss.get(arm.name, 1.0), {"wall_s": 3.0, "train_s": 2.0, "steps": 40.0}
            bad = arm.name in failed
            record = Record(run.id, paper, arm.name, seed, scale, "failed" if bad else "done",
                            "Diverged: the loss <b>became</b> nan\n\nTraceback" if bad else None,
                            {} if bad else {"heldout": {"nll": Metric(level, 0.01, items)}}, cost, run.content, {})
            shift = rng.normal(0, 0.002)
            nll = level + item + shift + rng.normal(0, 0.02, items)
            accuracy = [samples_of(s, (rng.random(items) < np.clip(0.95 - 0.4 * level, 0.05, 0.95)).astype(float))
                        for s in ("mmlu", "agieval", "winogrande", "gsm8k", "pubmedqa")]
            heldout = samples_of("heldout", nll).rename(columns={"correct": "nll"}).assign(tokens=10)
            frame = pd.DataFrame() if bad else pd.concat([heldout, *accuracy], ignore_index=True)
            skew = 6.4 if arm.name.startswith("lora-embeddings") else 1.2
            store.put(record, frame, curve_of(rng, level, skew))
    return store


def tuned_rates(folder: Path, trials: Mapping[str, tuple[Arm, ...]], scale: str = "tiny",
                paper: str = "lisa") -> None:
    """A file of rates in which the third one of every grid is best."""
    best = {m: arms[2].name.rpartition("/")[2] for m, arms in trials.items()}
    found = {m: tuple(Trial(float(a.name.rpartition("/")[2]), s, 1.0 + (a.name.rpartition("/")[2] != best[m]), 300, "x")
                      for a in arms for s in a.seeds) for m, arms in trials.items()}
    (folder / f"{paper}_{scale}.json").write_text(Tuned(paper, scale, found).to_json())


@contextmanager
def rates_in(folder: Path) -> Iterator[Path]:
    """In it, tuned rates are read from this folder alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "FOLDER", folder)
        rates.tuned.cache_clear()
        yield folder
    rates.tuned.cache_clear()


@contextmanager
def rates_of_all_papers(folder: Path) -> Iterator[Path]:
    """In it, every paper has made-up rates at the tiny scale."""
    with rates_in(folder):
        for name, paper in PAPERS.items():
            tuned_rates(folder, paper.trials("tiny"), "tiny", name)
        rates.tuned.cache_clear()
        yield folder
