"""What a worker does with one run: base model, stages of training, suites, record.

A desk keeps base models and tokenised training sets between runs; a run gets a copy of the model in memory.
"""
from __future__ import annotations

import copy
import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from methods.examples import Example
from methods.parts import Refused
from repro import devices, pins, scales
from repro.curve import Curve
from repro.members import NAME as OPTIONS
from repro.members import Asker
from repro.papers.colm import contenders
from repro.partial import EVERY_S, Partial
from repro.scale import DataRef, OptionsRef, Scale, TaskRef
from repro.store import Store
from repro.study import Metric, Record, Run
from repro.training import Course
from repro.worker import Result, Say
from suites import coresets, data, heldout, models
from suites.evaluate import evaluate
from suites.fewshot import SEEDS
from suites.glue import coding, probe, rows, tasks, training
from suites.options.coded import Coded, code
from suites.options.sets import questions
from suites.suite import Evaluation

PROBE = "probe"
"""A suite call probe:<training set>: linear probing on that task's training rows."""
KEEP_BYTES = 2**30
"""Base models up to this size stay in memory between runs; larger ones are read again."""


@dataclass
class Desk:
    """One worker's memory."""

    store: Store
    every_s: float = EVERY_S
    scale_of: Callable[[str], Scale] = scales.get
    _bases: dict[tuple[str, str], tuple[nn.Module, Any]] = field(default_factory=dict)
    _sets: dict[tuple[str, str, str, str, int], list[Example]] = field(default_factory=dict)

    def measure(self, run: Run, say: Say) -> Result:
        """Takes one run from its base model to its record. Raises Refused or Diverged where it cannot."""
        began = time.perf_counter()
        torch.set_num_threads(run.threads)
        forget_peak_memory()
        scale = self.scale_of(run.scale)
        device = devices.torch_device(scale.device)
        model, tokenizer = self.base(scale, run.arm.base)
        course = Course(run, model.to(device), lambda key, split: self.examples(run, scale, model, tokenizer, key, split),
                        pad_of(tokenizer), scale.batch_size, Partial(self.store.partial(run), self.every_s), say,
                        lambda: self.asked(run, scale, model, tokenizer))
        trained, curve, train_s = course.go()
        eval_began = time.perf_counter()
        found = self.evaluate(run, scale, trained, tokenizer, say, course.asker)
        metrics = {**scores(found), **dev_metric(curve)}
        eval_s = time.perf_counter() - eval_began
        cost = {"wall_s": max(time.perf_counter() - began, train_s + eval_s), "train_s": train_s, "eval_s": eval_s,
                **costs(curve, train_s), **peak_memory(device)}
        record = Record(run.id, run.paper, run.arm.name, run.seed, run.scale, "done", None, metrics, cost, run.content,
                        {**pins.versions(), **(found.versions if found else {})})
        return record, found.samples if found else pd.DataFrame(), curve.frame()

    def base(self, scale: Scale, key: str) -> tuple[nn.Module, Any]:
        """A model to train, and its tokenizer."""
        at = (scale.name, key)
        if at not in self._bases:
            ref = scale.model(key)
            loaded: tuple[nn.Module, Any] = models.load(ref.place, revision=ref.revision)
            if sum(p.nbytes for p in loaded[0].parameters()) > KEEP_BYTES:
                return loaded
            self._bases[at] = loaded
        model, tokenizer = self._bases[at]
        return copy.deepcopy(model), tokenizer

    def examples(self, run: Run, scale: Scale, model: nn.Module, tokenizer: Any, key: str, split: data.Split) -> list[Example]:
        """A training set in the base model's tokens; a task's rows are those of the run's seed."""
        ref = scale.data(key)
        at = (scale.name, run.arm.base, key, split, 0 if isinstance(ref, DataRef) else run.seed)
        if at not in self._sets:
            if isinstance(ref, OptionsRef):
                self._sets[at] = lettered(ref, model, tokenizer, split, run.seed)
            else:
                self._sets[at] = (shots(ref, model, tokenizer, split, run.seed) if isinstance(ref, TaskRef)
                                  else data.load_examples(ref, tokenizer, split))
        return self._sets[at]

    def evaluate(self, run: Run, scale: Scale, model: nn.Module, tokenizer: Any, say: Say,
                 asker: Asker | None = None) -> Evaluation | None:
        """Every suite of the arm, one after the other; None where it has none. What `asker` has asked is not asked again."""
        found = []
        calls = [call for call in run.arm.suites if not call.suite.startswith(f"{OPTIONS}:")]
        if len(calls) < len(run.arm.suites):
            if asker is None:
                asker = Asker(self.asked(run, scale, model, tokenizer), {}, pad_of(tokenizer), scale.batch_size)
                asker.ask(model, 0, 0, list(asker.sets))
            found.append(asker.found())
        for i, call in enumerate(calls):
            say(f"measuring {call.suite}", i, len(calls))
            name, _, key = call.suite.partition(":")
            if name == heldout.NAME:
                test = self.examples(run, scale, model, tokenizer, key, "test")[:call.limit]
                found.append(by_loss(heldout.evaluate(model, test, pad_id=pad_of(tokenizer), batch_size=scale.batch_size)))
            elif name == coresets.NAME:
                train = self.examples(run, scale, model, tokenizer, key, "train")
                found.append(contenders.compare(model, train, scale, pools=call.limit, pad_id=pad_of(tokenizer)))
            elif name == PROBE:
                found.append(self.probe(run, scale, model, tokenizer, key, call.limit))
            else:
                found.append(evaluate(model, tokenizer, [(call.suite, call.shots, call.limit)],
                                      source=scale.source(), batch_size=scale.batch_size))
        return together(found) if found else None

    def asked(self, run: Run, scale: Scale, model: nn.Module, tokenizer: Any) -> dict[str, Coded]:
        """The lettered questions that the arm is measured on: "options:<set>" its test, "options:<set>/dev" its dev split."""
        found = {}
        for call in run.arm.suites:
            suite, _, key = call.suite.partition(":")
            if suite == OPTIONS:
                name, _, split = key.partition("/")
                rows = questions(name, scale.source(), "dev" if split == "dev" else "test", limit=call.limit)
                shown = questions(name, scale.source(), "train", limit=call.shots, seed=run.seed) if call.shots else ()
                found[key] = code(rows, tokenizer, reader_room(model, tokenizer), shown)
        return found

    def probe(self, run: Run, scale: Scale, model: nn.Module, tokenizer: Any, key: str, limit: int | None) -> Evaluation:
        """Linear probing on a task's training rows of the run's seed. Raises Refused for a set that is no task's."""
        ref = scale.data(key)
        if not isinstance(ref, TaskRef):
            raise Refused(f"cannot probe on the training set {key}; because its texts have no classes; use one of a task")
        return by_task(probe.evaluate(model, tokenizer, ref.task, source=ref.root, batch_size=scale.batch_size,
                                      seed=data_seed(run.seed), k=ref.k, limit=limit))

def shots(ref: TaskRef, model: nn.Module, tokenizer: Any, split: data.Split, seed: int) -> list[Example]:
    """A task's training or dev examples.

    Raises Refused for a test split: a task's test items are its suite's.
    """
    if split == "test":
        raise Refused(f"cannot take the loss on the test rows of {ref.task}; because its suite scores them; use glue:{ref.task}")
    reader = coding.reader_of(model, tokenizer)
    task = tasks.find(ref.task, reader.mask is not None, ref.root)
    drawn = rows.split(task, ref.root, seed=data_seed(seed), k=ref.k)
    return training.examples(task, drawn.train if split == "train" else drawn.dev[:ref.dev], reader)


def lettered(ref: OptionsRef, model: nn.Module, tokenizer: Any, split: data.Split, seed: int) -> list[Example]:
    """Questions as examples whose answer is a letter; those that train are drawn by the seed."""
    rows = questions(ref.name, ref.root, split, limit={"train": ref.k, "dev": ref.dev}.get(split), seed=seed)
    return list(code(rows, tokenizer, reader_room(model, tokenizer)).examples)


def reader_room(model: nn.Module, tokenizer: Any) -> int:
    """Tokens that fit."""
    return coding.reader_of(model, tokenizer).room


def data_seed(seed: int) -> int:
    """The protocol's data seed of a run's seed: the first seeds stand for its five."""
    return SEEDS[seed] if seed < len(SEEDS) else seed


def by_task(found: Evaluation) -> Evaluation:
    """A probe's answers under its task's name: they are to the items that every other arm answers."""
    return replace(found, samples=found.samples.assign(suite=found.samples["suite"].str.removesuffix("/probe")))


def by_loss(found: Evaluation) -> Evaluation:
    """A held-out loss as the other suites are: the item's number is in the column `correct`, and as `loss`."""
    samples = found.samples.assign(loss=found.samples["nll"], correct=found.samples["nll"])
    return replace(found, samples=samples)


def together(found: Sequence[Evaluation]) -> Evaluation:
    """Several suites as one evaluation."""
    metrics = {suite: of for e in found for suite, of in e.metrics.items()}
    versions = {name: version for e in found for name, version in e.versions.items()}
    samples = pd.concat([portable(e.samples) for e in found], ignore_index=True)
    return Evaluation(metrics, samples, sum(e.truncated for e in found), versions)


def portable(samples: pd.DataFrame) -> pd.DataFrame:
    """Targets are letters in one suite and numbers in another; a Parquet column holds one kind."""
    mixed = [c for c in ("target", "answer") if c in samples]
    return samples.assign(**{c: samples[c].map(lambda v: None if v is None else str(v)) for c in mixed})


def scores(found: Evaluation | None) -> dict[str, dict[str, Metric]]:
    metrics = found.metrics if found else {}
    return {suite: {name: Metric(m.value, m.stderr, m.n) for name, m in of.items()} for suite, of in metrics.items()}


def pad_of(tokenizer: Any) -> int:
    """The padding token, or the end token, or 0: padded places are masked and take no loss."""
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(pad or 0)


def dev_metric(curve: Curve) -> dict[str, dict[str, Metric]]:
    """The dev loss after the last step, where it was taken."""
    if not curve.values("dev_loss"):
        return {}
    value, stderr, n = (curve.values(k)[-1] for k in ("dev_loss", "dev_stderr", "dev_n"))
    return {"dev": {"loss": Metric(value, stderr, int(n))}}


def costs(curve: Curve, train_s: float) -> dict[str, float]:
    """What the training took, read off the curve; all 0 for a model that was not trained."""
    steps = len(curve.values("train_loss"))
    if not steps:
        return dict.fromkeys(("steps", "tokens", "tokens_per_s", "trainable", "active", "state_bytes_peak"), 0.0)
    tokens = sum(curve.values("tokens"))
    return {"steps": float(steps), "tokens": tokens, "tokens_per_s": tokens / train_s,
            "trainable": curve.values("trainable")[-1], "active": statistics.fmean(curve.values("active")),
            "state_bytes_peak": max(curve.values("state_bytes"))}


def forget_peak_memory() -> None:
    """Starts the process's peak anew, so that a warm worker's peak is this run's (Linux; elsewhere it is not told)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


def peak_memory(device: str) -> dict[str, float]:
    """Peak bytes of the process since `forget_peak_memory`, and of the GPU."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    peaks = {"peak_rss_bytes": 1024.0 * int(found[1]) if found else math.nan}
    return peaks | ({"peak_gpu_bytes": float(torch.cuda.max_memory_allocated())} if device == "cuda" else {})
