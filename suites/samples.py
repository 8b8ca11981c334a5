"""From what lm-eval returns to scores and a table with a row per item."""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from suites.suite import Score, Suite


def scores(result: Mapping[str, Any]) -> dict[str, Score]:
    """lm-eval's result of a task or a group: metric -> score, the error being lm-eval's own. Empty where it has none."""
    found = {}
    for key in (k for k in result if "," in k and "_stderr," not in k):
        metric, filtered = key.split(",", 1)
        stderr = result.get(f"{metric}_stderr,{filtered}", "N/A")
        n = result.get("sample_count", {}).get(key, result["sample_len"])
        found[column(metric, filtered)] = Score(float(result[key]), math.nan if stderr == "N/A" else float(stderr), n)
    return found


def column(metric: str, filtered: str) -> str:
    """lm-eval's names, without the filter that does nothing."""
    return metric if filtered == "none" else f"{metric},{filtered}"


def rows(suite: Suite, task: Any, samples: Sequence[Mapping[str, Any]], cut: set[str]) -> Iterator[dict[str, Any]]:
    """A row per item; lm-eval has one per item and filter. `cut`: the prompts that were truncated."""
    by_item: dict[int, list[Mapping[str, Any]]] = {}
    for sample in samples:
        by_item.setdefault(sample["doc_id"], []).append(sample)
    for item, of in by_item.items():
        yield {"suite": suite.name, "task": task.task_name, "item": item,
               "fact": str(of[0]["doc"].get("fact") or f"{task.task_name}/{item}"),
               **_judged(suite, of), **_answered(task, of[0]),
               "truncated": any(arguments[0] in cut for arguments in of[0]["arguments"])}


def _judged(suite: Suite, of: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The primary metric as `correct`, the others under their own names; what is no number per item is left out."""
    values = {column(m, s["filter"]): float(s[m]) for s in of for m in s["metrics"]
              if isinstance(s[m], int | float | np.number)}
    return {"correct": values.pop(suite.primary or next(iter(values), ""), math.nan), **values}


def _answered(task: Any, sample: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for and what the model said: a log-likelihood per option, or a text."""
    generated = task.OUTPUT_TYPE == "generate_until"
    loglik = None if generated else [_number(response[0]) for response in sample["resps"]]
    return {"target": str(sample["target"]), "gold": _gold(task, sample), "loglik": loglik,
            "answer": str(sample["resps"][0][0]) if generated else None,
            "tied": loglik is not None and len(loglik) > 1 and loglik.count(max(loglik)) > 1}


def _number(response: Any) -> float:
    """A response is (log-likelihood, whether it is the greedy one), or a log-likelihood alone."""
    return float(response[0]) if isinstance(response, tuple | list) else float(response)


def _gold(task: Any, sample: Mapping[str, Any]) -> int | None:
    """The index of the right option, the first where there are several; None where nothing is chosen."""
    if task.OUTPUT_TYPE != "multiple_choice":
        return None
    gold = task.doc_to_text(sample["doc"]) if task.multiple_input else sample["target"]
    gold = gold[0] if isinstance(gold, list) else gold
    return int(gold) if isinstance(gold, int) else list(task.doc_to_choice(sample["doc"])).index(gold)
