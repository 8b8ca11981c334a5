"""Cases simulated and kept: each is a file of its own, written whole, so that a second call reads and a killed one goes on.

A result hangs on the shapes, the recipe, the setting and the code of PyTorch, transformers and this project; the versions are
kept beside it, and another version of PyTorch or transformers simulates anew.
"""
from __future__ import annotations

import copy
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from methods import atomic
from methods.parts import Refused
from repro.memory.cases import Case
from suites.cost.bounds import Bound, Work, bounds
from suites.cost.footprint import Footprint
from suites.cost.loops import Loop, naive_lisa, peft_lora
from suites.cost.simulate import simulate, simulate_loop, texts

LIBRARIES = ("torch", "transformers", "peft")
GIB = 2**30


@dataclass(frozen=True)
class Found:
    """A case's memory, and what no implementation can do without in the step that needs most."""

    footprint: Footprint
    bound: Bound

    @property
    def peak_bytes(self) -> int:
        return self.footprint.peak_bytes

    @property
    def gib(self) -> float:
        return self.peak_bytes / GIB

    def to_json(self) -> dict[str, Any]:
        return {"footprint": self.footprint.to_json(), "bound": vars(self.bound)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Found:
        return cls(Footprint.from_json(values["footprint"]), Bound(**values["bound"]))


def run(case: Case) -> Found:
    """Simulates a case."""
    size = case.training.batch_size * case.recipe.selection.pool
    config = copy.deepcopy(case.model.config)  # transformers writes into it which attention was asked for
    data = texts(4 * size, case.tokens, config.vocab_size, prompt=1, sources=2)
    if case.by == "fit":
        print_ = simulate(config, case.recipe, case.training, data, attention=case.attention)
    else:
        print_ = simulate_loop(config, _peer(case, data), case.training, attention=case.attention)
    limits = bounds(config, case.recipe, case.training, Work(case.tokens, case.tokens - 1))
    return Found(print_, max(limits, key=lambda bound: bound.bytes))


def _peer(case: Case, data: Sequence[Any]) -> Loop:
    loops: Mapping[str, Callable[..., Loop]] = {"freeze flags": naive_lisa, "PEFT": peft_lora,
                                                "freeze flags, gradients kept": partial(naive_lisa, set_to_none=False)}
    scope: Any = case.recipe.scope
    return loops[case.by](scope, case.training, data)


@cache
def versions() -> Mapping[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}


def kept(case: Case, folder: Path, *, any_version: bool = False) -> Found | None:
    """What an earlier call kept; None where there is none by these versions. Raises Refused for a file that cannot be read."""
    path = folder / f"{case.key}.json"
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text())
        return Found.from_json(values) if any_version or values["versions"] == versions() else None
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"cannot read {path}; because it is no record of a simulation ({type(error).__name__}); remove it, and it "
                      "is made again") from error


def keep(case: Case, found: Found, folder: Path, seconds: float) -> None:
    values = {"model": case.model.name, "label": case.label, **case.facts(), **found.to_json(), "versions": dict(versions()),
              "simulated_s": round(seconds, 2)}
    atomic.write_text(folder / f"{case.key}.json", json.dumps(values) + "\n")


def _work(case: Case, folder: Path) -> Found:
    import torch

    torch.set_num_threads(1)
    began = time.perf_counter()
    found = run(case)
    keep(case, found, folder, time.perf_counter() - began)
    return found


def every(cases: Sequence[Case], folder: Path, jobs: int) -> Iterator[tuple[Case, Found]]:
    """Each case once, those that are kept first, the others as they come from `jobs` processes."""
    missing = []
    for case in cases:
        found = kept(case, folder)
        if found is None:
            missing.append(case)
        else:
            yield case, found
    if len(missing) == 1 or (jobs == 1 and missing):
        for case in missing:
            yield case, _work(case, folder)
        return
    if missing:
        with ProcessPoolExecutor(min(jobs, len(missing)), multiprocessing.get_context("spawn")) as pool:
            futures = {pool.submit(_work, case, folder): case for case in missing}
            for future in as_completed(futures):
                yield futures[future], future.result()
