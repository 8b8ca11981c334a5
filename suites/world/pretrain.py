"""Remakes the embedded base model from nothing: the tokenizer, the pretraining run, the folder that transformers loads."""

import itertools
import random
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
from suites.world.corpus import Document, documents
from suites.world.draw import stream
from suites.world.muon import Muon
from suites.world.score import scores
from suites.world.tokenizer import PIECES, train
from suites.world.world import World

WIDTH, BLOCKS, HEADS, MLP, CONTEXT = 96, 6, 4, 256, 512
TOKENS = 10_000_000
MICRO_TOKENS, CHUNK = 640, 4096
MUON_LR, ADAM_LR, WARMUP, DECAY = 0.012, 5e-3, 0.01, 0.3
TOKENIZER_DOCUMENTS = 30_000
BOS_SHARE = 0.1


@dataclass(frozen=True)
class Rows:
    """A micro-batch: ids [B, T], weight [B, T] of the loss on each token; padding has weight 0."""

    ids: Tensor
    weight: Tensor
    tokens: int


def encode(tokenizer: PreTrainedTokenizerFast, chunk: list[Document], rng: random.Random) -> list[tuple[list[int], list[float]]]:
    """Token ids and loss weights of each document, the end of text included; some documents open with <s>."""
    texts = [part for d in chunk for part, _ in d.parts]
    encoded = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    rows = []
    for d in chunk:
        ids = [tokenizer.bos_token_id] if rng.random() < BOS_SHARE else []
        weights = [0.0] * len(ids)
        for _, weight in d.parts:
            piece = next(encoded)
            ids, weights = ids + piece, weights + [weight] * len(piece)
        rows.append(([*ids, tokenizer.eos_token_id], [*weights, d.parts[-1][1]]))
    return rows


def pad(rows: list[tuple[list[int], list[float]]], pad_id: int) -> Rows:
    """Rows of unequal length as one micro-batch."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [pad_id] * (width - len(ids)) for ids, _ in rows])
    weight = torch.tensor([w + [0.0] * (width - len(w)) for _, w in rows])
    return Rows(ids, weight, sum(len(i) for i, _ in rows))


def micro_batches(world: World, tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[Rows]:
    """Endless micro-batches of about MICRO_TOKENS tokens, rows of like length together, batches in random order."""
    text, rng = documents(world, seed), stream("batches", seed)
    while True:
        rows = encode(tokenizer, list(itertools.islice(text, CHUNK)), rng)
        rows.sort(key=lambda r: len(r[0]))
        batches: list[list[tuple[list[int], list[float]]]] = []
        batch: list[tuple[list[int], list[float]]] = []
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
    """The tokenizer fitted to the first documents of the world's text."""
    text = itertools.islice(documents(world, seed=-1), TOKENIZER_DOCUMENTS)
    return train(d.text for d in text)


def fresh_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A Llama-shaped model of 0.86 M weights, embeddings and head untied.

    Embeddings start large: with the usual 0.02 Adam's first steps drown what tells one name from another, and looking
    back at earlier words is learned many times later. Four coordinates start equal, so that attention can go by place.
    """
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=PIECES, hidden_size=WIDTH, intermediate_size=MLP, num_hidden_layers=BLOCKS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, max_position_embeddings=CONTEXT, tie_word_embeddings=False, rms_norm_eps=1e-5,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(std=0.3)
        model.model.embed_tokens.weight[:, :4] = 1.0
        for block in model.model.layers:
            for p in block.parameters():
                if p.ndim == 2:
                    p.normal_(std=p.shape[1] ** -0.5)
    return model


def optimizers(model: LlamaForCausalLM) -> tuple[Muon, torch.optim.AdamW]:
    """Muon for the blocks' matrices, AdamW for embeddings, head and norms."""
    blocks = [dict(b.named_parameters()) for b in model.model.layers]
    matrices = [name for name, p in blocks[0].items() if p.ndim == 2]
    chosen = {id(b[name]) for b in blocks for name in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    shapes = dict.fromkeys(blocks[0][name].shape for name in matrices)
    groups = [[b[name] for b in blocks for name in matrices if b[name].shape == shape] for shape in shapes]
    return Muon(groups), torch.optim.AdamW(
        rest, lr=ADAM_LR, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )


def loss_sum(model: nn.Module, rows: Rows) -> Tensor:
    """Weighted sum of the tokens' negative log-likelihoods; padding is on the right, so causal attention needs no mask."""
    logits = model(input_ids=rows.ids[:, :-1], use_cache=False).logits
    nll = nn.functional.cross_entropy(logits.flatten(0, 1), rows.ids[:, 1:].flatten(), reduction="none")
    return nll @ rows.weight[:, 1:].flatten()


def rate(done: float) -> float:
    """Warm-up, plateau, linear decay to 0; ``done`` is the share of the tokens seen."""
    return min(1.0, done / WARMUP + 0.01, (1 - done) / DECAY)


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
    muon, adam = optimizers(model)
    seen, start = 0, time.monotonic()
    model.train()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        while seen < tokens:
            micro = [next(batches) for _ in range(threads)]
            weight = sum(float(m.weight[:, 1:].sum()) for m in micro)
            parts = list(pool.map(lambda m, w=weight: gradient(model, m, w), micro))
            for p, *grads in zip(model.parameters(), *(g for _, g in parts), strict=True):
                p.grad = sum(grads[1:], grads[0])
            scale = rate(seen / tokens)
            for group in adam.param_groups:
                group["lr"] = ADAM_LR * scale
            adam.step()
            muon.step(MUON_LR * scale, pool.map)
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
