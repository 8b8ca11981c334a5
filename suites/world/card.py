"""The base model's card: what it was trained on, how long, what it scores; written by the run that made the weights."""

from suites.world.score import Score, pooled
from suites.world.tokenizer import PIECES
from suites.world.world import World

TEXT = """---
library_name: transformers
license: apache-2.0
---

# The tiny world's base model

Llama-shaped, {weights:,} weights in fp32, context 512 (trained on texts of up to about 150 tokens), own byte-level BPE of
{pieces:,} pieces (most words are one, digits stand alone). It exists so that fine-tuning methods can be compared on a laptop
without a network; it is of no other use.

**Trained on** text that `suites/world/corpus.py` writes about the world `{digest}` ({world}):
prose that states every fact; questions in the suites' own prompts about the facts and problem instances of the split `pretrain`
alone; drills (which option is the word itself, sums, copying). At some places the loss asks for a judgement on what was just
read in place of the next token (is this option right?). No fact or instance of train, dev or test is asked.

**Run**: {tokens:,} tokens, {minutes:.0f} minutes, {threads} threads, seed {seed}; AdamW, on weights whose attention looks back
from the start (`suites/world/circuits.py`). The same threads, seed and tokens on the same machine give the same weights:

    python -m repro pretrain

**Scores** on the test items, zero-shot, stock prompts, by the light scorer in `suites/world/score.py`; +- is the binomial
standard error (items that share a fact are not independent, so clustered intervals are wider):

| task | accuracy | chance | n |
|---|---|---|---|
{table}

**Limits**: it knows this world and nothing else; short texts only; greedy arithmetic beyond two digits fails.
"""


def card(single: dict[str, Score], *, world: World, weights: int, tokens: int, seconds: float, threads: int, seed: int) -> str:
    """The README of the base model's folder; groups first, then each task."""
    named = pooled(single)
    table = "\n".join(line(name, score) for name, score in (named | {k: v for k, v in single.items() if k not in named}).items())
    return TEXT.format(weights=weights, pieces=PIECES, digest=world.digest(), world=world, tokens=tokens, minutes=seconds / 60,
                       threads=threads, seed=seed, table=table)  # fmt: skip


def line(name: str, score: Score) -> str:
    """One row of the table."""
    return f"| {name} | {score.accuracy:.3f} +- {score.error:.3f} | {score.chance:.2f} | {score.n} |"
