"""Models in and out: Hub ids, folders of transformers, adapter folders of peft; safetensors alone, no remote code."""
from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer
from transformers.utils import cached_file, find_adapter_config_file
from transformers.utils import logging as transformers_logging

from methods import atomic
from methods.parts import Refused
from suites.refusing import refusing

log = logging.getLogger(__name__)


def load(place: str | Path, *, dtype: torch.dtype | None = None, device: str | torch.device = "cpu",
         revision: str | None = None) -> tuple[nn.Module, Any]:
    """A model in evaluation mode and its tokenizer. `dtype` None: the one the weights are stored in.

    An adapter folder is loaded on its base model. A tokenizer without a padding token pads with its end token, and the
    log says so. Raises Refused where there is no such model, no network, or no safetensors file.
    """
    where = str(place)
    with refusing(f"the model {where}", hub=not Path(where).exists()), _no_bars():
        adapter = find_adapter_config_file(where, revision=revision)
        model = _plain(where, dtype, revision) if adapter is None else _adapted(where, dtype, revision)
        tokenizer = _tokenizer(where, model, revision)
    return model.to(device).eval(), tokenizer


def _plain(where: str, dtype: torch.dtype | None, revision: str | None) -> Any:
    config = AutoConfig.from_pretrained(where, revision=revision, trust_remote_code=False)
    masked = any(name.endswith("ForMaskedLM") for name in config.architectures or ())
    kind = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    return kind.from_pretrained(where, revision=revision, dtype=dtype or "auto", use_safetensors=True,
                                trust_remote_code=False)


def _adapted(where: str, dtype: torch.dtype | None, revision: str | None) -> Any:
    weights = cached_file(where, "adapter_model.safetensors", revision=revision)
    base = PeftConfig.from_pretrained(where, revision=revision).base_model_name_or_path
    if not base:
        raise Refused(f"cannot load the adapters in {where}; because they do not name their base model; add "
                      "base_model_name_or_path to adapter_config.json")
    with refusing(f"{base}, the base model of the adapters {where}", hub=not Path(base).exists()):
        plain = _plain(base, dtype, None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # peft asks transformers
        return PeftModel.from_pretrained(plain, str(Path(weights).parent))


def _tokenizer(where: str, model: Any, revision: str | None) -> Any:
    """The model's own; that of the base model where an adapter folder has none."""
    if isinstance(model, PeftModel) and not (Path(where) / "tokenizer_config.json").exists():
        where, revision = model.peft_config[model.active_adapter].base_model_name_or_path, None
    tokenizer = AutoTokenizer.from_pretrained(where, revision=revision, trust_remote_code=False)
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is not None:
        log.warning("the tokenizer of %s has no padding token; its end token %s pads", where, tokenizer.eos_token)
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def save(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Writes what plain transformers loads, or plain peft for a model with adapters; whole or not at all.

    Other files in the folder stay.
    """
    extra: dict[str, Any] = {"save_embedding_layers": False} if isinstance(model, PeftModel) else {}
    with atomic.folder(folder) as fresh, _no_bars():
        model.save_pretrained(fresh, **extra)
        tokenizer.save_pretrained(fresh)
        if folder.exists():
            _keep_others(folder, fresh)
    return folder


def _keep_others(old: Path, fresh: Path) -> None:
    """Takes over what a save does not write; weights beside the new ones would be an older model's."""
    for path in (p for p in old.rglob("*") if p.is_file()):
        new = fresh / path.relative_to(old)
        if not new.exists() and not (path.parent == old and path.suffix == ".safetensors"):
            new.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, new)


@contextmanager
def _no_bars() -> Iterator[None]:
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
