"""CoLM's hyper-parameters at each scale, each with whose it is and where it was taken from."""
from __future__ import annotations

from repro.scale import Setting, ours, paper, unstated

_AUDIT = "an independent audit's reading of v4"
_CODE = "the authors' code"
COMPARED = tuple(f"colm.{name}" for name in ("h", "eps", "many", "pools", "r", "alpha", "targets"))
"""What the comparison of selections on true gradients reads while it runs, so that a run's name holds it."""
PAPER_COLM: dict[str, Setting] = {
    "colm.base": paper("phi-2", "abstract; also Phi-3, Zephyr and Llama-3"),
    "colm.steps": paper(1000, _AUDIT),
    "colm.sizes": paper((64, 128, 256), "FT's batches; CoLM takes the first out of the second (figure 3)"),
    "colm.blocks": paper(32, "Phi-2's"),
    "colm.scored": unstated(0.73, f"93 of a pool of 128, the rest of small sources ({_AUDIT})"),
    "colm.micro_batch": unstated(2, "4 GPUs x accumulation 8 for 64 examples"),
    "colm.r": paper(128, _AUDIT), "colm.alpha": paper(512.0, _AUDIT), "colm.dropout": paper(0.05, _AUDIT),
    "colm.targets": paper(("q_proj", "k_proj", "v_proj", "fc1", "fc2"), f"Phi-2's ({_AUDIT})"),
    "colm.rates": ours((1e-5, 2e-5, 4e-5), f"the paper's ({_AUDIT}) and its neighbours, so that every method has its own"),
    "colm.schedule": paper("cosine", f"{_AUDIT}; {_CODE} is linear"),
    "colm.warmup": paper(0.03, f"share of the steps ({_AUDIT})"),
    "colm.clip_norm": unstated(1.0, f"the trainer's default in {_CODE}"),
    "colm.precision": unstated("bf16-mixed", f"{_CODE} has fp16 for Phi-2, bf16 for others"),
    "colm.h": paper(2560, "table 4"), "colm.eps": unstated(1e-3, _CODE),
    "colm.many": ours(16, "directions of the arm with several: a correlation of distances of .87 (third-party measurement)"),
    "colm.seeds": unstated((0, 1, 2), "the number of runs could not be read; the authors' scripts run one"),
    "colm.suites": paper(("math",), "table 1"),
    "colm.items": unstated(None, f"the whole test sets, as {_CODE} does"),
    "colm.points": ours(11, "of the curves of dev loss"), "colm.heldout": ours(None, "all held-out rows"),
    "colm.pools": ours((128, 30), "size and number of the pools in which selections are compared"),
    "colm.clusters": unstated((8, 20, 4), "number of clusters (could not be read), warm-up steps and clusterings (section 5.4)"),
    "colm.task": ours("sst2-1000", "one of SST-2, CB and MultiRC, whose average the paper prints"),
    "colm.task_items": ours(None, "all"),
    "colm.task_steps": unstated(100, "the authors' scripts evaluate up to step 80"),
}
SMALL_COLM = PAPER_COLM | {
    "colm.base": ours("tinyllama", "one GPU"),
    "colm.blocks": ours(22, "TinyLlama's"),
    "colm.h": ours(256, "0.8 % of the 256 x 128 coordinates, as 2,560 of Phi-2's"),
    "colm.pools": ours((32, 30), "pools of the training's size"),
    "colm.targets": ours("linears", "every linear layer"),
    "colm.steps": ours(300, "a part of the run"),
    "colm.sizes": ours((16, 32, 64), "a quarter of the paper's"),
    "colm.rates": ours((2e-5, 1e-4, 5e-4), "the paper's and two above it"),
}
TINY_COLM = SMALL_COLM | {
    "colm.blocks": ours(6, "the embedded model's"),
    "colm.scored": ours(0.81, "13 of a pool of 16"),
    "colm.steps": ours(40, "minutes on two cores"),
    "colm.sizes": ours((8, 16, 32), "an eighth of the paper's"),
    "colm.micro_batch": ours(8, "rows of like length together pad less"),
    "colm.r": ours(8, "1/12 of the width; 128 is 1/20 of Phi-2's"), "colm.alpha": ours(16.0, "twice r"),
    "colm.dropout": ours(0.0, "as the other studies of this scale"),
    "colm.rates": ours((1e-3, 3e-3, 1e-2, 3e-2), "half decades around what trains this model's adapters"),
    "colm.precision": ours("fp32", "CPU"),
    "colm.h": ours(8, "1 % of the 768 coordinates; 2,560 are 0.8 % of Phi-2's"),
    "colm.suites": ours(("math:world",), "the tiny world's mathematics"),
    "colm.items": ours(40, "minutes on two cores"),
    "colm.points": ours(3, "minutes on two cores"),
    "colm.pools": ours((16, 12), "pools of the training's size"),
    "colm.clusters": ours((6, 8, 4), "clusters, warm-up steps, clusterings"),
    "colm.task": ours("sst2-512", "the tiny world's sentiment"),
    "colm.task_steps": ours(40, "minutes on two cores"), "colm.task_items": ours(200, "minutes on two cores"),
}
SMOKE_COLM = TINY_COLM | {
    "colm.steps": ours(8, "a fifth of tiny"), "colm.task_steps": ours(8, "a fifth of tiny"),
    "colm.task_items": ours(50, "seconds"),
    "colm.seeds": ours((0,), "one seed"), "colm.items": ours(8, "seconds"), "colm.pools": ours((16, 2), "seconds"),
    "colm.points": ours(None, "seconds"), "colm.heldout": ours(100, "seconds"),
    "colm.clusters": ours((6, 2, 2), "a fifth of tiny"),
}
