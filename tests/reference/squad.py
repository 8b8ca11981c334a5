"""F1 and exact match word by word, with lists alone."""
from __future__ import annotations


def words(text: str) -> list[str]:
    kept = "".join(c for c in text.lower() if c.isalnum() or c.isspace())
    return [w for w in kept.split() if w not in ("a", "an", "the")]


def f1(answer: str, accepted: list[str]) -> float:
    best = 0.0
    for one in accepted:
        ours, theirs = words(answer), words(one)
        left, same = list(theirs), 0
        for word in ours:
            if word in left:
                left.remove(word)
                same += 1
        if not ours or not theirs:
            value = 1.0 if ours == theirs else 0.0
        elif same == 0:
            value = 0.0
        else:
            precision, recall = same / len(ours), same / len(theirs)
            value = 2 * precision * recall / (precision + recall)
        best = max(best, value)
    return best
