"""What this machine can run on, found without importing torch."""
from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from typing import Literal

Wish = Literal["cpu", "auto"]
"""What a scale wants: the CPU, whatever else is there (its numbers are then the same everywhere), or the best there is."""


@functools.cache
def gpus() -> tuple[str, ...]:
    """Ids of the visible GPUs, as CUDA_VISIBLE_DEVICES takes them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(g for g in visible.split(",") if g.strip() and g.strip() != "-1")
    return tuple(str(i) for i in range(len(_listed())))


def _listed() -> list[str]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    answer = subprocess.run([tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, check=False)
    return answer.stdout.split("\n")[:-1] if answer.returncode == 0 else []


def name(wish: Wish) -> str:
    """"cpu", or the first GPU's name: runs on different devices are different runs."""
    listed = _listed() if wish == "auto" and gpus() else []
    return listed[0].strip() if listed else "cpu"


def torch_device(wish: Wish) -> str:
    return "cuda" if wish == "auto" and gpus() else "cpu"


def cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def jobs(wish: Wish, threads: int) -> int:
    """How many runs at a time: one a GPU, else the cores divided by the threads of a run."""
    return len(gpus()) if wish == "auto" and gpus() else max(1, cores() // threads)
