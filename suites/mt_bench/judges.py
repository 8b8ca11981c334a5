"""Who gives the judgments: any server that speaks OpenAI's chat completions, or a local Hugging Face model.

Source: Zheng et al., arXiv 2306.05685, and FastChat's llm_judge: one system and one user message, temperature 0, at most 2048
new tokens.
Departures: FastChat writes "$ERROR$" for a judgment that did not come; here it is missing.
"""
from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import httpx2
import openai

from methods.parts import Refused
from suites.mt_bench.complaints import Complaints, shown
from suites.mt_bench.patience import Failed, Transient

KEY_VARIABLE = "OPENAI_API_KEY"
LONGEST = 2048
"""Tokens of a judgment, at most."""
STAND_IN = "none"
"""Sent as key where the environment has none and the server was named: local servers want none."""


@runtime_checkable
class Judge(Protocol):
    """One request: a judgment, or Transient (ask again), Failed (this judgment is given up), Refused (all are)."""

    @property
    def name(self) -> str:
        """What stands in the file as the judge."""

    def __call__(self, system: str, user: str) -> str: ...


def messages(system: str, user: str) -> list[dict[str, str]]:
    """An empty system message is left out, as in FastChat."""
    first = [{"role": "system", "content": system}] if system else []
    return [*first, {"role": "user", "content": user}]


@dataclass
class OpenAiJudge:
    """A model behind chat completions. The key comes from the environment variable `key_variable` and is kept nowhere else.

    `base_url` None: OpenAI's, or that of OPENAI_BASE_URL. Each call is one request; `grading` asks again.
    """

    model: str
    base_url: str | None = None
    key_variable: str = KEY_VARIABLE
    timeout_s: float = 300.0
    max_tokens: int = LONGEST
    temperature: float = 0.0
    _client: openai.OpenAI = field(init=False, repr=False, compare=False)
    _complaints: Complaints = field(init=False, repr=False, compare=False)
    _answered: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key, secret = self._key()
        try:
            self._client = openai.OpenAI(api_key=key, base_url=self.base_url, timeout=self.timeout_s, max_retries=0)
        except (ValueError, httpx2.InvalidURL, openai.OpenAIError) as error:
            raise Refused(f"cannot use the address {shown(str(self.base_url))!r}; because it is none ({type(error).__name__}); "
                          "use one such as http://localhost:8000/v1 with --base-url") from None
        self._complaints = Complaints(self.model, shown(str(self._client.base_url)), key, self.key_variable, secret)

    @property
    def name(self) -> str:
        return self.model

    def __call__(self, system: str, user: str) -> str:
        try:
            found: Any = self._client.chat.completions.create(
                model=self.model, messages=messages(system, user), n=1,  # type: ignore[arg-type]
                temperature=self.temperature, max_tokens=self.max_tokens)
            text = found.choices[0].message.content
        except (openai.APIError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise self._complaints.of(error, self._answered) from None  # its request holds the key
        self._answered = True
        if not isinstance(text, str) or not text.strip():
            raise Transient("an empty answer")
        return self._complaints.hide(text)

    def close(self) -> None:
        self._client.close()

    def _key(self) -> tuple[str, bool]:
        """The key, and whether it is one."""
        key = os.environ.get(self.key_variable, "").strip()
        if key and not (key.isascii() and key.isprintable()):
            raise Refused(f"cannot use the key in {self.key_variable}; because it has characters that no request may carry; "
                          "set it again")
        if key:
            return key, True
        if self.key_variable == KEY_VARIABLE and (self.base_url or os.environ.get("OPENAI_BASE_URL")):
            return STAND_IN, False
        raise Refused(f"cannot use the judge {self.model}; because the environment variable {self.key_variable} with the key is "
                      "not set; set it, or name a server that needs none with --base-url")


@dataclass
class LocalJudge:
    """A Hugging Face model, greedy, one judgment at a time. `template`: the chat template (Jinja), never guessed."""

    name: str
    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    template: str
    max_tokens: int = LONGEST
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.template.strip():
            raise Refused(f"cannot use {self.name} as a judge; because no chat template is given; give the tokenizer's own, or "
                          "another")

    def __call__(self, system: str, user: str) -> str:
        import torch

        inputs = self._inputs(system, user)
        width = int(inputs["input_ids"].shape[1])
        limit = getattr(self.model.config, "max_position_embeddings", None) or width + self.max_tokens
        if width >= limit:
            raise Failed(f"the prompt has {width} tokens, and the model takes {limit}")
        with self._turn, torch.inference_mode():
            out = self.model.generate(**inputs, do_sample=False, num_beams=1, pad_token_id=self.tokenizer.pad_token_id,
                                      max_new_tokens=min(self.max_tokens, limit - width))
        text = str(self.tokenizer.decode(out[0, width:], skip_special_tokens=True)).strip()
        if not text:
            raise Failed("an empty answer")
        return text

    def _inputs(self, system: str, user: str) -> Any:
        from jinja2 import TemplateError

        try:
            made = self.tokenizer.apply_chat_template(messages(system, user), chat_template=self.template, tokenize=True,
                                                      add_generation_prompt=True, return_dict=True, return_tensors="pt")
        except TemplateError as error:
            raise Refused(f"cannot ask {self.name} to judge; because its chat template does not take the messages ({error}); use "
                          "a template that takes a system message") from error
        return made.to(self.model.device)
