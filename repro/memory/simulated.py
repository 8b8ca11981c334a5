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
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from methods import atomic
from methods.examples import Example
from methods.objective.label_words import LabelWords
from methods.parts import Refused
from repro.memory import scoring
from repro.memory.cases import Case
from repro.memory.found import Found
from suites.cost.bounds import Work, bounds
from suites.cost.loops import Loop, galore_torch, naive_lisa, peft_lora
from suites.cost.simulate import simulate, simulate_loop, texts

LIBRARIES = ("torch", "transformers", "peft")


def run(case: Case) -> Found:
    """Simulates a case."""
    config = copy.deepcopy(case.model.config)  # transformers writes into it which attention was asked for
    data, work = data_of(case)
    if case.by == "scoring":
        return scoring.run(config, case)
    if case.by == "fit":
        print_ = simulate(config, case.recipe, case.training, data, attention=case.attention)
    else:
        print_ = simulate_loop(config, _peer(case, data), case.training, attention=case.attention)
    limits = bounds(config, case.recipe, case.training, work)
    return Found(print_, max(limits, key=lambda bound: bound.bytes))


def data_of(case: Case) -> tuple[list[Example], Work]:
    """Texts with loss on all but the first token; for label words, texts whose last token is one of them."""
    n = 4 * case.training.batch_size * case.recipe.selection.pool
    objective = case.recipe.objective
    if not isinstance(objective, LabelWords):
        return texts(n, case.tokens, case.model.config.vocab_size, prompt=1, sources=2), Work(case.tokens, case.tokens - 1)
    plain = texts(n, case.tokens, case.model.config.vocab_size)
    labels = objective.ids
    made = [Example((*e.input_ids[:-1], labels[i % len(labels)]), case.tokens - 1) for i, e in enumerate(plain)]
    return made, Work(case.tokens, 1)


def _peer(case: Case, data: Sequence[Any]) -> Loop:
    loops: Mapping[str, Callable[..., Loop]] = {"freeze flags": naive_lisa, "PEFT": peft_lora,
                                                "freeze flags, gradients kept": partial(naive_lisa, set_to_none=False)}
    scope: Any = case.recipe.scope
    if case.by == "galore-torch":
        update: Any = case.recipe.update
        return galore_torch(update, case.training, data)
    return loops[case.by](scope, case.training, data)


@cache
def versions() -> Mapping[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}


def kept(case: Case, folder: Path, *, any_version: bool = False) -> Found | None:
    """What an earlier call kept; None where there is none by these versions. Raises Refused for a file that cannot be read."""
    return kept_as(case.key, folder, any_version=any_version)


def kept_as(key: str, folder: Path, *, any_version: bool = False) -> Found | None:
    """`kept`, by a case's key."""
    path = folder / f"{key}.json"
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
