"""The corrected scorer: an answer is right where it means what the reference means.

"7.0" and "7", "[3]" and "3", 1/2, 0.5 and \\frac{1}{2}, "1,450,000" and "1450000" are equal. A reference with two decimals
or more is met by what rounds to it, any other number within 1e-6 of its size. A percent sign that is written counts: "60%"
is 60 percent or 0.6. Units that \\text or a word behind a number states are left out; none is guessed. Members of (a, b)
and [a, b] keep their order, those of a, b and {a, b} do not.
"""
from __future__ import annotations

import re
from fractions import Fraction

from suites.math.latex import THOUSANDS, Number, boxed, plain, value

TRIGGERS = re.compile(r"(?i)the (?:final )?answer is:?|####|final answer:")
NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?\s*\\?%?|-?\.\d+")
HEADERS = re.compile(r"\n#{2,3} ")
FENCE = re.compile(r"```(?:python)?\s*\n(.*?)(?:```|\Z)", re.DOTALL)
CLOSE = 1e-6
Shape = tuple[str, tuple[str, ...]]
DEEPEST = 8
"""Brackets within brackets that are opened; a model can write any number of them."""


def kept(text: str) -> str:
    """A generated text up to the header of a next task."""
    return HEADERS.split(text, maxsplit=1)[0]


def program(text: str) -> str | None:
    """The program of a text that prints: its first fenced block, or all of it."""
    if "print(" not in text:
        return None
    fenced = FENCE.search(text)
    return fenced[1] if fenced and "print(" in fenced[1] else text


def said(text: str) -> str | None:
    """The answer of a text: in the last box, behind the last trigger, or the last number; None where there is none."""
    found = boxed(text)
    if found is not None:
        return found
    behind = TRIGGERS.split(text)
    if len(behind) > 1 and behind[-1].strip():
        return behind[-1].strip().partition("\n\n")[0]
    options = re.findall(r"\(([A-E])\)", text)
    numbers = NUMBER.findall(text)
    return numbers[-1] if numbers else options[-1] if options else None


def printed(stdout: str) -> str | None:
    """The answer of a program: its last line that is not empty."""
    lines = [line.strip() for line in stdout.splitlines() if line.strip()]
    return lines[-1] if lines else None


def matches(answer: str | None, reference: str) -> bool:
    """Whether an answer means the reference, as a whole, behind its last "=", or by its first number."""
    if answer is None:
        return False
    return any(same(form, reference) for form in forms(answer, reference))


def forms(answer: str, reference: str) -> list[str]:
    """How an answer may be read. A number is picked out of words only where the reference is a number."""
    found = [answer, answer.partition("\n")[0], answer.partition("\n")[0].rpartition("=")[2]]
    if re.fullmatch(r"[A-Z]", reference):
        found += re.findall(r"\(([A-E])\)", answer)[:1] + re.findall(r"^\s*([A-E])\b(?!\s+[a-z])", answer)[:1]
    elif value(plain(reference).rstrip("%")) is not None and not re.search(r"\d\s*[*/+^-]\s*\d|\\", found[2]):
        found += [n for n in NUMBER.findall(found[2])[:1] if len(NUMBER.findall(found[2])) == 1]
    return found


def same(answer: str, reference: str, depth: int = 0) -> bool:
    """Equality of two answers without words around them. Brackets within brackets are opened so far as a reference has any."""
    ours, theirs = _bare(answer), _bare(reference)
    if ours == theirs or ours.replace(" ", "").casefold() == theirs.replace(" ", "").casefold():
        return True
    if _equal_numbers(ours, theirs):
        return True
    a, b = _members(ours), _members(theirs)
    if depth >= DEEPEST or len(a[1]) != len(b[1]) or (len(a[1]) == 1 and not (a[0] or b[0])):
        return False
    if a[0] in ("", "{") or b[0] in ("", "{"):
        return _matched(list(a[1]), list(b[1]), depth + 1)
    return (a[0] == b[0] or len(a[1]) == 1) and all(same(x, y, depth + 1) for x, y in zip(a[1], b[1], strict=True))


def _matched(ours: list[str], theirs: list[str], depth: int) -> bool:
    """Whether members are equal in some order."""
    for one in theirs:
        at = next((i for i, other in enumerate(ours) if same(other, one, depth)), None)
        if at is None:
            return False
        ours.pop(at)
    return True


def _bare(text: str) -> str:
    """Plain, without "x =" in front of it."""
    text = plain(text).rstrip(",;: ")
    return re.sub(r"^\\?[a-zA-Z](?:_\w)?\s*(?:=|\\in)\s*", "", text).strip()


def _members(text: str) -> Shape:
    """The bracket of a list ("" for a bare one, and for no list: one member) and its members."""
    inner = text.replace("\\{", "{").replace("\\}", "}")
    bracket = inner[:1] if inner[:1] in ("[", "(", "{") and inner[-1:] in ("]", ")", "}") else ""
    inside = inner[1:-1] if bracket else THOUSANDS.sub(lambda found: found[0].replace(",", ""), inner)
    parts, depth = [""], 0
    for sign in inside:
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0:
            return "", (text,)
        parts = [*parts, ""] if sign == "," and depth == 0 else [*parts[:-1], parts[-1] + sign]
    return bracket, tuple(part.strip() for part in parts)


def _equal_numbers(answer: str, reference: str) -> bool:
    theirs = value(reference.rstrip("% "))
    if theirs is None:
        return False
    said_percent, is_percent = answer.endswith("%"), reference.endswith("%")
    ours = value(_number(answer).rstrip("% "))
    if ours is None:
        return False
    readings = [ours, ours / 100] if said_percent and not is_percent else [ours]
    return any(_close(one, theirs, reference.rstrip("% ")) for one in readings)


def _number(text: str) -> str:
    """Without a currency sign in front and one word of unit behind."""
    return re.sub(r"(?<=[\d%])\s+[A-Za-z]+$", "", text.lstrip("€£"))


def _close(ours: Number, theirs: Number, written: str) -> bool:
    decimals = re.fullmatch(r"-?[\d,]*\.(\d{2,})", written)
    half = Fraction(1, 2 * 10 ** len(decimals[1])) if decimals else 0
    return abs(float(ours) - float(theirs)) <= max(float(half) * (1 + CLOSE), CLOSE * abs(float(theirs)))
