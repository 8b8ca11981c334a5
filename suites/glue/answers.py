"""How a generated answer is judged: F1 and exact match of normalised words, the best over the accepted answers.

Source: Rajpurkar et al., arXiv 1606.05250, section 6.1: lower case, without punctuation, articles and extra spaces.
"""
from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> list[str]:
    """The words of an answer that count."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1 where the answer is one of those accepted."""
    return float(any(normalised(answer) == normalised(a) for a in accepted))


def f1(answer: str, accepted: Sequence[str]) -> float:
    """Harmonic mean of precision and recall of words, the best over those accepted; answers without words must be alike."""
    return max(_f1(normalised(answer), normalised(a)) for a in accepted)


def _f1(ours: list[str], theirs: list[str]) -> float:
    if not ours or not theirs:
        return float(ours == theirs)
    same = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * same / (len(ours) + len(theirs))
