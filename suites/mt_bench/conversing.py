"""How a conversation becomes the text that a model goes on with: the tokenizer's own chat template, or one of FastChat's by name.

A template is never guessed from a model's name. Where a tokenizer has none and none is named, FastChat's "zero_shot" is used, and
what was used is recorded with the answers.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from methods.parts import Refused

OWN, FASTCHAT, WITHOUT = "tokenizer", "fastchat:", "fastchat:zero_shot"


@dataclass(frozen=True)
class Template:
    """`name`: "tokenizer", or "fastchat:" and a name of fastchat.conversation."""

    name: str

    @classmethod
    def of(cls, name: str | None, tokenizer: Any) -> Template:
        """The template asked for, or the tokenizer's own, or FastChat's zero_shot where it has none. Raises Refused otherwise."""
        chosen = name or (OWN if getattr(tokenizer, "chat_template", None) else WITHOUT)
        if chosen == OWN and not getattr(tokenizer, "chat_template", None):
            raise Refused("cannot use the tokenizer's chat template; because it has none; name one of FastChat's, e.g. "
                          "--template fastchat:vicuna_v1.1")
        known = _known()
        if chosen != OWN and (not chosen.startswith(FASTCHAT) or chosen.removeprefix(FASTCHAT) not in known):
            raise Refused(f"cannot use the template {chosen!r}; because there is none; use {OWN}, or {FASTCHAT} and one of "
                          f"{', '.join(sorted(known))}")
        return cls(chosen)

    def prompt(self, tokenizer: Any, turns: Sequence[str], answers: Sequence[str]) -> list[int]:
        """Tokens of the conversation up to where the next answer begins."""
        if self.name == OWN:
            messages = [{"role": role, "content": text} for pair in zip(turns, [*answers, None], strict=True)
                        for role, text in zip(("user", "assistant"), pair, strict=True) if text is not None]
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return [int(i) for i in tokenizer(text, add_special_tokens=False).input_ids]
        conversation = _known()[self.name.removeprefix(FASTCHAT)].copy()
        for turn, answer in zip(turns, [*answers, None], strict=True):
            conversation.append_message(conversation.roles[0], turn)
            conversation.append_message(conversation.roles[1], answer)
        return [int(i) for i in tokenizer(conversation.get_prompt()).input_ids]

    def ended(self, text: str) -> str:
        """The answer up to where the template says that the other begins to speak."""
        if self.name == OWN:
            return text.strip()
        stops = _known()[self.name.removeprefix(FASTCHAT)].stop_str or ()
        for stop in (stops,) if isinstance(stops, str) else stops:
            text = text.split(stop, 1)[0]
        return text.strip()


def _known() -> dict[str, Any]:
    from fastchat.conversation import conv_templates

    return dict(conv_templates)
