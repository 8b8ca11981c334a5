"""What a mathematical text says: its boxed part, its plain form, and its value where it is a number.

A value is exact (Fraction) as long as only whole numbers, decimals, + - * / and whole powers are met, a float otherwise.
"""
from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import NoReturn

Number = Fraction | float
TOKEN = re.compile(r"\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|\\[a-zA-Z]+|[-+*/^(){}!]")
THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d,])")
LARGEST = 10**6
"""Of a number that is raised to a power, and thousand times the largest exponent."""
PLAIN = (("\\left", ""), ("\\right", ""), ("\\!", ""), ("\\,", ""), ("\\;", ""), ("\\:", ""), ("\\ ", ""), ("dfrac", "frac"),
         ("tfrac", "frac"), ("^{\\circ}", ""), ("^\\circ", ""), ("\\circ", ""), ("\\$", ""), ("$", ""), ("\\(", ""), ("\\)", ""),
         ("\\[", ""), ("\\]", ""), ("\\cdot", "*"), ("\\times", "*"), ("\\div", "/"), ("\u2212", "-"), ("−", "-"), ("\\%", "%"),
         ("{,}", ","), ("**", "^"))


def boxed(text: str) -> str | None:
    """What the last \\boxed{...} or \\fbox{...} holds; None where there is none."""
    starts = [*re.finditer(r"\\f?boxed\s*", text)]
    if not starts:
        return None
    rest = text[starts[-1].end():]
    if not rest.startswith("{"):
        return rest.partition("$")[0].strip()
    depth = 0
    for at, sign in enumerate(rest):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return rest[1:at].strip()
    return rest[1:].strip()


def plain(text: str) -> str:
    """Without typography, words in \\text kept, units in \\text behind a number left out."""
    text = text.strip().rstrip(".").strip()
    for old, new in PLAIN:
        text = text.replace(old, new)
    text = re.sub(r"(?<=[\d})])\s*\\(?:text|mbox|mathrm)\s*\{[^{}]*\}(?:\^\{?\d\}?)?$", "", text)
    text = re.sub(r"\\(?:text|mbox|mathrm|textbf|mathbf)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    return re.sub(r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{", re.sub(r"\\sqrt\s*(\w)", r"\\sqrt{\1}", text)).strip().rstrip(".")


def value(text: str) -> Number | None:
    """The number that a plain text is; None where it is none."""
    text = THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    tokens, left = TOKEN.findall(text), TOKEN.sub("", text)
    if not tokens or left.strip():
        return None
    reader = _Reader(tokens)
    try:
        found = reader.sum()
        return found if reader.at == len(tokens) and math.isfinite(found) else None
    except (ValueError, ZeroDivisionError, OverflowError, IndexError, RecursionError):
        return None


class _Reader:
    """Recursive descent over the tokens; anything unexpected is a ValueError, the end an IndexError."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def seen(self, *signs: str) -> str:
        """The next token where it is one of these, taken."""
        if self.at < len(self.tokens) and self.tokens[self.at] in signs:
            self.at += 1
            return self.tokens[self.at - 1]
        return ""

    def sum(self) -> Number:
        total = self.product()
        while sign := self.seen("+", "-"):
            other = self.product()
            total = total + other if sign == "+" else total - other
        return total

    def product(self) -> Number:
        total = self.signed()
        while self.at < len(self.tokens) and self.tokens[self.at] not in ("+", "-", ")", "}"):
            mixed = self.tokens[self.at] == "\\frac" and self.tokens[self.at - 1].isdigit()
            sign = self.seen("*", "/")
            if not sign and self.tokens[self.at][0] in ".0123456789":
                return _no()  # two numbers side by side are no product
            other = self.signed() if sign else self.power()
            if mixed:  # 3\frac12 is three and a half
                total = total + other if total >= 0 else total - other
            else:
                total = total / other if sign == "/" else total * other
        return total

    def signed(self) -> Number:
        sign = self.seen("+", "-")
        return -self.signed() if sign == "-" else self.signed() if sign else self.power()

    def power(self) -> Number:
        base = self.atom()
        if self.seen("!"):
            return Fraction(math.factorial(int(base))) if base == int(base) and 0 <= base <= 170 else _no()
        if not self.seen("^"):
            return base
        exponent = self.signed()
        if abs(float(base)) > LARGEST or abs(float(exponent)) > LARGEST / 1000:
            return _no()
        if exponent == int(exponent):
            return base ** int(exponent) if isinstance(base, Fraction) else math.pow(base, exponent)
        return math.pow(base, exponent)

    def group(self) -> Number:
        """What stands in brackets of either kind."""
        closing = {"(": ")", "{": "}"}[self.seen("(", "{") or _no()]
        inside = self.sum()
        return inside if self.seen(closing) else _no()

    def atom(self) -> Number:
        token = self.tokens[self.at]
        if token in "({":
            return self.group()
        self.at += 1
        if token[0].isdigit() or token[0] == ".":
            return Fraction(token) if len(token) < 400 and "e" not in token.lower() else float(token)
        if token == "\\frac":
            return self.group() / self.group()
        if token == "\\sqrt":
            return math.sqrt(self.group())
        return math.pi if token == "\\pi" else _no()


def _no() -> NoReturn:
    raise ValueError
