"""Runs in the layout of PEFT's method comparison (huggingface/peft, method_comparison/MetaMathQA/results): a JSON file a run.

Its keys are those of `log_results` there (run_info, train_info, meta_info). What our records do not hold is null: when a run
was made, branches and commits, sizes of files, all parameters of the model, memory reserved on an accelerator but for its peak,
and the machine but for its accelerator. "test accuracy" is filled where the run has one suite in per cent; every metric of every
suite stands under "test <suite> <metric>" besides. "train loss" is that of the last step.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from repro.leaderboard.measures import ranking
from repro.store import plain
from repro.study import Record, SuiteCall

PACKAGES = ("transformers", "peft", "datasets", "bitsandbytes", "torch")
SYSTEM = ("system", "release", "version", "machine", "processor", "accelerator")
RENAMED = {"alpha": "lora_alpha", "dropout": "lora_dropout", "targets": "target_modules", "init": "init_lora_weights"}
"""Our words for a LoRA -> PEFT's."""
Values = Mapping[str, Any]
UNKNOWN_CONFIG = ("max_seq_length", "eval_steps", "compile", "query_template", "use_amp", "generation_kwargs",
                  "attn_implementation")


def of(record: Record, model_id: str, curve: pd.DataFrame, world: str = "") -> dict[str, Any]:
    """A trained run as JSON values; of several stages the last one gives the settings. `world` stands before the names of data
    and suites that are stand-ins."""
    cost, pins, stages = record.cost, dict(record.content.get("pins", {})), record.content["stages"]
    recipe, training = stages[-1]["recipe"], stages[-1]["training"]
    device = pins.get("device")
    found: dict[str, Any] = plain({
        "run_info": {"created_at": None, "total_time": cost.get("wall_s"), "peft_branch": None,
                     "experiment_name": f"{record.paper}/{record.arm}-seed-{record.seed}",
                     "train_config": _train_config(record, recipe, training, model_id),
                     "peft_config": _peft_config(recipe["scope"], model_id),
                     "error_msg": (record.error or "").partition("\n")[0]},
        "train_info": {"accelerator_memory_reserved_avg": None, "accelerator_memory_max": _whole(cost.get("peak_gpu_bytes")),
                       "accelerator_memory_reserved_99th": None, "train_time": cost.get("train_s"), "file_size": None,
                       "num_trainable_params": _whole(cost.get("trainable")), "num_total_params": None,
                       "status": {"done": "success", "failed": "failed"}[record.status],
                       "metrics": [_metrics(record, training, curve, world)] if record.status == "done" else []},
        "meta_info": {"model_info": {"sha": pins.get("weights"), "created_at": None},
                      "dataset_info": {f"{world}{s['data']}": {"sha": pins.get(f"data {s['data']}"), "created_at": None}
                                       for s in stages},
                      "package_info": _packages(record.versions),
                      "system_info": {**dict.fromkeys(SYSTEM), "accelerator": None if device == "cpu" else device},
                      "pytorch_info": None}})
    return found


def _train_config(record: Record, recipe: Values, training: Values, model_id: str) -> dict[str, Any]:
    batch = record.versions.get("batch_size")
    return {"model_id": model_id, "dtype": training["precision"], "batch_size": training["batch_size"],
            "batch_size_eval": int(batch) if batch else None, "max_steps": _whole(record.cost.get("steps")), "seed": record.seed,
            "grad_norm_clip": training["clip_norm"], "optimizer_type": recipe["update"]["part"],
            "optimizer_kwargs": {k: v for k, v in recipe["update"].items() if k != "part"},
            "lr_scheduler": training["schedule"], "autocast_adapter_dtype": recipe["scope"].get("autocast_adapter_dtype"),
            **dict.fromkeys(UNKNOWN_CONFIG)}


def _peft_config(scope: Values, model_id: str) -> dict[str, Any] | None:
    """PEFT's words for a LoRA; else our own under the part's name; null for full tuning, as there."""
    if scope["part"] == "Full":
        return None
    words = RENAMED if scope["part"] == "Lora" else {}
    return {"peft_type": scope["part"].upper(), "task_type": "CAUSAL_LM", "base_model_name_or_path": model_id,
            **{words.get(k, k): v for k, v in scope.items() if k != "part"}}


def _metrics(record: Record, training: Values, curve: pd.DataFrame, world: str) -> dict[str, Any]:
    losses = curve.loc[curve["kind"] == "train_loss", "value"]
    steps = _whole(record.cost.get("steps"))
    named = {f"test {world}{suite} {name}": m.value for suite, found in record.metrics.items() for name, m in found.items()}
    return {"step": steps, "test accuracy": _accuracy(record), "train loss": float(losses.iloc[-1]) if len(losses) else None,
            "train samples": None if steps is None else steps * training["batch_size"],
            "train total tokens": _whole(record.cost.get("tokens")), **named}


def _accuracy(record: Record) -> float | None:
    """The first metric of the only suite in per cent."""
    calls = [SuiteCall(**call) for call in record.content["suites"]]
    suites = [c.suite for c in calls if any(m.unit == "%" for m in ranking(c))]
    shares = [m.value for m in record.metrics.get(suites[0], {}).values()] if len(suites) == 1 else []
    return shares[0] if shares else None


def _packages(versions: Mapping[str, str]) -> dict[str, str | None]:
    return {key: value for name in PACKAGES
            for key, value in ((f"{name}-version", versions.get(name)), (f"{name}-commit-hash", None))}


def _whole(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else round(value)
