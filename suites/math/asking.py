"""A model is asked: the set's prompt with a request for a program, the likeliest token again and again."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import nn
from transformers import GenerationMixin, LogitsProcessorList

from methods.parts import Refused
from suites.math.sets import REQUEST
from suites.stopping import Numbers, row_stops

NEW_TOKENS = 1024
STOP = "\n### "
"""The header of a next task; what follows it counts for no scorer."""


class Said(NamedTuple):
    """What was generated, and whether the prompt was cut on the left."""

    text: str
    cut: bool


class Asked:
    """A model with its tokenizer. `new_tokens`: the longest answer, at most half of what the model reads."""

    def __init__(self, model: nn.Module, tokenizer: Any, batch_size: int) -> None:
        plain: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        if not isinstance(plain, GenerationMixin):
            raise Refused(f"cannot ask a {type(plain).__name__}; because it does not go on with a text; use a causal language "
                          "model")
        virtual = [c.num_virtual_tokens for c in model.peft_config.values() if c.is_prompt_learning] \
            if isinstance(model, PeftModel) else []
        room = int(plain.config.max_position_embeddings) - sum(virtual)
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.new_tokens = min(NEW_TOKENS, room // 2)
        self.room = room - self.new_tokens

    def __call__(self, questions: Sequence[str], form: str, *, for_program: bool) -> list[Said]:
        """An answer to each question, asked in a set's form. Raises Refused at a NaN."""
        prompts = [form.format(instruction=f"{q} {REQUEST}" if for_program else q) for q in questions]
        whole = [list(self.tokenizer(p, verbose=False)["input_ids"]) for p in prompts]
        order = sorted(range(len(whole)), key=lambda i: len(whole[i]))
        answers = [""] * len(whole)
        for start in range(0, len(order), self.batch_size):
            index = order[start:start + self.batch_size]
            for i, text in zip(index, self._batch([whole[i][-self.room:] for i in index]), strict=True):
                answers[i] = text
        return [Said(text, len(ids) > self.room) for text, ids in zip(answers, whole, strict=True)]

    @torch.no_grad()
    def _batch(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        """Prompts are padded on the left."""
        width, device = max(map(len, prompts)), next(self.model.parameters()).device
        pad = int(next(i for i in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0) if i is not None))
        ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
        made = self.model.generate(  # type: ignore[operator]
            input_ids=ids, attention_mask=mask, max_new_tokens=self.new_tokens, do_sample=False, pad_token_id=pad,
            logits_processor=LogitsProcessorList([Numbers()]),
            stopping_criteria=row_stops(self.tokenizer, [STOP], width, len(prompts)))
        return [str(self.tokenizer.decode(row, skip_special_tokens=True)).partition(STOP)[0] for row in made[:, width:].tolist()]
