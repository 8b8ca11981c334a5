"""Multinomial logistic regression with the ridge chosen by cross-validation, by L-BFGS in float64.

min over W, b of  C sum_n -log softmax(W x_n + b)_{y_n} + |W|^2 / 2;  the intercepts b are not penalised. C is the one of
`GRID` with the best accuracy over stratified folds, the smallest of equals. scikit-learn, which MeZO takes for this, is no
dependency of ours: the problem is convex, so its solution is the same.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from methods.parts import Refused

Floats = NDArray[np.float64]
GRID = tuple(10.0 ** (-4 + 8 * i / 9) for i in range(10))
FOLDS = 5
TOLERANCE, ITERATIONS = 1e-4, 5000
"""Of the gradient's largest entry, and of L-BFGS."""


@dataclass(frozen=True)
class Fitted:
    """W [C, D], b [C], the C of the penalty, and its accuracy over the folds (NaN where there were none)."""

    weights: Floats
    intercepts: Floats
    penalty: float
    cross_validated: float

    def log_probabilities(self, x: Floats) -> Floats:
        """[N, D] -> [N, C]."""
        found: Floats = log_softmax(x @ self.weights.T + self.intercepts, axis=1)
        return found


def fit(x: Floats, y: NDArray[Any], classes: int, penalty: float) -> Fitted:
    """x [N, D], y [N] in 0..classes-1."""
    target, width = np.eye(classes)[y], x.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(classes, width + 1)
        logs = log_softmax(x @ w[:, :-1].T + w[:, -1], axis=1)
        error = np.exp(logs) - target
        slope = np.concatenate([penalty * error.T @ x + w[:, :-1], penalty * error.sum(0)[:, None]], axis=1)
        return float(-penalty * (target * logs).sum() + (w[:, :-1] ** 2).sum() / 2), slope.ravel()

    found = minimize(loss, np.zeros(classes * (width + 1)), jac=True, method="L-BFGS-B",
                     options={"gtol": TOLERANCE, "maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "ftol": 1e-14})
    w = found.x.reshape(classes, width + 1)
    return Fitted(w[:, :-1], w[:, -1], penalty, float("nan"))


def cross_validated(x: Floats, y: NDArray[Any], classes: int, seed: int = 0) -> Fitted:
    """The fit on all rows with the best C. Raises Refused where a class has fewer than two rows."""
    fewest = min(int((y == c).sum()) for c in range(classes))
    if fewest < 2:
        raise Refused(f"cannot choose a ridge by cross-validation; because a class has {fewest} rows; use two or more of each")
    folds = stratified(y, min(FOLDS, fewest), seed)
    accuracy = []
    for penalty in GRID:
        right = 0
        for held in range(int(folds.max()) + 1):
            model = fit(x[folds != held], y[folds != held], classes, penalty)
            right += int((model.log_probabilities(x[folds == held]).argmax(1) == y[folds == held]).sum())
        accuracy.append(right / len(y))
    best = int(np.argmax(accuracy))
    whole = fit(x, y, classes, GRID[best])
    return Fitted(whole.weights, whole.intercepts, GRID[best], accuracy[best])


def stratified(y: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """[N] the fold of each row; every class is spread evenly."""
    generator, place = np.random.default_rng(seed), np.empty(len(y), dtype=np.int64)
    for label in np.unique(y):
        rows = generator.permutation(np.flatnonzero(y == label))
        place[rows] = np.arange(len(rows)) % folds
    return place
