"""An arm that is probed: no training, each seed's own rows, and answers that stand beside every other arm's."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from methods.parts import Refused
from repro.claims import OfItems
from repro.evidence import Evidence
from repro.measure import Desk
from repro.scale import DataRef, ModelRef, Scale, TaskRef
from repro.store import Store
from repro.study import Arm, Record, Run, SuiteCall
from suites import models
from suites.glue import probe
from tests.fake_study import Memory
from tests.glue_data import masked_reader, word_tokenizer
from tests.reading import write_set

K, LIMIT = 16, 15
FINE = 1e-10
"""A strong ridge leaves every answer near log 1/2; two seeds differ by some 1e-7 there."""


@dataclass(frozen=True)
class Local(Scale):
    """Its data lie in the folder named by `about`."""

    def source(self) -> Path:
        return Path(self.about)


@pytest.fixture(scope="module")
def scale(tmp_path_factory: pytest.TempPathFactory) -> Scale:
    folder = tmp_path_factory.mktemp("probe")
    rng = np.random.default_rng(0)
    rows = [{"sentence": f"w{i % 7} film {('bad', 'good')[int((i % 2 + (rng.random() < 0.3)) % 2)]}", "label": i % 2}
            for i in range(80)]
    write_set(folder / "nyu-mll/glue", {"sst2": {"train": rows, "validation": rows[:20]}})
    models.save(masked_reader(), word_tokenizer(), folder / "model")
    sets = {"sst2-16": TaskRef("sst2", "nyu-mll/glue", "sst2", K), "texts": DataRef("x", answer="a")}
    return Local("tiny", str(folder), (0, 1), (), {"toy": ModelRef("toy", folder=folder / "model")}, sets, {}, ("toy",))


def arm(*suites: SuiteCall) -> Arm:
    return Arm("lp", "linear probing", "toy", (), suites, (0, 1))


LP = arm(SuiteCall("probe:sst2-16", 0, LIMIT))


def measured(scale: Scale, of: Arm, seed: int, tmp_path: Path) -> tuple[Record, pd.DataFrame, pd.DataFrame]:
    desk = Desk(Store(tmp_path), scale_of=lambda name: scale)
    return desk.measure(Run("helene", of, seed, "tiny", 1, {}), lambda phase, done, total: None)


def test_each_seed_probes_its_own_rows_and_answers_the_tasks_items(scale: Scale, tmp_path: Path) -> None:
    store = Memory()
    for seed, data_seed in ((0, 13), (1, 21)):
        record, samples, curve = measured(scale, LP, seed, tmp_path)
        store.put(record, samples, curve)
        plain = probe.evaluate(masked_reader(), word_tokenizer(), "sst2", source=scale.source(), batch_size=16, seed=data_seed,
                               k=K, limit=LIMIT)
        assert np.allclose(np.stack(samples["loglik"]), np.stack(plain.samples["loglik"]), rtol=0, atol=FINE)
        assert set(samples["suite"]) == {"glue:sst2"}
        score = record.metrics["glue:sst2/probe"]["acc"]
        assert (score.n, score.value) == (LIMIT, plain.metrics["glue:sst2/probe"]["acc"].value)
        assert record.versions["probe.n"] == str(2 * K)
        assert (record.cost["steps"], curve.empty) == (0, True)
    first, second = (np.stack(store.samples(r.run_id)["loglik"]) for r in store.records("tiny", "helene"))
    assert not np.allclose(first, second, rtol=0, atol=10 * FINE)
    series = Evidence(store, "helene", "tiny", (LP,)).series("lp", OfItems("glue:sst2", "SST-2", "%", higher=True, times=100))
    assert (series.seeds, series.values.shape) == ((0, 1), (2, LIMIT))


def test_the_items_are_those_of_an_arm_that_chooses_among_words(scale: Scale, tmp_path: Path) -> None:
    probed, chosen = (measured(scale, arm(SuiteCall(suite, 0, LIMIT)), 0, tmp_path)[1]
                      for suite in ("probe:sst2-16", "glue:sst2"))
    for column in ("suite", "task", "item", "fact", "gold"):
        assert probed[column].tolist() == chosen[column].tolist()


def test_texts_without_classes_are_refused(scale: Scale, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no classes"):
        measured(scale, arm(SuiteCall("probe:texts", 0, LIMIT)), 0, tmp_path)
