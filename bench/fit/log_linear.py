"""Fits a time that is a sum of parts, each a known quantity times the exponential of a sum of parameters.

Every parameter has a prior mean and width: what is common to all devices is free, what belongs to a vendor, a family or
one device is pulled to zero, so that a family known from one device borrows from the others. Needs numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

Vector = np.ndarray
R = TypeVar("R")
STEPS = 15
REFITTED_STEPS = 6  # from the parameters of a fit to nearly the same runs


class Law(Generic[R]):
    """The sum of parts for many runs. `part` adds one; `term` gives a parameter that runs have a part in."""

    def __init__(self, runs: Sequence[R], seconds: Callable[[R], float], sigma: float) -> None:
        self.runs = runs
        self.truth = np.log([seconds(run) for run in runs])
        self.sigma = sigma
        self.names: dict[str, int] = {}
        self._mean: list[float] = []
        self._width: list[float] = []
        self._parts: list[tuple[Vector, Sequence[Term]]] = []

    def column(self, of: Callable[[R], float]) -> Vector:
        """One figure of each run."""
        return np.array([float(of(run)) for run in self.runs])

    def term(
        self,
        name: Callable[[R], str | None] | str,
        mean: float,
        width: float,
        *,
        times: Callable[[R], float] | None = None,
        own: bool = False,
    ) -> Term:
        """Parameters by name (None: this run has none), times a figure; `own` ones are not used to predict."""
        of = (lambda _: name) if isinstance(name, str) else name
        index = np.array(
            [-1 if (key := of(run)) is None else self._parameter(key, mean, width) for run in self.runs]
        )
        return Term(index, np.ones(len(self.runs)) if times is None else self.column(times), own)

    def _parameter(self, name: str, mean: float, width: float) -> int:
        if name not in self.names:
            self.names[name] = len(self._mean)
            self._mean.append(mean)
            self._width.append(width)
        return self.names[name]

    def part(self, quantity: Callable[[R], float], *terms: Term) -> None:
        """One part of the time: the quantity, times the exponential of the terms' sum."""
        self._parts.append((np.log(np.maximum(self.column(quantity), 1e-30)), terms))

    def close(self) -> None:
        """No more parts: build the matrices."""
        self.mean, self.width = np.array(self._mean), np.array(self._width)
        self._with_own = [(base, self._matrix(terms, own=True)) for base, terms in self._parts]
        self._without = [(base, self._matrix(terms, own=False)) for base, terms in self._parts]

    def _matrix(self, terms: Sequence[Term], *, own: bool) -> Vector:
        matrix = np.zeros((len(self.runs), len(self.mean)))
        for term in terms:
            (rows,) = np.nonzero(term.index >= 0) if own or not term.own else (np.array([], dtype=int),)
            matrix[rows, term.index[rows]] += term.times[rows]
        return matrix

    def predict(self, theta: Vector) -> Vector:
        """Logarithm of the seconds, without what is known of single devices."""
        return self._sum(theta, self._without)[0]

    def _sum(self, theta: Vector, parts: Sequence[tuple[Vector, Vector]]) -> tuple[Vector, Vector]:
        """The logarithm of the sum, and its slopes: each part's weighted by its share of the time."""
        logs = np.array([base + matrix @ theta for base, matrix in parts])
        largest = logs.max(axis=0)
        shares = np.exp(logs - largest)
        total = shares.sum(axis=0)
        slopes = sum(
            (share / total)[:, None] * matrix for share, (_, matrix) in zip(shares, parts, strict=True)
        )
        return largest + np.log(total), np.asarray(slopes)

    def fitted(self, weight: Vector, start: Vector | None = None) -> Vector:
        """The most likely parameters; residuals are weighted as Student's t would, so that wrong labels count little."""
        theta = (self.mean if start is None else start).copy()
        for _ in range(STEPS if start is None else REFITTED_STEPS):
            predicted, slopes = self._sum(theta, self._with_own)
            rest = self.truth - predicted
            trust = weight / self.sigma**2 / (1 + (rest / (2 * self.sigma)) ** 2)
            normal = (slopes.T * trust) @ slopes + np.diag(self.width**-2.0)
            step = np.linalg.solve(normal, slopes.T @ (trust * rest) + (self.mean - theta) / self.width**2)
            theta += np.clip(step, -0.5, 0.5)
            if np.abs(step).max() < 1e-3:
                break
        return theta

    def held_out(self, weight: Vector, start: Vector, groups: Vector) -> Vector:
        """Predictions of each run after all runs of its group were taken out and everything was fitted anew."""
        found = np.zeros(len(weight))
        for group in sorted(set(groups)):
            own = groups == group
            found[own] = self.predict(self.fitted(np.where(own, 0.0, weight), start))[own]
        return found

    def value(self, theta: Vector, *names: str) -> float:
        """Exponential of the sum of those parameters that exist."""
        return float(np.exp(self.total(theta, *names)))

    def total(self, theta: Vector, *names: str) -> float:
        """Sum of those parameters that exist."""
        return float(sum(theta[self.names[name]] for name in names if name in self.names))


class Term:
    """Which parameter each run has a part in (-1: none), and how often it counts."""

    def __init__(self, index: Vector, times: Vector, own: bool) -> None:
        self.index, self.times, self.own = index, times, own
