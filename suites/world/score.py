"""A light scorer for watching pretraining: the stock prompts, log-likelihood of the options, greedy solutions."""

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from suites.world import agieval, glue, gsm8k, mmlu, pubmedqa, winogrande
from suites.world.world import World


@dataclass(frozen=True)
class Item:
    """One multiple-choice item: (context, continuation) of each option, and the index of the right one."""

    pairs: tuple[tuple[str, str], ...]
    gold: int


def _mmlu(r: dict[str, Any]) -> Item:
    text = mmlu.prompt(r["question"], r["choices"], r["subject"])
    return Item(tuple((text, f" {c}") for c in "ABCD"), r["answer"])


def _agieval(r: dict[str, Any]) -> Item:
    return Item(tuple((r["query"], f" {c}") for c in r["choices"]), r["gold"][0])


def _winogrande(r: dict[str, Any]) -> Item:
    before, after = r["sentence"].split("_")
    return Item(tuple((before + r[o], after) for o in ("option1", "option2")), int(r["answer"]) - 1)


def _pubmedqa(r: dict[str, Any]) -> Item:
    text = pubmedqa.prompt(r)
    return Item(tuple((text, f" {a}") for a in pubmedqa.ANSWERS), pubmedqa.ANSWERS.index(r["final_decision"]))


def _sst2(r: dict[str, Any]) -> Item:
    text = glue.sentiment_prompt(r["sentence"])
    return Item(((text, " negative"), (text, " positive")), r["label"])


def _rte(r: dict[str, Any]) -> Item:
    text = glue.inference_prompt(r["sentence1"], r["sentence2"])
    return Item(((text, " True"), (text, " False")), r["label"])


def choice_sets(world: World) -> dict[str, list[Item]]:
    """The test items of every multiple-choice task, by name."""
    sets = {f"mmlu_{s}": [_mmlu(r) for r in c["test"]] for s, c in mmlu.tables(world).items() if s != "all"}
    for hub_id, configs in agieval.tables(world).items():
        if hub_id != "hails/agieval-math":
            sets[f"agieval_{hub_id[14:]}"] = [_agieval(r) for r in configs["default"]["test"]]
    sets["winogrande"] = [_winogrande(r) for r in winogrande.tables(world)["winogrande_xl"]["validation"]]
    sets["pubmedqa"] = [_pubmedqa(r) for r in next(iter(pubmedqa.tables(world).values()))["test"]]
    small = glue.tables(world)
    sets["sst2"] = [_sst2(r) for r in small["sst2"]["validation"]]
    sets["rte"] = [_rte(r) for r in small["rte"]["validation"]]
    return sets


@torch.inference_mode()
def likelihoods(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, pairs: list[tuple[str, str]]) -> list[float]:
    """Sum of log-likelihoods of each continuation given its context."""
    encoded = [(tokenizer(c, add_special_tokens=False)["input_ids"], tokenizer(t, add_special_tokens=False)["input_ids"])
               for c, t in pairs]  # fmt: skip
    order = sorted(range(len(pairs)), key=lambda i: len(encoded[i][0]) + len(encoded[i][1]))
    result = [0.0] * len(pairs)
    for at in range(0, len(order), 64):
        index = order[at : at + 64]
        rows = [encoded[i][0] + encoded[i][1] for i in index]
        width = max(map(len, rows))
        ids = torch.tensor([r + [tokenizer.pad_token_id] * (width - len(r)) for r in rows])
        logs = model(input_ids=ids, use_cache=False).logits.log_softmax(-1)
        picked = logs[:, :-1].gather(-1, ids[:, 1:, None]).squeeze(-1)
        for row, i in enumerate(index):
            n, m = map(len, encoded[i])
            result[i] = float(picked[row, n - 1 : n + m - 1].sum())
    return result


def accuracy(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, items: list[Item]) -> float:
    """Share of items whose right option is the likeliest."""
    scores = iter(likelihoods(model, tokenizer, [p for item in items for p in item.pairs]))
    right = 0
    for item in items:
        own = [next(scores) for _ in item.pairs]
        right += own.index(max(own)) == item.gold
    return right / len(items)


@torch.inference_mode()
def solve(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: list[str], most: int = 60) -> list[str]:
    """Greedy continuations, prompts of one length together so that none is padded."""
    encoded = [tokenizer(p, add_special_tokens=False)["input_ids"] for p in prompts]
    answers = [""] * len(prompts)
    for length in sorted({len(e) for e in encoded}):
        index = [i for i, e in enumerate(encoded) if len(e) == length]
        ids = torch.tensor([encoded[i] for i in index])
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False)
        for i, row in zip(index, out[:, length:].tolist(), strict=True):
            answers[i] = tokenizer.decode(row, skip_special_tokens=True)
    return answers


@dataclass(frozen=True)
class Score:
    """Accuracy on ``n`` items, its standard error, and what guessing would give."""

    accuracy: float
    n: int
    chance: float

    @property
    def error(self) -> float:
        """Binomial standard error."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.n)


def scores(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, world: World, share: float = 1.0) -> dict[str, Score]:
    """Every task's score on its test items, or on the first ``share`` of them; the model's mode is kept."""
    training = model.training
    model.eval()
    sets = {name: items[: math.ceil(share * len(items))] for name, items in choice_sets(world).items()}
    made = {
        name: Score(accuracy(model, tokenizer, items), len(items), sum(1 / len(i.pairs) for i in items) / len(items))
        for name, items in sets.items()
    }
    made["gsm8k"], made["agieval_math"] = solved(model, tokenizer, world, share)
    model.train(training)
    return made


def pooled(single: dict[str, Score]) -> dict[str, Score]:
    """MMLU and AGIEval's multiple choice as one score each, by item, beside the tasks that stand alone."""
    groups = {"mmlu": [v for k, v in single.items() if k.startswith("mmlu_")],
              "agieval": [v for k, v in single.items() if k.startswith("agieval_") and k != "agieval_math"]}  # fmt: skip
    alone = ("winogrande", "pubmedqa", "gsm8k", "agieval_math", "sst2", "rte")
    return {name: _pool(members) for name, members in groups.items()} | {name: single[name] for name in alone}


def _pool(members: list[Score]) -> Score:
    n = sum(m.n for m in members)
    return Score(sum(m.accuracy * m.n for m in members) / n, n, sum(m.chance * m.n for m in members) / n)


def solved(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, world: World, share: float = 1.0) -> tuple[Score, Score]:
    """GSM8K problems solved (strict match) and the generative exam's answers hit."""
    rows: list[dict[str, Any]] = gsm8k.tables(world)["main"]["test"]
    rows = rows[: math.ceil(share * len(rows))]
    texts = solve(model, tokenizer, [f"Question: {r['question']}\nAnswer:" for r in rows])
    strict = [_last(t) == _last(r["answer"]) for t, r in zip(texts, rows, strict=True)]
    exam: list[dict[str, Any]] = agieval.tables(world)["hails/agieval-math"]["default"]["test"]
    texts = solve(model, tokenizer, [r["query"] for r in exam], most=8)
    exact = [t.strip() == r["answer"] for t, r in zip(texts, exam, strict=True)]
    return Score(sum(strict) / len(strict), len(strict), 0.0), Score(sum(exact) / len(exact), len(exact), 0.0)


def _last(text: str) -> str:
    """What follows ``####``; the empty text never equals a solution's."""
    found = re.search(r"#### (-?[0-9.,]+)", text)
    return found.group(1) if found else ""
