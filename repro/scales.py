"""What each key stands for at each scale: base models, training sets, suites, hyper-parameters. Nothing else differs.

Every setting says whether it is the paper's, ours, or not stated in the paper, and from where it was taken.
"""
from __future__ import annotations

import dataclasses
from typing import Any

from methods.parts import Refused
from repro.scale import HOUSE, DataRef, ModelRef, Scale, Setting, TaskRef
from repro.study import SuiteCall

__all__ = ["HOUSE", "SCALES", "DataRef", "ModelRef", "Scale", "Setting", "TaskRef", "get"]


def _paper(value: Any, source: str) -> Setting:
    return Setting(value, "paper", source)


def _ours(value: Any, source: str) -> Setting:
    return Setting(value, "ours", source)


def _unstated(value: Any, source: str) -> Setting:
    return Setting(value, "not stated", source)


# ---------------------------------------------------------------------------------------- real models and data

HUB_MODELS = {
    "tinyllama": ModelRef("TinyLlama/TinyLlama_v1.1", note="the paper does not say which checkpoint of TinyLlama"),
    "mistral-7b": ModelRef("mistralai/Mistral-7B-v0.1", note="the paper does not say which version"),
    "llama-2-7b": ModelRef("meta-llama/Llama-2-7b-hf"),
    "llama-2-70b": ModelRef("meta-llama/Llama-2-70b-hf"),
    "roberta-large": ModelRef("FacebookAI/roberta-large"),
    "opt-1.3b": ModelRef("facebook/opt-1.3b"),
}
HUB_SETS: dict[str, DataRef | TaskRef] = {
    "alpaca-gpt4": DataRef("vicgalle/alpaca-gpt4", answer="output", prompt=("instruction", "input"), held_out=0.1,
                           note="52,002 pairs; the 9:1 split is figure 11's, the prompt's form is not stated"),
    "gsm8k": DataRef("openai/gsm8k", config="main", answer="answer", prompt=("question",), held_out=0.1,
                     form="Question: {question}\nAnswer:", note="7,473 problems, a tenth of them held out here"),
    "open-web-math": DataRef("open-web-math/open-web-math", answer="text", held_out=0.001, most_tokens=1_500_000_000,
                             at_least=("metadata.extraction_info.math_score", 0.95),
                             note="documents with a mathematics score of at least .95, 1.5 billion tokens"),
    "pubmedqa": DataRef("qiaojin/PubMedQA", config="pqa_artificial", answer="final_decision", held_out=0.01,
                        prompt=("context.contexts", "question"), note="211,269 artificial questions"),
}

_GLUE_TASKS = {"sst2": ("nyu-mll/glue", "sst2"), "sst5": ("SetFit/sst5", None), "snli": ("stanfordnlp/snli", None),
               "mnli": ("nyu-mll/glue", "mnli"), "rte": ("nyu-mll/glue", "rte"), "trec": ("CogComp/trec", None)}
_SUPERGLUE = ("boolq", "cb", "copa", "record", "rte", "wic")
_K_SHOT = {f"{task}-{k}": TaskRef(task, hub_id, config, k, note=f"{k} rows of each class, LM-BFF's protocol")
           for task, (hub_id, config) in _GLUE_TASKS.items() for k in (16, 512)}
_THOUSAND = {f"{task}-1000": TaskRef(task, "aps/super_glue", task, note="MeZO's 1,000 / 500 / 1,000 rows") for task in _SUPERGLUE}
HUB_TASKS = _K_SHOT | _THOUSAND | {
    "sst2-1000": TaskRef("sst2", "nyu-mll/glue", "sst2", note="MeZO's 1,000 / 500 / 1,000 rows"),
    "wsc-1000": TaskRef("wsc", "aps/super_glue", "wsc.fixed", note="554 rows: about 54 train"),
    "squad-1000": TaskRef("squad", "rajpurkar/squad", None), "drop-1000": TaskRef("drop", "ucinlp/drop", None),
}

# ------------------------------------------------------------------------------------------------ LISA's settings

PAPER_LISA: dict[str, Setting] = {
    "lisa.steps": _paper(None, "one epoch everywhere (appendix B)"),
    "lisa.epochs": _paper(1.0, "appendix B"),
    "lisa.batch_size": _unstated(426, "122 steps for one pass over 52,000 pairs (section 4.5) imply about 426"),
    "lisa.micro_batch": _unstated(4, "does not change the numbers beyond rounding"),
    "lisa.schedule": _unstated("cosine", "the authors' present script"),
    "lisa.warmup_steps": _unstated(0, "the authors' present script names none"),
    "lisa.clip_norm": _unstated(1.0, "the trainer's default there"),
    "lisa.precision": _unstated("bf16", "the memory figures imply bfloat16 weights and moments without a float32 copy"),
    "lisa.checkpointing": _unstated(True, "off in the memory tests (section 4.1), not stated elsewhere"),
    "lisa.r": _paper(128, "tables 2, 3 and 8"),
    "lisa.alpha": _unstated(32.0, "the authors' profiling script"),
    "lisa.dropout": _unstated(0.0, "the authors' profiling script has 0.1, the paper names none"),
    "lisa.other_r": _ours(32, "control of the norm observation"),
    "lisa.galore_rank": _unstated(128, "\"defaults\" of the integration (appendix B)"),
    "lisa.galore_gap": _unstated(200, "\"defaults\" of the integration (appendix B)"),
    "lisa.gamma": _paper(2, "appendix B"),
    "lisa.few": _ours(1, "one block at a time"),
    "lisa.many": _paper(8, "table 6"),
    "lisa.all": _ours(22, "every block of TinyLlama: full tuning with LISA's restarts"),
    "lisa.K": _unstated(5, "best of table 6; the value behind tables 2 and 3 is in table 16, which could not be read"),
    "lisa.K_short": _paper(1, "table 6"),
    "lisa.K_long": _paper(25, "table 6"),
    "lisa.rates": _paper((5e-6, 1e-5, 5e-5, 3e-4, 6e-4), "appendix B.3 as printed; 6e-4 is outside the range it states"),
    "lisa.math_gammas": _paper((2, 4, 8, 16), "figure 7"),
    "lisa.math_main": _paper(16, "half of the layers is hinted at for table 4"),
    "lisa.web_steps": _unstated(None, "one epoch of the 1.5 billion tokens"),
    "lisa.math_steps": _paper(None, "one epoch"),
    "lisa.math_batch": _unstated(128, "not stated for this part"),
    "lisa.math_items": _paper(None, "the whole test set"),
}
SMALL_LISA = PAPER_LISA | {
    "lisa.steps": _ours(400, "a part of the epoch"),
    "lisa.epochs": _ours(None, "steps are given"),
    "lisa.batch_size": _ours(16, "one GPU"),
    "lisa.precision": _ours("bf16-mixed", "float32 weights, so that small steps are not rounded away"),
    "lisa.K": _ours(20, "the same number of draws as 122 steps at K = 6"),
    "lisa.K_long": _ours(80, "a fifth of the run, as 25 of 122"),
    "lisa.math_gammas": _ours((2, 4, 8, 11), "TinyLlama has 22 blocks: 11 is the half"),
    "lisa.math_main": _ours(11, "half of the layers"),
    "lisa.web_steps": _ours(400, "a part of the set"),
    "lisa.math_steps": _ours(400, "about one epoch"),
    "lisa.math_batch": _ours(16, "one GPU"),
}
TINY_LISA = SMALL_LISA | {
    "lisa.steps": _ours(100, "minutes on two cores; the paper's T is 122"),
    "lisa.batch_size": _ours(12, "minutes on two cores"),
    "lisa.micro_batch": _ours(6, "rows of like length together pad less; the loss is that of the whole batch"),
    "lisa.clip_norm": _ours(1.0, "as at the other scales"),
    "lisa.precision": _ours("fp32", "CPU"),
    "lisa.checkpointing": _ours(False, "the activations fit"),
    "lisa.r": _ours(8, "1/12 of the width; 128 is 1/16 of TinyLlama's and 1/32 of LLaMA-2-7B's"),
    "lisa.alpha": _ours(16.0, "twice r"),
    "lisa.other_r": _ours(2, "control of the norm observation"),
    "lisa.galore_rank": _ours(8, "as LoRA's r"),
    "lisa.galore_gap": _ours(20, "five projections in a run; the default 200 would be longer than the run"),
    "lisa.many": _ours(4, "a third, a sixth and two thirds of six blocks"),
    "lisa.all": _ours(6, "every block"),
    "lisa.K": _ours(10, "in the paper's grid and its aim of 10-50 steps; ten draws, as figure 8"),
    "lisa.K_long": _ours(25, "table 6"),
    "lisa.rates": _ours((1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2), "half decades around what trains this model"),
    "lisa.math_gammas": _ours((1, 2, 4), "a sixth, a third and two thirds of six blocks"),
    "lisa.math_main": _ours(4, "the largest of the scan"),
    "lisa.web_steps": _ours(60, "minutes on two cores"),
    "lisa.math_steps": _ours(60, "minutes on two cores"),
    "lisa.math_batch": _ours(12, "as the main comparison"),
}
SMOKE_LISA = TINY_LISA | {
    "lisa.steps": _ours(20, "a fifth of tiny"),
    "lisa.K": _ours(2, "a fifth of tiny"),
    "lisa.K_long": _ours(5, "a fifth of tiny"),
    "lisa.galore_gap": _ours(4, "a fifth of tiny"),
    "lisa.web_steps": _ours(12, "a fifth of tiny"),
    "lisa.math_steps": _ours(12, "a fifth of tiny"),
    "lisa.math_items": _ours(16, "seconds"),
}

# ---------------------------------------------------------------------------------------------- HELENE's settings

_MEZO = "arXiv 2305.17333"
PAPER_HELENE: dict[str, Setting] = {
    "helene.cells": _unstated((
        *(("roberta-large", t, k) for k in (512, 16) for t in ("sst2", "sst5", "snli", "mnli", "rte", "trec")),
        *(("opt-1.3b", t, None) for t in ("sst2", "rte", "cb", "boolq", "wsc", "wic"))),
        f"the paper's tables could not be read; {_MEZO}, tables 18 and 1 (tasks that label words answer)"),
    "helene.variants": _paper({"roberta-large": ("lora",), "opt-1.3b": ("lora", "prefix")},
                              "abstract; PEFT's prefix takes causal models alone"),
    "helene.masks": _ours({"roberta-large": 50264}, "the mask token of its tokenizer"),
    "helene.steps": _unstated((100_000, 1_000), f"zeroth and first order; {_MEZO}, RoBERTa-large (OPT: 20,000)"),
    "helene.batch_size": _unstated(64, f"{_MEZO}, RoBERTa-large (OPT: 16)"),
    "helene.micro_batch": _ours(None, "one pass"),
    "helene.precision": _unstated("fp32", "the memory a reviewer quotes implies three float32 copies"),
    "helene.eps": _unstated(1e-3, f"{_MEZO}"),
    "helene.k": _unstated(10, "Sophia's; the paper's could not be read"),
    "helene.lam": _unstated(1.0, "the floor's value could not be read"),
    "helene.r": _unstated(3500.0, "a floor of about 1 for a block of RoBERTa-large (12.6 million weights)"),
    "helene.lora_r": _unstated(8, f"{_MEZO}"), "helene.lora_alpha": _unstated(16.0, f"{_MEZO}"),
    "helene.prefix": _unstated(5, f"{_MEZO}"),
    "helene.shots": _unstated(32, f"{_MEZO}"),
    "helene.items": _unstated(None, f"{_MEZO}: at most 1,000"),
    "helene.seeds": _unstated((0, 1, 2, 3, 4), f"{_MEZO}: data seeds 13, 21, 42, 87, 100"),
    "helene.target": _ours(("dev_accuracy", 85.0), "what a speed is measured to; fixed before the runs"),
    "helene.rates": _unstated({
        "adamw": (1e-5, 3e-5, 5e-5), "sgd": (1e-4, 1e-3, 1e-2), "zo": (1e-7, 1e-6, 1e-5), "zo-momentum": (1e-8, 1e-7, 1e-6),
        "zo-adam": (1e-6, 1e-5, 1e-4), "zo-sign": (1e-8, 1e-6, 1e-4), "zo-sophia": (1e-7, 1e-6, 1e-5),
        "helene": (1e-8, 1e-7, 1e-6), "helene-ema": (1e-7, 1e-6, 1e-5), "helene-flat": (1e-8, 1e-7, 1e-6)},
        f"{_MEZO} and arXiv 2402.11592; HELENE's so that its effective step spans MeZO's"),
    "helene.stretch": _unstated({
        "full": 1.0, "lora": 50.0, "prefix": 1e4, "full first order": 1.0, "lora first order": 10.0,
        "prefix first order": 1000.0}, f"{_MEZO}'s grids for LoRA and prefix against full tuning"),
}
SMALL_HELENE = PAPER_HELENE | {
    "helene.cells": _ours((("roberta-large", "sst2", 512), ("roberta-large", "rte", 512), ("opt-1.3b", "sst2", None)),
                          "a part of the tables"),
    "helene.steps": _ours((5_000, 500), "a twentieth of the paper's"),
    "helene.batch_size": _ours(16, "one GPU"),
    "helene.seeds": _ours((0, 1, 2), "three of the five data seeds"),
}
TINY_HELENE = PAPER_HELENE | {
    "helene.cells": _ours((("tinyllama", "sst2", 512), ("tinyllama", "rte", 512)), "the tiny world's sentiment and inference"),
    "helene.variants": _ours({"tinyllama": ("lora", "prefix")}, "as at the paper's scale, on a causal model"),
    "helene.masks": _ours({}, "a causal model"),
    "helene.steps": _ours((250, 100), "minutes on two cores"),
    "helene.batch_size": _ours(8, "minutes on two cores; the paper's OPT runs have 16"),
    "helene.r": _ours(330.0, "a floor of about 1 for a block of 111 thousand weights"),
    "helene.shots": _ours(8, "what the context of 512 holds"),
    "helene.items": _ours(200, "minutes on two cores"),
    "helene.seeds": _ours((0, 1, 2), "three of the five data seeds"),
    "helene.target": _ours(("dev_loss", 0.9), "untrained 1.5; chosen on a pilot's seed, which no run uses: accuracy hardly moves "
                           "in so few steps"),
    "helene.rates": _ours({
        "adamw": (1e-4, 3e-4, 1e-3, 3e-3), "sgd": (1e-3, 1e-2, 3e-2, 1e-1), "zo": (3e-5, 1e-4, 3e-4, 1e-3),
        "zo-momentum": (3e-6, 1e-5, 3e-5, 1e-4), "zo-adam": (3e-5, 1e-4, 3e-4, 1e-3), "zo-sign": (1e-4, 3e-4, 1e-3, 3e-3),
        "zo-sophia": (1e-5, 3e-5, 1e-4, 3e-4), "helene": (1e-4, 3e-4, 1e-3, 3e-3), "helene-ema": (1e-3, 3e-3, 1e-2, 3e-2),
        "helene-flat": (3e-6, 1e-5, 3e-5, 1e-4)},
        "half decades around what trains this model; four for each"),
    "helene.stretch": _ours({
        "full": 1.0, "lora": 10.0, "prefix": 300.0, "full first order": 1.0, "lora first order": 3.0,
        "prefix first order": 10.0}, "tried before tuning, on a pilot's seed"),
}
SMOKE_HELENE = TINY_HELENE | {"helene.steps": _ours((40, 20), "a tenth of tiny"), "helene.seeds": _ours((0,), "one seed"),
                              "helene.items": _ours(50, "seconds")}

# ---------------------------------------------------------------------------------------------------- the scales

_STANDS_IN = "the embedded base model stands in for {}; nothing measured on it is about that model"
TINY_MODELS = {
    key: ModelRef("embedded", folder=HOUSE / "suites" / "world" / "base", note=_STANDS_IN.format(name))
    for key, name in {"tinyllama": "TinyLlama", "mistral-7b": "Mistral-7B", "llama-2-7b": "LLaMA-2-7B",
                      "llama-2-70b": "LLaMA-2-70B"}.items()
}
TINY_SETS: dict[str, DataRef | TaskRef] = {
    "alpaca-gpt4": DataRef("world/instructions", answer="output", prompt=("instruction", "input"), dev="dev", test="test",
                           origin="ours", note="the tiny world's instructions stand in for Alpaca-GPT4"),
    "gsm8k": DataRef("openai/gsm8k", config="main", answer="answer", prompt=("question",), dev="validation", test="test",
                     form="Question: {question}\nAnswer:", origin="ours", note="the tiny world's word problems"),
    "open-web-math": DataRef("world/web-math", answer="text", dev="dev", test="test", origin="ours",
                             note="the tiny world's documents about arithmetic"),
}
TINY_SETS |= {f"{task}-512": TaskRef(task, "nyu-mll/glue", task, 512, dev=128, origin="ours", note="the tiny world's")
              for task in ("sst2", "rte")}
TINY_SUITES = (SuiteCall("heldout:alpaca-gpt4"), SuiteCall("mmlu", 0, 24), SuiteCall("agieval", 0, 8),
               SuiteCall("winogrande", 0, 200), SuiteCall("gsm8k", 0, 32), SuiteCall("pubmedqa", 0, 150))
"""Limits are per task: 8 subjects of MMLU, 9 exams of AGIEval."""
HUB_SUITES = (SuiteCall("heldout:alpaca-gpt4"), SuiteCall("mmlu", 5), SuiteCall("agieval"), SuiteCall("winogrande"),
              SuiteCall("gsm8k", 5), SuiteCall("pubmedqa", 5))

SCALES: dict[str, Scale] = {s.name: s for s in (
    Scale(
        "tiny", "The embedded base model (0.97 million weights) and the tiny world. What is shown here is about this "
        "scale alone: it says which of the paper's explanations can be separated, not how large models behave.",
        seeds=(0, 1, 2), suites=TINY_SUITES, models=TINY_MODELS, sets=TINY_SETS, settings=TINY_LISA | TINY_HELENE,
        bases=("tinyllama",),
        world=True),
    Scale(
        "small", "TinyLlama 1.1B and the real benchmarks, a few hundred steps: the paper's smallest model, less training.",
        seeds=(0, 1, 2), suites=HUB_SUITES, models=HUB_MODELS, sets=HUB_SETS | HUB_TASKS,
        settings=SMALL_LISA | SMALL_HELENE, bases=("tinyllama",),
        device="auto", threads=4),
    Scale(
        "paper", "The paper's own models, training sets and lengths. What the paper does not state is marked so.",
        seeds=(0, 1, 2), suites=HUB_SUITES, models=HUB_MODELS, sets=HUB_SETS | HUB_TASKS, settings=PAPER_LISA | PAPER_HELENE,
        bases=("tinyllama", "mistral-7b", "llama-2-7b"), device="auto", threads=4),
)}
SCALES["smoke"] = dataclasses.replace(
    SCALES["tiny"], name="smoke", seeds=(0,), settings=SMOKE_LISA | SMOKE_HELENE, rates_of="tiny",
    suites=tuple(dataclasses.replace(s, limit=max(4, (s.limit or 64) // 4)) for s in TINY_SUITES),
    about="One seed and a fifth of the tiny scale's steps: it shows that everything runs, and nothing about the paper.")


def get(name: str) -> Scale:
    """A scale by name; Refused when there is none."""
    if name not in SCALES:
        raise Refused(f"cannot use scale {name!r}; because there is none; use one of {', '.join(SCALES)}")
    return SCALES[name]
