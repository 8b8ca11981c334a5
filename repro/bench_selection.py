"""Facility location side by side in one run: from features to picks, ours against torch.cdist and two libraries' greedy.

The libraries (`submodlib-py`, `apricot-select`) are the bench's extras; a row says so where one is not installed.
"""
from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from methods.facility_location import distances, greedy, greedy_on_line, lazy_greedy, value
from repro.bench_colm import bench_colm

P, H, K = 128, 2560, 64
LARGE_P, LARGE_H, LARGE_K, LARGE_S = 4096, 256, 2048, 10.0
SLOWER, SAME = 3.0, 1e-3
"""How many times slower the faster library must be; how far objectives may lie apart (relative), as libraries break ties
between twins, two points that only win each other, by rounding, and greedy goes on from there."""
OURS, LAZY, LINE, CDIST = "ours, batched", "ours, lazy", "ours, on a line (rank one)", "torch.cdist + ours, batched"
LIBRARIES = {"submodlib": "torch.cdist + submodlib-py", "apricot": "torch.cdist + apricot-select"}
Picker = Callable[[Tensor], list[int]]


def features(size: int, width: int) -> Tensor:
    return torch.randn(size, width, generator=torch.Generator().manual_seed(0))


def similarity(points: Tensor) -> Any:
    """[P, P] C - l1 distances, as NumPy, the way the authors' code makes them."""
    apart = torch.cdist(points, points, p=1)
    return (apart.max() - apart).numpy()


def by_submodlib(points: Tensor) -> list[int]:
    module = importlib.import_module("submodlib")
    function = module.FacilityLocationFunction(n=len(points), mode="dense", sijs=similarity(points), separate_rep=False)
    found = function.maximize(budget=K, optimizer="LazyGreedy", stopIfZeroGain=False, stopIfNegativeGain=False,
                              show_progress=False)
    return [int(i) for i, _ in found]


def by_apricot(points: Tensor) -> list[int]:
    rule = importlib.import_module("apricot").FacilityLocationSelection(K, metric="precomputed", optimizer="lazy")
    return [int(i) for i in rule.fit(similarity(points)).ranking]


def by_cdist(points: Tensor) -> list[int]:
    apart = torch.cdist(points, points, p=1)
    return greedy(torch.maximum(apart, apart.T), K).index.tolist()


def contenders() -> dict[str, Picker]:
    """Name -> picks of [P, H] features. Libraries that are not installed are left out."""
    library: dict[str, Picker] = {"submodlib": by_submodlib, "apricot": by_apricot}
    return {
        CDIST: by_cdist,
        OURS: lambda points: greedy(distances(points), K).index.tolist(),
        LAZY: lambda points: lazy_greedy(distances(points), K).index.tolist(),
        LINE: lambda points: greedy_on_line(points[:, 0], K).index.tolist(),
    } | {LIBRARIES[name]: pick for name, pick in library.items() if find_spec(name)}


def bench_selection(rounds: int = 12) -> dict[str, Any]:
    """Rows as `bench_fit` gives them; `limits`; `equal`: picks and objectives that must agree; `phases` of a whole step."""
    points, field, threads = features(P, H), contenders(), torch.get_num_threads()
    seconds: dict[str, list[float]] = {name: [] for name in field}
    picks: dict[str, list[int]] = {}
    for turn in range(rounds + 1):
        for name, pick in field.items():
            torch.set_num_threads(threads)  # importing a library may have changed it
            began = time.perf_counter()
            picks[name] = pick(points)
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - began)
    missing = [label for name, label in LIBRARIES.items() if label not in field]
    torch.set_num_threads(threads)
    whole = bench_colm(rounds)
    return {"rows": [row(name, seconds) for name in field] + [{"name": name, "missing": "not installed"} for name in missing],
            "limits": limits(seconds) + whole["limits"], "equal": agreements(points, picks), "phases": whole["phases"],
            "setting": f"{K} of {P} points, {H} numbers each, l1, {torch.get_num_threads()} threads, {rounds} rounds"}


def row(name: str, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """One contender; `flop_bound_to_cdist` compares the absolute differences that are formed, `state_bytes` the distances."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(seconds[name], seconds[CDIST], strict=True)], n=4)
    formed = {OURS: (P - 1) / (2 * P), LAZY: (P - 1) / (2 * P), LINE: 0.0}.get(name, 1.0)
    return {"name": name, "step_ms": 1e3 * statistics.median(seconds[name]), "against": CDIST, "ratio": middle,
            "ratio_quartiles": [low, high], "ratio_to_cdist": middle, "flop_bound_to_cdist": formed,
            "state_bytes": 0 if name == LINE else P * P * 4}


def limits(seconds: dict[str, list[float]]) -> list[dict[str, Any]]:
    """How much slower the faster library is (where one is installed), and the seconds for the large pool."""
    libraries = [label for label in LIBRARIES.values() if label in seconds]
    out = []
    if libraries:
        faster = min(libraries, key=lambda label: statistics.median(seconds[label]))
        ratio = statistics.median(a / b for a, b in zip(seconds[faster], seconds[OURS], strict=True))
        out.append({"at": f"{K} of {P}", "what": f"{faster} against ours, at least", "limit": SLOWER, "unit": "x",
                    "ratio": ratio, "holds": ratio >= SLOWER, "bound by": "distances"})
    points = features(LARGE_P, LARGE_H)
    began = time.perf_counter()
    apart = distances(points)
    between = time.perf_counter()
    greedy(apart, LARGE_K)
    end = time.perf_counter()
    return [*out, {"at": f"{LARGE_K} of {LARGE_P}, {LARGE_H} numbers each", "what": "ours, at most", "limit": LARGE_S,
                   "unit": " s", "ratio": end - began, "holds": end - began <= LARGE_S,
                   "bound by": "distances" if between - began > end - between else "greedy picks"}]


def agreements(points: Tensor, picks: dict[str, list[int]]) -> dict[str, bool]:
    apart = distances(points.double())
    best = value(apart, picks[OURS])
    places = torch.randint(0, 2**20, (P,), generator=torch.Generator().manual_seed(1)).double()
    general = greedy(distances(places[:, None] * torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)), K)
    found = {f"{OURS} = {LAZY}: picks": picks[OURS] == picks[LAZY],
             f"{LINE} = general path: picks": torch.equal(greedy_on_line(4 * places, K).index, general.index)}
    return found | {f"{OURS} = {label}: objective": abs(value(apart, picks[label]) / best - 1) <= SAME
                    for label in LIBRARIES.values() if label in picks}
