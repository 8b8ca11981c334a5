"""Suites through lm-eval's own task definitions: prompts, few-shot examples, filters, metrics and errors are inherited.

The only file that touches lm-eval. Every call is an evaluation of its own, so that a suite's number does not depend on
which others were asked for. What is saved of lm-eval's work changes no number: progress bars, compiling a template anew
for each document, encoding a context anew for each option, and generating on in rows that have ended.
"""
from __future__ import annotations

import functools
import logging
import math
import random
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
import lm_eval.api.task
import lm_eval.models.huggingface
import lm_eval.tasks
import lm_eval.utils
import numpy as np
import pandas as pd
import torch
from lm_eval.evaluator import evaluate as lm_evaluate
from peft import PeftModel
from torch import Tensor, nn
from transformers import GenerationMixin, LogitsProcessorList

from methods.parts import Refused
from suites import SUITES
from suites.definitions import definitions, leaves
from suites.refusing import refusing
from suites.samples import rows, scores
from suites.stopping import NOT_A_NUMBER, Numbers, row_stops
from suites.suite import Call, Evaluation, Score, Suite

STOCK = Path(lm_eval.tasks.__file__).parent
SEED = 1234
"""lm-eval's own for the choice of few-shot examples, for numpy and torch; Python's generator gets 0, as there."""
BOOTSTRAPS = 1000
"""For metrics without an analytic error, which none of our suites has; lm-eval's own default is 100,000."""
REMEMBERED = 8192
"""Texts whose encoding is kept: options share a context, and a warm worker's models share a tokenizer."""
Calls = Sequence[tuple[str, int | None, int | None]]


def evaluate(model: nn.Module, tokenizer: Any, calls: Calls, *, source: Path | None, batch_size: int,
             device: str | torch.device | None = None) -> Evaluation:
    """Measures a causal model by every call (suite, shots, limit of items per task). `source` None: the Hub.

    Raises Refused where a suite, its data or the model cannot be used, and where a logit is not a number.
    """
    if not calls:
        raise Refused(f"cannot evaluate; because no suite was named; name some of {', '.join(SUITES)}")
    metrics: dict[str, dict[str, Score]] = {}
    tables = []
    with _quiet(), _seeded(), _as_it_was(model, tokenizer):
        reader = _reader(model if device is None else model.to(device), tokenizer, batch_size)
        for call in (Call(*c) for c in calls):
            found, table = _measure(reader, call, source)
            metrics |= found
            tables.append(table)
    samples = pd.concat(tables, ignore_index=True)
    versions = suite_versions(calls, source=source) | {"batch_size": str(batch_size)}
    return Evaluation(metrics, samples, int(samples["truncated"].sum()), versions)


def suite_versions(calls: Calls, *, source: Path | None = None) -> dict[str, str]:
    """What determines a suite's numbers beside model and data: lm-eval's version, each task's, and what we override."""
    versions = {"lm_eval": metadata.version("lm_eval")}
    for name, *_ in calls:
        suite = _suite(name)
        index = _manager(suite.folder).task_index
        for task in {suite.root, *leaves(index, suite, suite.root)}:
            versions[task] = str(((index[task].cfg or {}).get("metadata") or {}).get("version", "none"))
        if source is not None and suite.most_tokens is not None:
            versions[f"{name}.max_gen_toks"] = str(suite.most_tokens)
    return dict(sorted(versions.items()))


def _suite(name: str) -> Suite:
    """One of ours, or any other lm-eval task as a suite of its own. Refused where there is none of this name."""
    if name in SUITES:
        return SUITES[name]
    folder = next((s.folder for s in SUITES.values() if name in _manager(s.folder).task_index), "")
    if name not in _manager(folder).task_index:
        raise Refused(f"cannot evaluate on {name!r}; because neither the suites ({', '.join(SUITES)}) nor lm-eval "
                      f"{metadata.version('lm_eval')} have a task of this name; check the spelling")
    return Suite(name, f"lm-eval's {name}", folder=folder, root=name, primary="")


@functools.cache
def _manager(folder: str) -> Any:
    """lm-eval's definitions in one folder of its tasks; "" stands for all of them, which takes ten seconds."""
    return lm_eval.tasks.TaskManager(include_defaults=False, include_path=str(STOCK / folder))


@functools.lru_cache(maxsize=32)
def _tasks(name: str, shots: int | None, source: Path | None) -> Any:
    """A suite's tasks and groups with their data, loaded once in a process."""
    suite = _suite(name)
    manager = _manager(suite.folder)
    with refusing(f"the data of {name} from {source or 'the Hub'}", hub=source is None):
        if source is None and not suite.without:
            loaded = manager.load([suite.root])
        else:
            loaded = _load(manager.task_index, suite, source)
    for task in loaded["tasks"].values():
        _set_shots(task, shots)
    return loaded


def _load(index: Mapping[str, Any], suite: Suite, source: Path | None) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        made = definitions(index, suite, suite.root, source, Path(folder) / "cache")
        if suite.root not in made:
            raise Refused(f"cannot evaluate on {suite.name} from {source}; because the folder has no data of it; "
                          "use the Hub or another folder")
        for name, text in made.items():
            (Path(folder) / f"{name}.yaml").write_text(text, encoding="utf-8")
        return lm_eval.tasks.TaskManager(include_defaults=False, include_path=folder).load([suite.root])


def _set_shots(task: Any, shots: int | None) -> None:
    """lm-eval's rule: a task that fixes its shots at 0 keeps them; without a wish and a default there are none."""
    stock = task.get_config("num_fewshot")
    chosen = stock if stock == 0 or shots is None else shots
    if chosen and chosen > len(task.fewshot_docs()):
        raise Refused(f"cannot show {chosen} examples in the prompts of {task.task_name}; because its data have "
                      f"{len(task.fewshot_docs())}; use fewer shots")
    task.set_config("num_fewshot", chosen or 0)


def _measure(reader: _Reader, call: Call, source: Path | None) -> tuple[dict[str, dict[str, Score]], pd.DataFrame]:
    """One call: its scores by suite and suite/task, and its samples."""
    if call.limit is not None and call.limit <= 0:
        raise Refused(f"cannot evaluate {call.limit} items of {call.suite}; because a mean needs one; use a limit above 0")
    suite, loaded = _suite(call.suite), _tasks(call.suite, call.shots, source)
    for task in loaded["tasks"].values():
        task.set_fewshot_seed(SEED)
    reader.cut.clear()
    found = lm_evaluate(lm=reader, task_dict=loaded, limit=call.limit, bootstrap_iters=BOOTSTRAPS)
    metrics = {suite.name if name == suite.root else f"{suite.name}/{name}": scores(result)
               for name, result in found["results"].items()}
    table = pd.DataFrame([row for name, task in loaded["tasks"].items()
                          for row in rows(suite, task, found["samples"][name], reader.cut)])
    return {name: of for name, of in metrics.items() if of}, table.astype({"gold": "Int64"})


def _reader(model: nn.Module, tokenizer: Any, batch_size: int) -> _Reader:
    plain = model.get_base_model() if isinstance(model, PeftModel) else model
    if not isinstance(plain, GenerationMixin):
        raise Refused(f"cannot evaluate a {type(plain).__name__}; because the suites need a causal language model; use one")
    return _Reader(model, tokenizer, batch_size)


class _Reader(lm_eval.models.huggingface.HFLM):  # type: ignore[misc]
    """lm-eval's reader of a loaded model. `cut` holds the contexts that were truncated."""

    def __init__(self, model: nn.Module, tokenizer: Any, batch_size: int) -> None:
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
        self.cut: set[str] = set()
        self._read = _read_by(tokenizer)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, left_truncate_len: int | None = None,
                   **kwargs: Any) -> list[int]:
        key = (string, add_special_tokens, left_truncate_len)
        if key not in self._read:
            self._read[key] = super().tok_encode(string, add_special_tokens, left_truncate_len, **kwargs)
            if len(self._read) > REMEMBERED:
                self._read.popitem(last=False)
        return self._read[key]

    def tok_batch_encode(self, strings: list[str], padding_side: str = "left", left_truncate_len: int | None = None,
                         truncation: bool = False) -> tuple[Tensor, Tensor]:
        self.cut |= {s for s in strings if left_truncate_len and len(self.tok_encode(s)) > left_truncate_len}
        ids, mask = super().tok_batch_encode(strings, padding_side, left_truncate_len, truncation)
        return ids, mask

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        return list(super().loglikelihood(requests, disable_tqdm=True))

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        return list(super().generate_until(requests, disable_tqdm=True))

    def _loglikelihood_tokens(self, requests: list[Any], **kwargs: Any) -> list[tuple[float, bool]]:
        room = self.max_length + 1
        self.cut |= {pair[0] for pair, context, option in requests if pair and len(context) + len(option) > room}
        found = super()._loglikelihood_tokens(requests, **{**kwargs, "disable_tqdm": True})
        if any(math.isnan(loglik) for loglik, _ in found):
            raise Refused(NOT_A_NUMBER)
        return list(found)

    def _model_generate(self, context: Tensor, max_length: int, stop: list[str], **kwargs: Any) -> Tensor:
        made: Tensor = super()._model_generate(context, max_length, stop, logits_processor=LogitsProcessorList([Numbers()]),
                                               **kwargs)
        return made


@functools.lru_cache(maxsize=2)
def _read_by(tokenizer: Any) -> OrderedDict[tuple[str, bool | None, int | None], list[int]]:
    """What a tokenizer made of the texts it has read last."""
    return OrderedDict()


def _no_bar(items: Iterable[Any], total: int | None = None) -> Iterable[Any]:
    return items


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars, no notes of lm-eval or on long prompts (they are counted); templates compiled once; rows end by themselves."""
    bars = not datasets.are_progress_bars_disabled()
    with ExitStack() as stack:
        stack.enter_context(patch.object(lm_eval.api.task, "tqdm", _no_bar))
        templates = lm_eval.utils.env
        stack.enter_context(patch.object(templates, "from_string", functools.cache(templates.from_string)))
        stack.enter_context(patch.object(lm_eval.models.huggingface, "stop_sequences_criteria", row_stops))
        for logger in map(logging.getLogger, ("lm_eval", "transformers.tokenization_utils_base")):
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        if bars:
            stack.callback(datasets.enable_progress_bars)
            datasets.disable_progress_bars()
        yield


@contextmanager
def _seeded() -> Iterator[None]:
    """lm-eval's seeds inside, the caller's generators untouched outside."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        random.seed(0)
        np.random.seed(SEED)  # noqa: NPY002
        torch.manual_seed(SEED)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002


@contextmanager
def _as_it_was(model: nn.Module, tokenizer: Any) -> Iterator[None]:
    """lm-eval sets evaluation mode and a padding token; afterwards both are the caller's again."""
    training, pad = model.training, tokenizer.pad_token
    try:
        yield
    finally:
        model.train(training)
        tokenizer.pad_token = pad
