"""Remakes the embedded base model from nothing: the tokenizer, the pretraining run, the folder that transformers loads."""

import itertools
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from methods import atomic
from suites.world.card import card
from suites.world.circuits import look_back
from suites.world.corpus import Document, documents
from suites.world.draw import stream
from suites.world.score import scores
from suites.world.tokenizer import PIECES, train
from suites.world.world import World

WIDTH, BLOCKS, HEADS, MLP, CONTEXT = 96, 6, 4, 256, 512
TOKENS = 7_000_000
MICRO_TOKENS, CHUNK = 640, 4096
LR, WARMUP_STEPS, COOLED = 3e-3, 50, 0.4  # the last 40 % of the tokens cool down to 0
WEIGHT_DECAY, CLIP = 0.1, 1.0
TOKENIZER_DOCUMENTS = 30_000
BOS_SHARE = 0.1


Row = tuple[list[int], list[int], list[float]]


@dataclass(frozen=True)
class Rows:
    """A micro-batch: ids [B, T]; what each place is to say and the weight of that [B, T]; weight 0 is no target."""

    ids: Tensor
    targets: Tensor
    weight: Tensor
    tokens: int


def encode(tokenizer: PreTrainedTokenizerFast, chunk: list[Document], rng: random.Random) -> list[Row]:
    """Ids, targets and target weights of each document; some documents open with <s>."""
    texts = [part.text for d in chunk for part in d.parts]
    encoded = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    rows = []
    for d in chunk:
        ids = [tokenizer.bos_token_id] if rng.random() < BOS_SHARE else []
        own, judged = [0.0] * len(ids), {}
        for part in d.parts:
            piece = next(encoded)
            ids, own = ids + piece, own + [part.weight] * len(piece)
            if part.judged:
                judged[len(ids) - 1] = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(f" {part.judged}")[-1])
        targets, weight = [*ids[1:], tokenizer.eos_token_id], [*own[1:], d.parts[-1].weight]
        for place, target in judged.items():
            targets[place], weight[place] = target, 1.0
        rows.append((ids, targets, weight))
    return rows


def pad(rows: list[Row], pad_id: int) -> Rows:
    """Rows of unequal length as one micro-batch."""
    width = max(len(ids) for ids, _, _ in rows)
    ids = torch.tensor([i + [pad_id] * (width - len(i)) for i, _, _ in rows])
    targets = torch.tensor([t + [pad_id] * (width - len(t)) for _, t, _ in rows])
    weight = torch.tensor([w + [0.0] * (width - len(w)) for _, _, w in rows])
    return Rows(ids, targets, weight, sum(len(i) for i, _, _ in rows))


def micro_batches(world: World, tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[Rows]:
    """Endless micro-batches of about MICRO_TOKENS tokens, rows of like length together, batches in random order."""
    text, rng = documents(world, seed), stream("batches", seed)
    while True:
        rows = encode(tokenizer, list(itertools.islice(text, CHUNK)), rng)
        rows.sort(key=lambda r: len(r[0]))
        batches: list[list[Row]] = []
        batch: list[Row] = []
        for row in rows:
            if batch and len(row[0]) * (len(batch) + 1) > MICRO_TOKENS:
                batches.append(batch)
                batch = []
            batch.append(row)
        batches.append(batch)
        rng.shuffle(batches)
        for b in batches:
            yield pad(b, tokenizer.pad_token_id)


def make_tokenizer(world: World) -> PreTrainedTokenizerFast:
    """The tokenizer fitted to the words of the world's first documents, each word once.

    By frequency instead, rare names and things would fall into pieces, and matching an option with a fact would mean
    matching several tokens in a row.
    """
    text = itertools.islice(documents(world, seed=-1), TOKENIZER_DOCUMENTS)
    return train(sorted({word for d in text for word in re.findall(r" ?[A-Za-z]+", d.text)}))


def fresh_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A Llama-shaped model of 0.86 M weights, embeddings and head untied, whose attention looks back from the start."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=PIECES, hidden_size=WIDTH, intermediate_size=MLP, num_hidden_layers=BLOCKS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, max_position_embeddings=CONTEXT, tie_word_embeddings=False, rms_norm_eps=1e-5,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    look_back(model)
    return model


def optimizer(model: LlamaForCausalLM) -> torch.optim.AdamW:
    """AdamW; the norms' gains do not decay."""
    matrices, gains = [[p for p in model.parameters() if (p.ndim == 2) == which] for which in (True, False)]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.98), fused=True)


def loss_sum(model: nn.Module, rows: Rows) -> Tensor:
    """Weighted sum of the targets' negative log-likelihoods; padding is on the right, so causal attention needs no mask."""
    logits = model(input_ids=rows.ids, use_cache=False).logits
    nll = nn.functional.cross_entropy(logits.flatten(0, 1), rows.targets.flatten(), reduction="none")
    return nll @ rows.weight.flatten()


def rate(step: int, done: float) -> float:
    """Warm-up by steps, plateau, linear cooling to 0; ``done`` is the share of the tokens seen."""
    return min(1.0, (step + 1) / WARMUP_STEPS, (1 - done) / COOLED)


@dataclass(frozen=True)
class Progress:
    """Where a pretraining run is."""

    tokens: int
    of: int
    loss: float
    seconds: float


def gradient(model: LlamaForCausalLM, rows: Rows, weight: float) -> tuple[float, tuple[Tensor, ...]]:
    """Loss and gradients of one micro-batch, in the order of the model's weights; ``weight``: the whole batch's."""
    loss = loss_sum(model, rows) / weight
    return float(loss.detach()), torch.autograd.grad(loss, list(model.parameters()))


def run(model: LlamaForCausalLM, batches: Iterator[Rows], tokens: int, threads: int) -> Iterator[Progress]:
    """Train until ``tokens`` tokens (without padding) were seen; yields after every step.

    Each thread works on a micro-batch of its own: on small matrices that is faster than sharing each product.
    """
    adam = optimizer(model)
    seen, start = 0, time.monotonic()
    model.train()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for step in itertools.count():
            if seen >= tokens:
                return
            micro = [next(batches) for _ in range(threads)]
            weight = sum(float(m.weight.sum()) for m in micro)
            parts = list(pool.map(lambda m, w=weight: gradient(model, m, w), micro))
            for p, *grads in zip(model.parameters(), *(g for _, g in parts), strict=True):
                p.grad = sum(grads[1:], grads[0])
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            for group in adam.param_groups:
                group["lr"] = LR * rate(step, seen / tokens)
            adam.step()
            seen += sum(m.tokens for m in micro)
            yield Progress(seen, tokens, sum(loss for loss, _ in parts), time.monotonic() - start)


def pretrain(
    out: Path,
    *,
    tokens: int = TOKENS,
    threads: int = 2,
    seed: int = 0,
    world: World = World(),  # noqa: B008  (frozen)
    watch: Callable[[Progress, LlamaForCausalLM, PreTrainedTokenizerFast], None] = lambda *_: None,
) -> Path:
    """Writes the base model's folder with its card; the same threads, seed and tokens give the same weights. Atomic."""
    torch.set_num_threads(1)
    tokenizer = make_tokenizer(world)
    model = fresh_model(tokenizer, seed)
    progress = Progress(0, tokens, 0.0, 0.0)
    for progress in run(model, micro_batches(world, tokenizer, seed), tokens, threads):
        watch(progress, model, tokenizer)
    model.eval()
    readme = card(
        scores(model, tokenizer, world), world=world, weights=sum(p.numel() for p in model.parameters()),
        tokens=progress.tokens, seconds=progress.seconds, threads=threads, seed=seed,
    )  # fmt: skip
    with atomic.folder(out) as fresh:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        (fresh / "README.md").write_text(readme, encoding="utf-8")
        for path in fresh.iterdir():
            path.chmod(0o644)
    return out
