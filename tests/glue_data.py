"""A few made-up rows of every task in the real fields, tokenizers and models that read them."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

from tests.reading import write_set

N = 8
WORDS = ["terrible", "great", "bad", "okay", "good", "Description", "Entity", "Expression", "Human", "Location", "Number", "No",
         "Yes", "Maybe", "It", "was", ".", "?", ",", ":", "what", "film", "w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"]


def record(i: int) -> dict[str, Any]:
    return {"passage": f"Ann met Bo {i}.\n@highlight\nThey won.", "query": "Then @placeholder left.", "entities": ["Ann", "Bo"],
            "answers": ["Bo"] if i % 2 else ["Ann", "Bo"]}


def _super_glue(i: int) -> dict[str, dict[str, Any]]:
    return {
        "rte": {"premise": f"Rain {i}.", "hypothesis": "Wet.", "label": i % 2},
        "cb": {"premise": f"Rain {i}.", "hypothesis": "Wet", "label": i % 3},
        "boolq": {"passage": f"Rain {i}.", "question": "is it wet", "label": i % 2},
        "wsc.fixed": {"text": f"Ann saw Bo {i} and she ran.", "span1_text": "Ann", "span2_text": "She", "label": i % 2},
        "wic": {"word": "run", "sentence1": f"A run {i}.", "sentence2": "I run.", "label": i % 2},
        "multirc": {"paragraph": f"Rain {i}.", "question": "What fell?", "answer": "Rain", "label": i % 2},
        "copa": {"premise": f"It rained {i}.", "choice1": "The road got wet.", "choice2": "I ran.",
                 "question": ("cause", "effect")[i % 2], "label": i % 2},
        "record": record(i),
    }


def write_tasks(root: Path, n: int = N) -> Path:
    """Every set that a task names, with a train and a test split."""
    def splits(make: Any, *more: str) -> dict[str, list[dict[str, Any]]]:
        return {name: [make(i) for i in range(n)] for name in ("train", "validation", *more)}

    nli = {"premise": "w1 film .", "hypothesis": "It was good"}
    write_set(root / "nyu-mll/glue", {
        "sst2": splits(lambda i: {"sentence": f"w{i} film", "label": i % 2}),
        "mnli": {k: [{**nli, "label": i % 3} for i in range(n)] for k in ("train", "validation_matched")},
        "rte": splits(lambda i: {"sentence1": f"w{i} film .", "sentence2": "It was good", "label": i % 2})})
    write_set(root / "aps/super_glue", {c: splits(lambda i, c=c: _super_glue(i)[c]) for c in _super_glue(0)})
    write_set(root / "SetFit/sst5", {"default": splits(lambda i: {"text": f"w{i} film", "label": i % 5}, "test")})
    write_set(root / "CogComp/trec", {"default": splits(lambda i: {"text": f"what w{i}", "coarse_label": i % 6}, "test")})
    write_set(root / "stanfordnlp/snli", {"default": splits(lambda i: {**nli, "label": i % 3 if i else -1})})
    write_set(root / "rajpurkar/squad", {"default": splits(lambda i: {
        "title": "Rain", "context": f"It rained {i} days.", "question": "How long?",
        "answers": {"text": [f"{i} days", str(i)]}})})
    write_set(root / "ucinlp/drop", {"default": splits(lambda i: {
        "passage": f"It rained {i} days.", "question": "How long?", "answers_spans": {"spans": [str(i)]}})})
    return root


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, a space before it or not; start, end, mask and padding as RoBERTa has them."""
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4} | {w: i + 5 for i, w in enumerate(WORDS)}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
                                   unk_token="<unk>", mask_token="<mask>")


def masked_reader(seed: int = 0, length: int = 32) -> RobertaForMaskedLM:
    """A random RoBERTa over the word tokenizer's vocabulary, which reads `length` tokens."""
    torch.manual_seed(seed)
    return RobertaForMaskedLM(RobertaConfig(
        vocab_size=5 + len(WORDS), hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=length + 2, pad_token_id=1, bos_token_id=0, eos_token_id=2)).eval()
