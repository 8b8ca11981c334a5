"""Selections written out example by example in float64."""
from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np


def quotas(counts: dict[str, int], total: int) -> dict[str, int]:
    """One place at a time: to the source that is furthest below its exact share after all whole parts are given."""
    exact = {name: Fraction(total * n, sum(counts.values())) for name, n in counts.items()}
    given = {name: int(share) for name, share in exact.items()}
    wanting = sorted(exact, key=lambda name: (given[name] - exact[name], name))
    for name in wanting[:total - sum(given.values())]:
        given[name] += 1
    return given


def big(scores: list[float], k: int) -> list[int]:
    left, chosen = list(range(len(scores))), []
    for _ in range(k):
        best = max(left, key=lambda i: (scores[i], -i))
        left.remove(best)
        chosen.append(best)
    return chosen


def middle(losses: list[float], k: int) -> list[int]:
    """Ends of the ranking of perplexities are taken away by turns, the largest first, until k are left."""
    ranked = [i for _, i in sorted((np.exp(loss), i) for i, loss in enumerate(losses))]
    for turn in range(len(losses) - k):
        ranked.pop(-1 if turn % 2 == 0 else 0)
    return ranked


def nonnegative_ridge(atoms: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """argmin over w >= 0 of ||target - w atoms||^2 + ridge ||w||^2: every set of positive weights is tried."""
    best, least = np.zeros(len(atoms)), np.inf
    for size in range(len(atoms) + 1):
        for free in map(list, combinations(range(len(atoms)), size)):
            some = atoms[free]
            weight = np.zeros(len(atoms))
            weight[free] = np.linalg.solve(some @ some.T + ridge * np.eye(size), some @ target)
            loss = float(((target - weight @ atoms) ** 2).sum() + ridge * (weight**2).sum())
            if (weight >= 0).all() and loss < least:
                best, least = weight, loss
    return best


def grad_match(gradients: np.ndarray, k: int, lam: float) -> tuple[list[int], list[float]]:
    """(examples of positive weight in order of choosing, their weights of mean 1), before any filling."""
    target = gradients.mean(0)
    ridge = lam * float((gradients**2).sum(1).mean())
    support: list[int] = []
    weight = np.zeros(0)
    while len(support) < k:
        residual = target - weight @ gradients[support]
        left = [i for i in range(len(gradients)) if i not in support]
        best = max(left, key=lambda i: float(gradients[i] @ residual))
        if gradients[best] @ residual <= 1e-9:
            break
        support.append(best)
        weight = nonnegative_ridge(gradients[support], target, ridge)
    held = [(i, w) for i, w in zip(support, weight, strict=True) if w > 0]
    mean = sum(w for _, w in held) / len(held)
    return [i for i, _ in held], [w / mean for _, w in held]
