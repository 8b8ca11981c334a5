"""Rows of a suite: the same as choosing, naming and sorting a frame; nothing where there is nothing."""
from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro.rows import Rows
from tests.reference.rows import of_suite


def frame(seed: int = 0, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    tokens = pd.array([None if i % 7 == 0 else i for i in range(n)], "Int64")
    return pd.DataFrame({"suite": rng.choice(["mmlu", "glue:é"], n), "task": rng.choice(["b", "a"], n),
                         "item": rng.permutation(n),
                         "fact": [f"f{i // 3}" for i in range(n)], "correct": rng.random(n) < 0.5, "nll": rng.normal(size=n),
                         "tokens": tokens, "loglik": [list(map(float, rng.normal(size=3))) for _ in range(n)]})


def table(of: pd.DataFrame) -> pa.Table:
    buffer = io.BytesIO()
    of.to_parquet(buffer, index=False)
    return pq.read_table(pa.BufferReader(buffer.getvalue()))


@pytest.mark.parametrize("suite", ["mmlu", "glue:é"])
def test_rows_are_those_of_a_frame_chosen_named_and_sorted(suite: str) -> None:
    samples = frame()
    rows, wanted = Rows.of(table(samples), suite), of_suite(samples, suite)
    assert rows is not None
    assert rows.names == tuple(wanted.index)
    for column in ("correct", "nll", "tokens"):
        np.testing.assert_array_equal(rows.numbers(column), wanted[column].to_numpy(float, na_value=np.nan))
    assert rows.texts("fact") == list(wanted["fact"])
    whole = rows.frame
    assert whole["loglik"].map(list).to_list() == wanted["loglik"].to_list()
    pd.testing.assert_frame_equal(whole.drop(columns="loglik"), wanted.drop(columns="loglik"), check_index_type=False,
                                  check_column_type=False, check_dtype=False)


def test_other_orders_and_items_are_not_confused() -> None:
    """What is known of one run's order must not be taken for another's."""
    one, other = frame(0), frame(1)
    shuffled = one.sample(frac=1.0, random_state=3)
    found = [Rows.of(table(f), "mmlu") for f in (one, other, shuffled)]
    assert all(rows is not None and rows.names == tuple(of_suite(f, "mmlu").index)
               for rows, f in zip(found, (one, other, shuffled), strict=True))
    first, _, last = (rows for rows in found if rows is not None)
    assert first.names == last.names
    np.testing.assert_array_equal(first.numbers("nll"), last.numbers("nll"))


def test_nothing_where_there_is_nothing() -> None:
    assert Rows.of(table(frame()), "arc") is None
    assert Rows.of(table(pd.DataFrame()), "mmlu") is None
    assert Rows.of(table(frame().iloc[:0]), "mmlu") is None
    rows = Rows.of(table(frame()), "mmlu")
    assert rows is not None
    assert "nll" in rows
    assert "points" not in rows
