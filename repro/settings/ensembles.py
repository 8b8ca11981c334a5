"""LoRA ensembles' hyper-parameters at each scale. The paper's body could not be read: what is not its abstract's is marked so."""
from __future__ import annotations

from repro.scale import Setting, ours, unstated

_SHEET = "could not be read; chosen as follow-ups have it"
PAPER_ENSEMBLES: dict[str, Setting] = {
    "ensembles.base": unstated("llama-2-13b", "LLaMA-13b is the one model seen in connection with the paper, second hand"),
    "ensembles.train": unstated("cqa", _SHEET),
    "ensembles.other": unstated("obqa", _SHEET),
    "ensembles.far": unstated(("siqa", "mmlu-stem"), "sets that are only tested on; " + _SHEET),
    "ensembles.members": unstated(5, "the abstract's example"),
    "ensembles.steps": unstated(4870, "ten epochs of CommonsenseQA's 7,793 questions that train; " + _SHEET),
    "ensembles.batch_size": unstated(16, _SHEET), "ensembles.micro_batch": unstated(4, "does not change the numbers"),
    "ensembles.points": unstated(11, "every epoch"),
    "ensembles.r": unstated(8, "30 MB of a second-hand quotation is near rank 8 on q and v"),
    "ensembles.alpha": unstated(16.0, _SHEET), "ensembles.targets": unstated("query_value", _SHEET),
    "ensembles.head": unstated(("lm_head", 8), "LoRA on the head alone stands for the last-layer ensemble; layer and rank"),
    "ensembles.dropout": unstated(0.1, _SHEET),
    "ensembles.samples": unstated(10, "MC dropout's passes; " + _SHEET),
    "ensembles.betas": unstated((0.1, 1.0), "of the divergence from the base, over the options"),
    "ensembles.decays": unstated((10.0, 100.0, 1000.0), "on B, decoupled; 0.01 does nothing at these rates"),
    "ensembles.rates": unstated((2e-5, 5e-5, 1e-4), _SHEET),
    "ensembles.warmup": unstated(0.06, "share of the steps; " + _SHEET),
    "ensembles.schedule": unstated("linear", _SHEET), "ensembles.clip_norm": unstated(1.0, _SHEET),
    "ensembles.precision": unstated("bf16-mixed", _SHEET),
    "ensembles.seeds": ours((0, 1, 2), "of all streams, and of the training questions where a scale draws them"),
    "ensembles.tuning_seeds": ours((1000, 1001), "other streams (and draws of questions) than those that are compared"),
    "ensembles.items": ours(None, "all"), "ensembles.dev": ours(None, "all"),
    "ensembles.elsewhere": ours(None, "questions of the sets that are not trained on: all"),
    "ensembles.shots": ours(5, "few-shot baseline"),
}
SMALL_ENSEMBLES = PAPER_ENSEMBLES | {
    "ensembles.base": ours("tinyllama", "one GPU"), "ensembles.steps": ours(2435, "half of the paper scale's: five epochs"),
    "ensembles.points": ours(6, "every epoch"), "ensembles.rates": ours((1e-4, 3e-4, 1e-3), "the follow-ups' and above it"),
    "ensembles.decays": ours((1.0, 10.0, 100.0), "decay times rate as at the paper's scale"),
}
TINY_ENSEMBLES = SMALL_ENSEMBLES | {
    "ensembles.train": ours("reading", "what some questions can teach the embedded model"),
    "ensembles.other": ours("facts", "another form, and nothing to learn from few questions: facts are known or not"),
    "ensembles.far": ours(("five-options",), "five options in place of four"),
    "ensembles.steps": ours(40, "four epochs of 80 questions; minutes on two cores"),
    "ensembles.batch_size": ours(8, "minutes on two cores"), "ensembles.micro_batch": ours(8, "fits"),
    "ensembles.points": ours(4, "minutes on two cores"), "ensembles.samples": ours(5, "as many passes as members"),
    "ensembles.rates": ours((1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1), "half decades around what trains these adapters"),
    "ensembles.decays": ours((1.0, 3.0, 9.0), "decay times rate stays below 1"),
    "ensembles.precision": ours("fp32", "CPU"),
    "ensembles.shots": ours(3, "what fits beside the question"),
    "ensembles.dev": ours(48, "minutes on two cores"), "ensembles.elsewhere": ours(64, "minutes on two cores"),
}
SMOKE_ENSEMBLES = TINY_ENSEMBLES | {
    "ensembles.steps": ours(8, "a fifth of tiny"), "ensembles.members": ours(2, "seconds"),
    "ensembles.points": ours(3, "seconds"),
    "ensembles.seeds": ours((0,), "one seed"), "ensembles.items": ours(24, "seconds"), "ensembles.samples": ours(2, "seconds"),
    "ensembles.dev": ours(16, "seconds"), "ensembles.elsewhere": ours(16, "seconds"),
}
