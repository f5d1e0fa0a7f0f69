"""Laws on a line while a sampler is followed exactly: points with masses, and mixtures with points among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.types import FloatArray, IntArray
from ..core.value import Value
from ..hermite.basis import hermite_values

TOGETHER = 1 << 21  # numbers in the tables of the denoiser
CELL = 0.0625  # of the noise: points in one cell have their mass, mean and variance taken together


@dataclass(frozen=True, eq=False)
class WeightedPoints(Value):
    """A law on a line as points with masses, each with the class that it belongs to.

    Attributes
    ----------
    points, masses : array, shape (n,)
    labels : array of int, shape (n,)
    """

    points: FloatArray
    masses: FloatArray
    labels: IntArray

    @property
    def mean(self) -> float:
        """E X."""
        return float(self.masses @ self.points)

    @property
    def variance(self) -> float:
        """Var X."""
        return float(self.masses @ (self.points - self.mean) ** 2)

    @property
    def kurtosis(self) -> float:
        """E (X - E X)^4 / (Var X)^2; 3 for a Gaussian."""
        return float(self.masses @ (self.points - self.mean) ** 4) / self.variance**2

    @cached_property
    def shares(self) -> FloatArray:
        """Probability of each class."""
        return np.asarray(np.bincount(self.labels, self.masses), dtype=np.float64)

    @cached_property
    def class_means(self) -> FloatArray:
        """Mean of each class."""
        return np.bincount(self.labels, self.masses * self.points) / self.shares

    @property
    def within_variance(self) -> float:
        """Mean over the classes of the variance within a class."""
        return float(self.masses @ (self.points - self.class_means[self.labels]) ** 2)

    def coefficients(self, degree: int) -> FloatArray:
        """Return the Hermite coefficients E h_n(X), n = 0, ..., degree."""
        return self.masses @ hermite_values(self.points, degree)


@dataclass(frozen=True)
class LineLaw:
    """A mixture on a line whose components belong to classes; those of variance 0 are points."""

    weights: FloatArray
    means: FloatArray
    variances: FloatArray
    classes: IntArray

    def mixed(self, share: float, model: WeightedPoints) -> LineLaw:
        """Return share times this law and the rest of a law of points."""
        weights = np.append(share * self.weights, (1.0 - share) * model.masses)
        heavy = weights > 0.0
        means = np.append(self.means, model.points)
        variances = np.append(self.variances, np.zeros_like(model.points))
        classes = np.append(self.classes, model.labels)
        return LineLaw(weights[heavy], means[heavy], variances[heavy], classes[heavy])

    def of_class(self, number: int) -> LineLaw:
        """Return the components of one class, with weights that sum to 1."""
        own = self.classes == number
        weights = self.weights[own] / self.weights[own].sum()
        return LineLaw(weights, self.means[own], self.variances[own], self.classes[own])

    def closest(self, x: FloatArray) -> IntArray:
        """Return the component with the largest posterior weight at each point."""
        logits = np.log(self.weights) - 0.5 * (
            np.log(self.variances) + (x[:, None] - self.means) ** 2 / self.variances
        )
        return np.argmax(logits, axis=1)

    def posterior(self, x: FloatArray, signal: float, noise: float) -> tuple[FloatArray, FloatArray]:
        """Return the posterior means of data and noise at a level, a few points at a time."""
        weights, means, variances = self._seen_at(signal, noise)
        data, noises = np.empty_like(x), np.empty_like(x)
        total = signal**2 * variances + noise**2
        log_weights = np.log(weights) - 0.5 * np.log(total)
        size = max(TOGETHER // len(total), 1)
        for first in range(0, len(x), size):
            part = slice(first, first + size)
            centred = x[part, None] - signal * means
            shares = log_weights - 0.5 * centred**2 / total
            shares -= shares.max(axis=1, keepdims=True)
            np.exp(shares, out=shares)
            shares /= shares.sum(axis=1, keepdims=True)
            centred *= shares / total
            noises[part] = noise * centred.sum(axis=1)
            data[part] = shares @ means + centred @ (signal * variances)
        return data, noises

    def _seen_at(self, signal: float, noise: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return weights, means and variances; points much closer than the noise are one component together."""
        if signal == 0.0 or not np.any(self.variances == 0.0):
            return self.weights, self.means, self.variances
        point = self.variances == 0.0
        weights, means = self.weights[point], self.means[point]
        width = CELL * noise / signal
        cells = np.unique(np.floor((means - means.min()) / width), return_inverse=True)[1]
        masses = np.bincount(cells, weights)
        centres = np.bincount(cells, weights * means) / masses
        spreads = np.bincount(cells, weights * (means - centres[cells]) ** 2) / masses
        return (
            np.append(self.weights[~point], masses),
            np.append(self.means[~point], centres),
            np.append(self.variances[~point], spreads),
        )


def mixed_points(share: float, first: WeightedPoints, second: WeightedPoints) -> WeightedPoints:
    """Return share times one law and the rest of another."""
    return WeightedPoints(
        np.append(first.points, second.points),
        np.append(share * first.masses, (1.0 - share) * second.masses),
        np.append(first.labels, second.labels),
    )
