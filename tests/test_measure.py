"""One run from base model to record; killed anywhere, it ends in the same record."""
from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from repro.execute import Means, execute
from repro.measure import together
from repro.store import Store
from repro.study import Record
from suites.suite import Evaluation, Score
from tests.engine_toys import toy_desk, toy_run
from tests.test_execute import Heard

TIMES = ("wall_s", "train_s", "eval_s", "tokens_per_s", "peak_rss_bytes")


def ran(root: Path, note: str) -> tuple[Record, pd.DataFrame, pd.DataFrame, list[str]]:
    store, heard, run = Store(root), Heard(), toy_run(root, note)
    assert execute([run], toy_desk, store, Means(1, 1), heard) == {}
    assert not store.partial(run).exists()
    record = store.get(run.id)
    assert record is not None
    return record, store.samples(run.id), store.curve(run.id), heard.of["toy"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, pd.DataFrame, pd.DataFrame, list[str]]:
    return ran(tmp_path_factory.mktemp("undisturbed"), "")


def without_times(record: Record) -> Record:
    return dataclasses.replace(record, cost={k: v for k, v in record.cost.items() if k not in TIMES})


@pytest.mark.parametrize("where", ["training 3", "training 8", "measuring heldout:toys 0"])
def test_a_run_killed_on_the_way_ends_in_the_same_record(
        where: str, tmp_path: Path, undisturbed: tuple[Record, pd.DataFrame, pd.DataFrame, list[str]]) -> None:
    record, samples, curve, events = ran(tmp_path, where)
    assert "lost" in events
    assert without_times(record) == without_times(undisturbed[0])
    assert samples.drop(columns="source").equals(undisturbed[1].drop(columns="source"))  # the folder is in it
    assert curve.equals(undisturbed[2])


@pytest.mark.parametrize("where", ["training 3", "measuring heldout:toys 0"])
def test_a_command_killed_on_the_way_and_called_again_ends_in_the_same_record(
        where: str, tmp_path: Path, undisturbed: tuple[Record, pd.DataFrame, pd.DataFrame, list[str]]) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from pathlib import Path
from tests.test_measure import ran
if __name__ == "__main__":
    ran(Path({str(tmp_path)!r}), "parent {where}")
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "killed").exists()
    record, samples, curve, _ = ran(tmp_path, "")
    assert without_times(record) == without_times(undisturbed[0])
    assert samples.drop(columns="source").equals(undisturbed[1].drop(columns="source"))
    assert curve.equals(undisturbed[2])


def test_a_record_tells_numbers_with_n_and_error_and_costs(
        undisturbed: tuple[Record, pd.DataFrame, pd.DataFrame, list[str]]) -> None:
    record, samples, curve, _ = undisturbed
    held_out, dev = record.metrics["heldout"]["nll"], record.metrics["dev"]["loss"]
    assert held_out.n == len(samples) > 5
    assert held_out.stderr > 0
    assert dev.value == curve[curve.kind == "dev_loss"].value.iloc[-1]
    assert samples["correct"].equals(samples["nll"])
    assert record.cost["steps"] == 12
    assert record.cost["active"] > 0
    assert record.cost["train_s"] < record.cost["wall_s"]
    assert record.versions["torch"]


def test_suites_of_different_kinds_fit_into_one_table() -> None:
    one = Evaluation({"a": {"acc": Score(1.0, 0.1, 2)}}, pd.DataFrame({"suite": ["a"], "target": [1]}), 1, {"x": "1"})
    other = Evaluation({"b": {"acc": Score(0.0, 0.1, 2)}}, pd.DataFrame({"suite": ["b"], "target": ["B"]}), 2, {"y": "2"})
    both = together([one, other])
    assert (set(both.metrics), both.truncated, both.versions) == ({"a", "b"}, 3, {"x": "1", "y": "2"})
    assert both.samples["target"].tolist() == ["1", "B"]
