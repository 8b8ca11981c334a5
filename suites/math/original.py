"""The scorer of MAmmoTH's evaluator as CoLM uses it, rule by rule, with its flaws: for comparison with published numbers.

The text is cut at bare stop words. Behind a trigger the first number counts, without one the last; behind "=" what follows
it. A decimal loses its zeros ("7.0" becomes "7"), a reference of DeepMind, SimulEq or NumGLUE does not, so "7.0" or "[3]"
can never be met. NumGLUE takes any word A to E for an option, the article "a" too. Equality is that of strings; MATH alone
also compares numbers: rounded to a whole reference, within 4 % of another.

**Departures**: arithmetic in an answer is read by our own parser instead of being executed; the numeric references of MATH,
which the authors ship precomputed, are read from the box by the same parser.
"""
from __future__ import annotations

import re
from collections.abc import Callable

from suites.math.latex import boxed, value

STOPS = ("USER", "ASSISTANT", "Instruction", "Response", "Question")
TRIGGERS = ("####", "The answer is")
TOLERANCE = 0.04
NUMBER = re.compile(r"-?\d+/?\.?\d*")


def kept(text: str) -> str:
    """A generated text up to the first stop word."""
    return re.split("|".join(STOPS), text, maxsplit=1)[0]


def program(text: str) -> str | None:
    """The whole text is the program where it prints."""
    return text if "print(" in text else None


def printed(stdout: str, name: str) -> str:
    """The answer of a program."""
    return cleaned(f"The answer is {stdout}", name)


def cleaned(text: str, name: str) -> str:
    """The answer that a text gives on the set `name`; empty where there is none."""
    if name == "math":
        return _math(text) if text else ""
    text = text.split("\n\n")[0] if any(text.count(t) > 1 for t in TRIGGERS) else text
    parts = re.split("|".join(TRIGGERS), text)
    last = parts[-1].split("=")[-1].strip() if "=" in parts[-1] else parts[-1]
    options: list[str] = re.findall(r"\b([A-E])\b", last.upper()) if name == "numglue" else []
    found = options or [without_zeros(n) for n in NUMBER.findall(last.replace(",", ""))]
    if not found:
        return ""
    return (found[0] if len(parts) > 1 else found[-1]).removesuffix(".").removesuffix("/")


def reference(written: str, name: str) -> str:
    """A reference as the evaluator holds it."""
    if name == "math":
        return _stripped(written)
    return without_zeros(written.replace(",", "")) if name in ("gsm8k", "svamp", "world") else written


def matches(answer: str, written: str, name: str) -> bool:
    """Whether a cleaned answer is right."""
    right = reference(written, name)
    if name != "math" or answer == right:
        return answer == right
    theirs, ours = _number(right), _number(answer)
    if theirs is None or ours is None:
        return False
    if theirs == int(theirs):
        return round(ours) == int(theirs)
    return abs(ours - theirs) <= TOLERANCE * abs(theirs)


def without_zeros(number: str) -> str:
    """"7.0" as "7"; what is no decimal as it is."""
    try:
        decimal = float(number)
    except ValueError:
        return number
    return str(int(decimal)) if decimal.is_integer() and "e" not in str(decimal) else str(decimal)


def _math(text: str) -> str:
    behind = next((text.split(t)[-1].strip() for t in ("The answer is ", "the answer is ") if t in text), None)
    box = boxed(text)
    if behind is not None:
        found = behind
    elif box is not None:
        found = box
    else:
        numbers = re.findall(r"-?\d*\.?\d+", text)
        found = numbers[-1] if numbers else ""
    found = _stripped(found.removesuffix(".").removesuffix("/"))
    inner = boxed("\\" + found.split("\\", 1)[-1]) if "boxed" in found else None
    return found if inner is None else _stripped(inner)


def _number(text: str) -> float | None:
    found = value(text.replace(",", ""))
    return None if found is None else float(found)


def _stripped(text: str) -> str:
    """The evaluator's plain form of LaTeX."""
    for old, new in (("\n", ""), ("\\!", ""), ("\\\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"), ("\\left", ""),
                     ("\\right", ""), ("^{\\circ}", ""), ("^\\circ", ""), ("\\$", ""), ("$", "")):
        text = text.replace(old, new)
    text = text.split("\\text{ ")[0].replace("\\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    text = "0" + text if text.startswith(".") else text
    sides = text.split("=")
    text = sides[1] if len(sides) == 2 and len(sides[0]) <= 2 else text
    steps: tuple[Callable[[str], str], ...] = (
        lambda t: re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", t), lambda t: t.replace(" ", ""),
        lambda t: re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", t), lambda t: re.sub(r"\\frac([^{])\{", r"\\frac{\1}{", t),
        lambda t: re.sub(r"^(-?\d+)/(-?\d+)$", r"\\frac{\1}{\2}", t))
    for step in steps:
        text = step(text)
    return text
