"""A tokenizer, a reading model and a folder of benchmarks, all made here, for tests of suites and data."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SUBJECTS = ("anatomy", "sociology")


def byte_tokenizer(*, pad: bool = True, length: int = 400) -> PreTrainedTokenizerFast:
    """A piece for each byte, an end and a padding token."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"</s>": 0, "<pad>": 1} | {c: i + 2 for i, c in enumerate(letters)}
    bpe = Tokenizer(models.BPE(words, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    more = {"pad_token": "<pad>"} if pad else {}
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="</s>", model_max_length=length, **more)


def reader(seed: int = 0, length: int = 400) -> LlamaForCausalLM:
    """A random Llama over the byte tokenizer's pieces."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=258, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=length, bos_token_id=None, eos_token_id=0, pad_token_id=1)).eval()


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_set(folder: Path, configs: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> None:
    """A data set in the Hub's shape."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            write_rows(folder / config / f"{split}.jsonl", rows)
            lines += [f"  - split: {split}", f"    path: {config}/{split}.jsonl"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


def write_benchmarks(root: Path, items: int = 6) -> Path:
    """A few made-up items of every suite in the real fields; MMLU in two subjects, AGIEval in two exams and mathematics."""
    def mmlu(i: int) -> dict[str, Any]:
        return {"question": f"Which is {i}?", "choices": ["one", "two", "three", "four"], "answer": i % 4,
                "fact": f"number/{i // 2}"}

    def exam(i: int) -> dict[str, Any]:
        return {"query": f"Q: {i} or {i + 1}?\nA: The answer is", "choices": [f"(A){i}", f"(B){i + 1}"], "gold": [i % 2]}

    rows = range(items)
    write_set(root / "cais/mmlu", {s: {"dev": [mmlu(i) for i in range(5)], "test": [mmlu(i) for i in rows]}
                                   for s in SUBJECTS})
    sums = [{"question": f"What is {i} + {i}?", "answer": f"{i} + {i} = {2 * i}\n#### {2 * i}"} for i in rows]
    write_set(root / "openai/gsm8k", {"main": {"train": sums, "test": sums}})
    for name in ("aqua-rat", "sat-en"):
        write_set(root / f"hails/agieval-{name}", {"default": {"test": [exam(i) for i in rows]}})
    math = [{"query": f"Q: {i} + 1?\nA: The answer is", "answer": str(i + 1)} for i in rows]
    write_set(root / "hails/agieval-math", {"default": {"test": math}})
    choice = [{"sentence": f"Ann beat Bo {i} times, so _ won.", "option1": "Ann", "option2": "Bo", "answer": "1"} for i in rows]
    write_set(root / "allenai/winogrande", {"winogrande_xl": {"train": choice, "validation": choice}})
    study = [{"QUESTION": "Is it?", "CONTEXTS": ["We looked.", "word " * 20 * i], "final_decision": "yes"} for i in rows]
    write_set(root / "bigbio/pubmed_qa", {"pubmed_qa_labeled_fold0_source": {
        "train": study, "validation": study, "test": study}})
    return root
