"""What each key stands for at each scale: base models, training sets, suites, hyper-parameters (`repro.settings`).

Nothing else differs between scales.
"""
from __future__ import annotations

import dataclasses

from methods.parts import Refused
from repro.scale import HOUSE, DataRef, ModelRef, OptionsRef, Scale, SetRef, Setting, TaskRef
from repro.settings.colm import PAPER_COLM, SMALL_COLM, SMOKE_COLM, TINY_COLM
from repro.settings.ensembles import PAPER_ENSEMBLES, SMALL_ENSEMBLES, SMOKE_ENSEMBLES, TINY_ENSEMBLES
from repro.settings.helene import PAPER_HELENE, SMALL_HELENE, SMOKE_HELENE, TINY_HELENE
from repro.settings.lisa import PAPER_LISA, SMALL_LISA, SMOKE_LISA, TINY_LISA
from repro.study import SuiteCall
from suites.forms import ALPACA, ALPACA_HEADS, WORLD

__all__ = ["HOUSE", "SCALES", "DataRef", "ModelRef", "OptionsRef", "Scale", "SetRef", "Setting", "TaskRef", "get"]


# ---------------------------------------------------------------------------------------- real models and data

HUB_MODELS = {
    "tinyllama": ModelRef("TinyLlama/TinyLlama_v1.1", note="the paper does not say which checkpoint of TinyLlama"),
    "mistral-7b": ModelRef("mistralai/Mistral-7B-v0.1", note="the paper does not say which version"),
    "llama-2-7b": ModelRef("meta-llama/Llama-2-7b-hf"),
    "llama-2-13b": ModelRef("meta-llama/Llama-2-13b-hf"),
    "llama-2-70b": ModelRef("meta-llama/Llama-2-70b-hf"),
    "roberta-large": ModelRef("FacebookAI/roberta-large"),
    "opt-1.3b": ModelRef("facebook/opt-1.3b"),
    "phi-2": ModelRef("microsoft/phi-2"),
}
HUB_SETS: dict[str, SetRef] = {
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
HUB_SETS |= {name: OptionsRef(name) for name in ("cqa", "obqa", "siqa", "arc-easy", "arc-challenge", "mmlu-stem", "mmlu-social")}
HUB_SETS["math-instruct"] = DataRef(
    "TIGER-Lab/MathInstruct", answer="output", prompt=("instruction",), form=ALPACA_HEADS[0] + ALPACA, held_out=0.02,
    note="262,039 rows of 14 sources; the paper cuts at 512 tokens (8.6 % of the rows), here the model's length does")

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

# ---------------------------------------------------------------------------------------------------- the scales

_STANDS_IN = "the embedded base model stands in for {}; nothing measured on it is about that model"
TINY_MODELS = {
    key: ModelRef("embedded", folder=HOUSE / "suites" / "world" / "base", note=_STANDS_IN.format(name), stands_for=name)
    for key, name in {"tinyllama": "TinyLlama", "mistral-7b": "Mistral-7B", "llama-2-7b": "LLaMA-2-7B",
                      "llama-2-70b": "LLaMA-2-70B"}.items()
}
TINY_SETS: dict[str, SetRef] = {
    "alpaca-gpt4": DataRef("world/instructions", answer="output", prompt=("instruction", "input"), dev="dev", test="test",
                           origin="ours", note="the tiny world's instructions stand in for Alpaca-GPT4"),
    "gsm8k": DataRef("openai/gsm8k", config="main", answer="answer", prompt=("question",), dev="validation", test="test",
                     form="Question: {question}\nAnswer:", origin="ours", note="the tiny world's word problems"),
    "open-web-math": DataRef("world/web-math", answer="text", dev="dev", test="test", origin="ours",
                             note="the tiny world's documents about arithmetic"),
}
TINY_SETS["math-instruct"] = DataRef(
    "world/math-instructions", answer="output", prompt=("instruction",), form=WORLD, dev="dev", test="test",
    origin="ours", note="the tiny world's mathematics from fourteen sources")
TINY_SETS |= {f"{task}-512": TaskRef(task, "nyu-mll/glue", task, 512, dev=128, origin="ours", note="the tiny world's")
              for task in ("sst2", "rte")}
TINY_SETS |= {name: OptionsRef(name, 80, origin="ours", note=note) for name, note in (
    ("reading", "the tiny world's exams about a passage"), ("facts", "the tiny world's multiple choice about facts"),
    ("five-options", "the tiny world's exams of five options"))}
TINY_SUITES = (SuiteCall("heldout:alpaca-gpt4"), SuiteCall("mmlu", 0, 24), SuiteCall("agieval", 0, 8),
               SuiteCall("winogrande", 0, 200), SuiteCall("gsm8k", 0, 32), SuiteCall("pubmedqa", 0, 150))
"""Limits are per task: 8 subjects of MMLU, 9 exams of AGIEval."""
HUB_SUITES = (SuiteCall("heldout:alpaca-gpt4"), SuiteCall("mmlu", 5), SuiteCall("agieval"), SuiteCall("winogrande"),
              SuiteCall("gsm8k", 5), SuiteCall("pubmedqa", 5))

SCALES: dict[str, Scale] = {s.name: s for s in (
    Scale(
        "tiny", "The embedded base model (0.97 million weights) and the tiny world. What is shown here is about this "
        "scale alone: it says which of the paper's explanations can be separated, not how large models behave.",
        seeds=(0, 1, 2), suites=TINY_SUITES, models=TINY_MODELS, sets=TINY_SETS,
        settings=TINY_LISA | TINY_HELENE | TINY_COLM | TINY_ENSEMBLES,
        bases=("tinyllama",),
        world=True),
    Scale(
        "small", "TinyLlama 1.1B and the real benchmarks, a few hundred steps: the paper's smallest model, less training.",
        seeds=(0, 1, 2), suites=HUB_SUITES, models=HUB_MODELS, sets=HUB_SETS | HUB_TASKS,
        settings=SMALL_LISA | SMALL_HELENE | SMALL_COLM | SMALL_ENSEMBLES, bases=("tinyllama",),
        device="auto", threads=4),
    Scale(
        "paper", "The paper's own models, training sets and lengths. What the paper does not state is marked so.",
        seeds=(0, 1, 2), suites=HUB_SUITES, models=HUB_MODELS, sets=HUB_SETS | HUB_TASKS,
        settings=PAPER_LISA | PAPER_HELENE | PAPER_COLM | PAPER_ENSEMBLES,
        bases=("tinyllama", "mistral-7b", "llama-2-7b"), device="auto", threads=4),
)}
SCALES["smoke"] = dataclasses.replace(
    SCALES["tiny"], name="smoke", seeds=(0,), settings=SMOKE_LISA | SMOKE_HELENE | SMOKE_COLM | SMOKE_ENSEMBLES, rates_of="tiny",
    suites=tuple(dataclasses.replace(s, limit=max(4, (s.limit or 64) // 4)) for s in TINY_SUITES),
    about="One seed and a fifth of the tiny scale's steps or fewer: it shows that everything runs, and nothing about the paper.")


def get(name: str) -> Scale:
    """A scale by name; Refused when there is none."""
    if name not in SCALES:
        raise Refused(f"cannot use scale {name!r}; because there is none; use one of {', '.join(SCALES)}")
    return SCALES[name]
