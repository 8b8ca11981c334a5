"""Two runs told apart: what is the same is not named, what differs is named once and with its size."""
from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from methods.parts import Refused
from repro.__main__ import main
from repro.diff import Difference, Field, diff, fields
from repro.store import CURVE, Store
from repro.study import Metric
from tests.engine_fakes import record, run

ITEMS = 12


def put(store: Store, name: str, right: np.ndarray, losses: tuple[float, ...], items: range = range(ITEMS),
        **changed: Any) -> str:
    """A run whose accuracy is the mean of `right` over the items."""
    of = run(name)
    found = {"mmlu": {"acc": Metric(float(right.mean()), 0.1, len(right))}}
    samples = pd.DataFrame({"suite": "mmlu", "task": "t", "item": items, "correct": right})
    curve = pd.DataFrame([(i, "train_loss", None, v) for i, v in enumerate(losses)], columns=list(CURVE))
    store.put(dataclasses.replace(record(of), metrics=found, **changed), samples, curve)
    return of.id


def of(store: Store, one: Mapping[str, Any], other: Mapping[str, Any]) -> Difference:
    return diff(store, put(store, "a", **one), put(store, "b", **other))


RIGHT = np.arange(ITEMS) % 3 == 0
SAME: dict[str, Any] = {"right": RIGHT.astype(float), "losses": (3.0, 2.0, 1.0)}


def test_a_run_does_not_differ_from_itself(tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = put(store, "a", **SAME)
    assert not diff(store, name, name).any


def test_content_is_compared_field_by_field(tmp_path: Path) -> None:
    found = of(Store(tmp_path), SAME, SAME)
    assert found.content == (Field("base", "base-a", "base-b"),)
    assert (found.surroundings, found.numbers, found.curves) == ((), (), ())
    one = {"stages": [{"lr": 1.0, "scope": {"r": 8}}], "pins": {"a": "1"}}
    other = {"stages": [{"lr": 2.0, "scope": {"r": 8}}, {"lr": 3.0}], "pins": {"a": "1", "b": "2"}}
    assert list(fields(one, other)) == [Field("stages.0.lr", 1.0, 2.0), Field("stages.1.lr", None, 3.0),
                                        Field("pins.b", None, "2")]
    assert list(fields({"x": math.nan}, {"x": math.nan})) == []


def test_versions_machine_and_code_are_no_content(tmp_path: Path) -> None:
    machine = {"processor": "x", "cores": 2, "memory_bytes": 1, "system": "s", "python": "3", "gpu": None}
    found = of(Store(tmp_path), {**SAME, "machine": machine, "versions": {"torch": "1"}},
               {**SAME, "machine": machine | {"cores": 4}, "versions": {"torch": "2"}})
    assert found.surroundings == (Field("machine.cores", 2, 4), Field("versions.torch", "1", "2"))


def test_a_number_comes_with_its_difference_over_the_same_items(tmp_path: Path) -> None:
    right = RIGHT.astype(float)
    better = np.where(np.arange(ITEMS) < 4, 1.0, right)
    found, = of(Store(tmp_path), SAME, {**SAME, "right": better}).numbers
    by_item = better - right
    assert found.difference == pytest.approx(by_item.mean())
    assert found.items == "same"
    assert found.paired is not None
    assert found.paired.mean == pytest.approx(by_item.mean())
    assert found.paired.stderr == pytest.approx(by_item.std(ddof=1) / math.sqrt(ITEMS))
    assert found.paired.n == ITEMS


def test_other_items_are_said_and_not_paired(tmp_path: Path) -> None:
    for shift in (1, 100):  # the second has no item of the first
        found, = of(Store(tmp_path), SAME, {**SAME, "items": range(shift, ITEMS + shift)}).numbers
        assert (found.items, found.paired, found.difference) == ("other", None, 0.0)


def test_a_curve_differs_from_its_first_step_on(tmp_path: Path) -> None:
    found, = of(Store(tmp_path), SAME, {**SAME, "losses": (3.0, 2.5, 0.0, 7.0)}).curves
    assert (found.kind, found.layer, found.first_step, found.largest, found.missing) == ("train_loss", None, 1, 1.0, 1)
    nan = {**SAME, "losses": (3.0, math.nan)}
    assert of(Store(tmp_path), nan, nan).curves == ()


def test_a_failed_run_is_compared_as_it_ended(tmp_path: Path) -> None:
    store, bad = Store(tmp_path), run("bad")
    failed = dataclasses.replace(record(bad), status="failed", error="Diverged: nan\n\nTraceback", metrics={}, cost={})
    store.put(failed, pd.DataFrame(), pd.DataFrame(columns=list(CURVE)))
    found = diff(store, put(store, "a", **SAME), bad.id)
    assert Field("error", None, "Diverged: nan") in found.surroundings
    assert [(n.one is None, n.other is None, n.items) for n in found.numbers] == [(False, True, "not kept")]
    assert [(c.first_step, c.missing) for c in found.curves] == [(0, 3)]


def test_an_unknown_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nobody"):
        diff(Store(tmp_path), "nobody", "nobody")


def test_the_command_says_it_in_words_and_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "runs")
    one, other = put(store, "a", **SAME), put(store, "b", **{**SAME, "right": np.ones(ITEMS)})

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["repro", "diff", *words, "--out", str(tmp_path)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().out

    assert call(one, one) == (0, "Nothing differs: content, code, machine, packages, numbers and curves are the same.\n")
    status, text = call(one, other, "--json")
    found = json.loads(text)
    assert (status, found["differs"]) == (1, True)
    assert found["content"] == [{"path": "base", "one": "base-a", "other": "base-b"}]
    assert found["numbers"][0]["paired"]["n"] == ITEMS
    assert "base-b" in call(one, other)[1]
