"""Five LoRA members on one base, side by side in one run: all in one pass (ours) against PEFT's two ways, and one plain pass.

PEFT's ways: its set_adapter in a loop over members, and its mixed batch (`adapter_names`). Scoring is one pass over texts,
the head at the last token alone as the suites read it; decoding writes tokens greedily from the mean of the members'
probabilities, with caches. The plain pass is the base model's for the same questions: what one member would cost merged.
"""
from __future__ import annotations

import copy
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from methods import anatomy
from methods.adapters import Adapters
from methods.decoding import Common, decode, generate, log_mean
from methods.stacked import repeated, stacked
from repro.scales import get
from suites import models

M, RANK, NEW, PROMPT, TEXT = 5, 8, 16, 8, 48
BATCHES = (1, 8, 32)
FEW = 2
"""Rounds of the longest cases: no quartiles to speak of."""
SLOWER, FASTER, APART = 1.05, 2.0, 1e-4
"""Ours against PEFT's better way, at most; PEFT's loop against ours at batch 1, at least; logits, at most."""
OURS, LOOP, MIXED, PLAIN = "members in one pass (ours)", "PEFT, set_adapter", "PEFT, adapter_names", "one plain pass"


def embedded() -> Any:
    return models.load(get("tiny").model("tinyllama").place)[0]


def large() -> Any:
    """A random Llama of 63 million weights, nine tenths of them in its blocks."""
    return llama(4096, 768, 2048, 12)


def wordy() -> Any:
    """A random Llama of the shape of karpathy's stories42M, the head not tied: 58 million weights, the real one's vocabulary."""
    return llama(32000, 512, 1376, 8)


def shallow() -> Any:
    """A random Llama of the shape of JackFram/llama-68m: 68 million weights in two blocks and the real one's vocabulary."""
    return llama(32000, 768, 3072, 12, blocks=2)


def llama(vocabulary: int, hidden: int, inner: int, heads: int, blocks: int = 8) -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=blocks, num_attention_heads=heads,
        num_key_value_heads=heads, max_position_embeddings=512, tie_word_embeddings=False)).eval()


@dataclass(frozen=True)
class Setting:
    """A base model and where its members sit. `parts`: by what its rounds are divided at each size of batch."""

    base: Callable[[], Any]
    parts: tuple[int, ...]
    everywhere: bool = False
    """Members on all linear layers of the blocks, as users of PEFT often have them; else on query and value, as the paper has."""


BASES: Mapping[str, Setting] = {"embedded": Setting(embedded, (2, 3, 4)), "63 M": Setting(large, (3, 6, 6)),
                                "58 M": Setting(wordy, (3, 6, 6)), "68 M": Setting(shallow, (3, 6, 6)),
                                "58 M, all linear layers": Setting(wordy, (3, 6), everywhere=True)}


@dataclass(frozen=True)
class Team:
    """One base, its members, and the same members as PEFT's adapters beside the same weights."""

    base: Any
    wrapped: Any
    names: tuple[str, ...]
    members: tuple[Adapters, ...]

    @classmethod
    def on(cls, base: Any, everywhere: bool = False) -> Team:
        """Members of rank 8 on query and value, as the study has them, or on all linear layers; B drawn too."""
        body = anatomy.read(base)
        names = tuple(f"member{m}" for m in range(M))
        config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(body.linears if everywhere else body.query_value),
                            init_lora_weights=False, task_type="CAUSAL_LM")
        torch.manual_seed(1)
        wrapped = get_peft_model(copy.deepcopy(base, {id(t): t for t in base.parameters()}), config, adapter_name=names[0])
        for name in names[1:]:
            wrapped.add_adapter(name, config)
        wrapped.eval().requires_grad_(False)
        return cls(base, wrapped, names, tuple(Adapters.of(wrapped, name) for name in names))

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for member in self.members for both in member.factors.values() for t in both)


@dataclass
class Case:
    """What all contenders do: `ways` each give [M, B, V] logits, or [B, new] tokens."""

    name: str
    rounds: int
    ways: dict[str, Callable[[], Tensor]]
    around: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    """Contexts entered before the clock starts."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    found: dict[str, Tensor] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    """Bytes allocated at once beyond weights and adapters, where there was a turn to warm up."""

    def run(self) -> None:
        """All contenders in turns; the first turn warms up, unless there are too few for one (then the process is warm)."""
        if self.rounds > FEW:
            self.peaks = {name: peak_bytes(lambda name=name: self.once(name)) for name in self.ways}  # type: ignore[misc]
        for _ in range(self.rounds):
            for name in self.ways:
                self.seconds.setdefault(name, []).append(self.once(name))

    def once(self, name: str) -> float:
        with self.around[name]() if name in self.around else nullcontext():
            began = time.perf_counter()
            self.found[name] = self.ways[name]()
            return time.perf_counter() - began

    def ratio(self, one: str, other: str) -> list[float]:
        return [a / b for a, b in zip(self.seconds[one], self.seconds[other], strict=True)]


def texts(team: Team, batch: int, tokens: int) -> tuple[Tensor, Tensor]:
    ids = torch.randint(3, team.base.config.vocab_size, (batch, tokens), generator=torch.Generator().manual_seed(2))
    return ids, torch.ones_like(ids)


def scoring(team: Team, label: str, batch: int, rounds: int, tokens: int = TEXT) -> Case:
    ids, mask = texts(team, batch, tokens)
    many, masks, names = repeated(ids, M), repeated(mask, M), [n for n in team.names for _ in range(batch)]
    last = {"use_cache": False, "logits_to_keep": 1}

    def by_loop() -> Tensor:
        out = []
        for name in team.names:
            team.wrapped.set_adapter(name)
            out.append(team.wrapped(input_ids=ids, attention_mask=mask, **last).logits[:, -1])
        return torch.stack(out)

    def split(logits: Tensor) -> Tensor:
        return logits[:, -1].view(M, batch, -1)
    return Case(f"{label}, scoring, batch {batch}", rounds, {
        OURS: lambda: split(team.base(input_ids=many, attention_mask=masks, **last).logits),
        LOOP: by_loop,
        MIXED: lambda: split(team.wrapped(input_ids=many, attention_mask=masks, adapter_names=names, **last).logits),
        PLAIN: lambda: team.base(input_ids=ids, attention_mask=mask, **last).logits[:, -1],
    }, {OURS: lambda: stacked(team.base, team.members)})


def decoding(team: Team, label: str, batch: int, rounds: int, tokens: int = PROMPT, new: int = NEW) -> Case:
    ids, mask = texts(team, batch, tokens)
    many, masks, names = repeated(ids, M), repeated(mask, M), [n for n in team.names for _ in range(batch)]
    return Case(f"{label}, decoding, batch {batch}", rounds, {
        OURS: lambda: generate(team.base, team.members, ids, mask, new, None, 0),
        LOOP: lambda: by_loop(team, ids, mask, new),
        MIXED: lambda: decode(team.wrapped, Common(M), many, masks, new, None, 0, adapter_names=names)[:batch],
        PLAIN: lambda: decode(team.base, Common(1), ids, mask, new, None, 0),
    })


def by_loop(team: Team, ids: Tensor, mask: Tensor, new: int) -> Tensor:
    """The loop a careful user of PEFT writes: a cache for each member, one adapter after another at every token."""
    caches, written, step = [DynamicCache() for _ in team.names], ids[:, :0], ids
    for _ in range(new):
        out = []
        for name, cache in zip(team.names, caches, strict=True):
            team.wrapped.set_adapter(name)
            out.append(team.wrapped(input_ids=step, attention_mask=mask, past_key_values=cache, use_cache=True,
                                    logits_to_keep=1).logits[:, -1])
        step = log_mean(torch.stack(out)).argmax(-1, keepdim=True)
        written, mask = torch.cat([written, step], 1), torch.cat([mask, torch.ones_like(step)], 1)
    return written


def bench_ensemble(rounds: int = 12, bases: Mapping[str, Setting] = BASES,
                   batches: Sequence[int] = BATCHES) -> dict[str, Any]:
    """Rows as `bench_fit` gives them, `limits`, `equal`, and `phases`: what M members cost over one plain pass."""
    out: dict[str, Any] = {"rows": [], "limits": [], "equal": {}, "phases": []}
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # PEFT asks transformers
        for label, at in bases.items():
            team = Team.on(at.base(), at.everywhere)
            for kind in (scoring, decoding):
                flops = counted(kind(team, label, 1, 1))
                for batch, part in zip(batches, at.parts, strict=False):
                    case = kind(team, label, batch, max(FEW, rounds // part))
                    case.run()
                    out["rows"] += [row(case, name, flops, team) for name in case.ways]
                    out["limits"] += limits(case, batch)
                    out["equal"] |= agreements(case)
                    out["phases"].append(cost(case))
    return out | {"setting": f"{M} members of rank {RANK}, on query and value unless said; scoring {TEXT} tokens, decoding {NEW} "
                             f"after {PROMPT}; {torch.get_num_threads()} threads, {rounds} rounds, fewer of long cases"}


def row(case: Case, name: str, flops: Mapping[str, int], team: Team) -> dict[str, Any]:
    """`flop_bound_to_one_pass` is counted at batch 1; `state_bytes` are the members' factors: ours holds them once more."""
    low, middle, high = statistics.quantiles(case.ratio(name, PLAIN), n=4)
    return {"name": f"{case.name}: {name}", "step_ms": 1e3 * statistics.median(case.seconds[name]), "against": PLAIN,
            "ratio": middle, "ratio_quartiles": [low, high], "ratio_to_one_pass": middle,
            "flop_bound_to_one_pass": flops[name] / flops[PLAIN], "state_bytes": team.nbytes * {OURS: 2, PLAIN: 0}.get(name, 1)}


def limits(case: Case, batch: int) -> list[dict[str, Any]]:
    better = min((LOOP, MIXED), key=lambda name: statistics.median(case.seconds[name]))
    bound = "arithmetic" if statistics.median(case.ratio(OURS, PLAIN)) > M / 2 else "reading weights, and calls"
    ratio = statistics.median(case.ratio(OURS, better))
    out = [{"at": case.name, "what": f"ours against {better}, at most", "limit": SLOWER, "unit": "x", "ratio": ratio,
            "holds": ratio <= SLOWER, "bound by": bound}]
    if batch == 1:
        faster = statistics.median(case.ratio(LOOP, OURS))
        out.append({"at": case.name, "what": f"{LOOP} against ours, at least", "limit": FASTER, "unit": "x", "ratio": faster,
                    "holds": faster >= FASTER, "bound by": bound})
    return out


def agreements(case: Case) -> dict[str, bool]:
    """Logits within the limit, tokens the same."""
    mine = case.found[OURS]
    return {f"{case.name}: {OURS} = {other}": bool((mine - case.found[other]).abs().max() <= APART if mine.is_floating_point()
                                                   else torch.equal(mine, case.found[other])) for other in (LOOP, MIXED)}


def cost(case: Case) -> str:
    """The paper's claim of almost the same overhead, as a sentence."""
    times = ", ".join(f"{name} {statistics.median(case.ratio(name, PLAIN)):.2f}" for name in (OURS, LOOP, MIXED))
    peaks = ", ".join(f"{name} {peak:,}" for name, peak in case.peaks.items())
    return f"{case.name}: {M} members in plain passes: {times}" + (f"; peak extra bytes: {peaks}" if peaks else "")


def counted(case: Case) -> dict[str, int]:
    """Floating-point operations of each contender's matrix products."""
    found = {}
    for name in case.ways:
        with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.baddbmm_: added}) as counter:
            case.once(name)
        found[name] = int(counter.get_total_flops())
    return found


def added(to: Sequence[int], one: Sequence[int], other: Sequence[int], **kw: Any) -> int:
    """torch's counter knows the product that is added to a tensor, and not the one that is added in place."""
    return 2 * math.prod(one) * other[-1]


def peak_bytes(work: Callable[[], Any]) -> int:
    """The most that was allocated at once by torch on the CPU meanwhile."""
    with silent(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    results: Any = seen.profiler
    held = [(event.start_ns(), int(event.nbytes())) for event in results.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate((by for _, by in sorted(held)), initial=0))


@contextmanager
def silent() -> Iterator[None]:
    """The profiler's library writes two lines to the error stream by itself."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
