"""Refusing without loading torch: the vocabulary of methods is imported only when there is something to refuse."""

from typing import NoReturn


def refuse(sentence: str) -> NoReturn:
    """Raise methods.parts.Refused with one sentence: the input, the reason, the way out."""
    from methods.parts import Refused

    raise Refused(sentence)
