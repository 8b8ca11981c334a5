"""Splits: k of each class or which class is short, disjoint, by seed alone, of the published splits' sizes."""
from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts import Refused
from suites.fewshot import KS, SEEDS, Short, at_most, k_shot, per_class, permuted
from tests.hub import HUB

PUBLISHED = HUB.parent / "data" / "kshot"
LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=60)


@given(LABELS, st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_each_split_has_k_of_each_class_or_says_which_is_short(labels, k, seed):
    found = k_shot(labels, k, seed)
    have = Counter(labels)
    assert not set(found.train) & set(found.dev)
    assert len(set(found.train)) == len(found.train)
    train, dev = per_class(labels, found.train), per_class(labels, found.dev)
    for label, n in have.items():
        assert train[label] == min(k, n)
        assert dev[label] == min(k, max(0, n - k))
    said = {(s.split, s.label): (s.has, s.wanted) for s in found.short}
    assert said == {(split, c): (part[c], k) for split, part in (("train", train), ("dev", dev))
                    for c in have if part[c] < k}


def slow(labels: list[int], order: list[int], k: int) -> tuple[list[int], list[int]]:
    """The obvious way: down the shuffled rows, counting."""
    train: list[int] = []
    dev: list[int] = []
    for row in order:
        seen = [r for r in (*train, *dev) if labels[r] == labels[row]]
        if len(seen) < k:
            train.append(row)
        elif len(seen) < 2 * k:
            dev.append(row)
    return train, dev


@given(LABELS, st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_train_is_the_first_k_of_the_shuffled_rows_and_dev_the_next(labels, k, seed):
    order = list(permuted(len(labels), seed, train=len(labels), dev=0).train)
    assert tuple(map(tuple, slow(labels, order, k))) == (k_shot(labels, k, seed).train, k_shot(labels, k, seed).dev)


def test_the_seed_decides_and_nothing_else():
    labels = [i % 3 for i in range(300)]
    splits = {k_shot(labels, 16, seed).train for seed in SEEDS}
    assert len(splits) == len(SEEDS) == 5
    assert k_shot(labels, 16, 13) == k_shot(labels, 16, 13)


@pytest.mark.parametrize("k", KS)
def test_trecs_sizes_are_the_published_ones(k):
    """Class sizes of TREC's train split; 512 of each leaves the abbreviations without a dev row."""
    counts = {"ABBR": 86, "ENTY": 1250, "DESC": 1162, "HUM": 1223, "LOC": 835, "NUM": 896}
    labels = [label for label, n in counts.items() for _ in range(n)]
    found = k_shot(labels, k, 42)
    assert (len(found.train), len(found.dev)) == {16: (96, 96), 512: (2646, 2243)}[k]
    if k == 512:
        assert set(found.short) == {Short("train", "ABBR", 86, 512), Short("dev", "ABBR", 0, 512),
                                    Short("dev", "LOC", 323, 512), Short("dev", "NUM", 384, 512)}
        assert "train has 86 of 512 of class ABBR" in map(str, found.short)


@pytest.mark.parametrize(("task", "data", "label"), [("trec", "CogComp/trec/default", "coarse_label"),
                                                     ("sst2", "nyu-mll/glue/sst2", "label"),
                                                     ("sst5", "SetFit/sst5/default", "label"),
                                                     ("rte", "nyu-mll/glue/rte", "label")])
def test_splits_of_the_real_data_have_the_published_splits_sizes(task, data, label):
    if not PUBLISHED.is_dir():
        pytest.skip(f"no published splits at {PUBLISHED}")
    with gzip.open(HUB / "datasets" / data / "train.jsonl.gz", "rt") as lines:
        labels = [json.loads(line)[label] for line in lines]
    for k, seeds in ((16, SEEDS), (512, (42,))):
        for seed in seeds:
            found = k_shot(labels, k, seed)
            for name in ("train", "dev"):
                assert sorted(per_class(labels, getattr(found, name)).values()) == _sizes(
                    PUBLISHED / task / f"k{k}_seed{seed}_{name}.jsonl")


def _sizes(path: Path) -> list[int]:
    return sorted(Counter(json.loads(line)["label"] for line in path.read_text().splitlines()).values())


@pytest.mark.parametrize(("n", "dev", "sizes"), [(67349, 500, (1000, 500)), (250, 100, (150, 100)), (400, 100, (300, 100)),
                                                 (554, 500, (54, 500)), (1500, 500, (1000, 500))])
def test_short_sets_leave_what_the_paper_had(n, dev, sizes):
    found = permuted(n, 0, dev=dev)
    assert (len(found.train), len(found.dev)) == sizes
    assert not set(found.train) & set(found.dev)
    assert found.short == (() if sizes[0] == 1000 else (Short("train", None, sizes[0], 1000),))


def test_a_test_set_is_whole_or_a_thousand():
    assert at_most(872) == tuple(range(872))
    assert len(set(at_most(9815))) == 1000
    assert at_most(9815) == at_most(9815) != tuple(range(1000))
    assert at_most(9815, seed=1) != at_most(9815)


@pytest.mark.parametrize("call", [lambda: k_shot([], 4, 0), lambda: k_shot([0, 1], 0, 0), lambda: permuted(500, 0),
                                  lambda: permuted(10, 0, train=-1, dev=0)])
def test_splits_that_cannot_be_are_refused(call):
    with pytest.raises(Refused, match="because"):
        call()
