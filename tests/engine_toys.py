"""A real run on toys, and a worker that can be killed on the way; importable by spawned workers."""
from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from methods import atomic, papers
from methods.training import Training
from repro.measure import Desk
from repro.scale import DataRef, ModelRef, Scale
from repro.store import Store
from repro.study import Arm, Run, Stage, SuiteCall
from repro.worker import Measure, Result, Say
from suites import models
from tests.toys import toy_llama


def toy_scale(root: Path) -> Scale:
    """A scale whose base model is a toy of forty words, made under `root` at first use."""
    folder = root / "toy"
    if not folder.exists():
        words = {w: i for i, w in enumerate(("[PAD]", "</s>", *(f"w{i}" for i in range(38))))}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_level(words), pad_token="[PAD]", eos_token="</s>")
        models.save(toy_llama(2), tokenizer, folder)
        rows = [{"q": f"w{i % 30} w{i % 7}", "a": f"w{i % 11} w{i % 5} w{i % 3}"} for i in range(60)]
        atomic.write_text(root / "toys.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    sets = {"toys": DataRef(str(root / "toys.jsonl"), answer="a", prompt=("q",), held_out=0.5)}
    return Scale("tiny", "toys", (0,), (), {"toy": ModelRef("toy", folder=folder)}, sets, {}, ("toy",))


def word_level(words: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return tokenizer


def toy_run(root: Path, note: str = "") -> Run:
    """LISA, then LoRA, then the held-out loss. `note` "PHASE STEP" kills the worker there, once; "parent PHASE STEP" whoever
    started it."""
    stages = tuple(Stage(recipe, "toys", Training(steps=6, batch_size=4))
                   for recipe in (papers.lisa(1e-3, 1, 2), papers.lora(1e-3, r=2, alpha=4)))
    suites = (SuiteCall("heldout:toys"),)
    return Run("fake", Arm("toy", "Toy", "toy", stages, suites, (0,), probes=("dev", "norms"), note=note), 0, "tiny", 1, {})


def toy_desk(store: Store) -> Measure:
    """The real desk, with a checkpoint at every step."""
    desk = Desk(store, every_s=0.0, scale_of=lambda name: toy_scale(store.root))

    def measure(of: Run, say: Say) -> Result:
        mark = store.root / "killed"

        def saying(phase: str, done: int, total: int) -> None:
            say(phase, done, total)
            if of.arm.note.removeprefix("parent ") == f"{phase} {done}" and not mark.exists():
                mark.touch()
                os.kill(os.getppid() if of.arm.note.startswith("parent ") else os.getpid(), signal.SIGKILL)

        return desk.measure(of, saying)

    return measure
