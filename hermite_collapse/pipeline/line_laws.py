"""Laws on a line while a sampler is followed exactly: points with masses, and mixtures with points among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.types import BoolArray, FloatArray, IntArray
from ..core.value import Value
from ..hermite.basis import hermite_values
from ._line_kernels import near_sums

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
        """Return the posterior means of data and noise at a level."""
        points = self._cells(signal, noise)
        dense = self if points is None else self._dense
        sums = np.zeros((5, len(x))) if dense is None else dense._sums(x, signal, noise)
        if points is not None:
            near = points._near_sums(x, signal, noise)
            if dense is None:
                sums = near
            else:
                shift = np.maximum(sums[0], near[0])
                sums[1:] = sums[1:] * np.exp(sums[0] - shift) + near[1:] * np.exp(near[0] - shift)
        _, mass, mean, slope, spread = sums
        return (mean + spread) / mass, noise * slope / mass

    def _sums(self, x: FloatArray, signal: float, noise: float) -> FloatArray:
        """Return the sums of `near_sums` over all components, a few points at a time."""
        result = np.empty((5, len(x)))
        total = signal**2 * self.variances + noise**2
        logs = np.log(self.weights) - 0.5 * np.log(total)
        size = max(TOGETHER // len(total), 1)
        for first in range(0, len(x), size):
            part = slice(first, first + size)
            centred = x[part, None] - signal * self.means
            shares = logs - 0.5 * centred**2 / total
            shift = shares.max(axis=1)
            shares -= shift[:, None]
            np.exp(shares, out=shares)
            result[0, part], result[1, part], result[2, part] = shift, shares.sum(axis=1), shares @ self.means
            centred *= shares / total
            result[3, part], result[4, part] = centred.sum(axis=1), centred @ (signal * self.variances)
        return result

    def _near_sums(self, x: FloatArray, signal: float, noise: float) -> FloatArray:
        """Return the same over components that are sorted and narrow, near each point alone."""
        total = signal**2 * self.variances + noise**2
        logs = np.log(self.weights) - 0.5 * np.log(total)
        result = np.empty((5, len(x)))
        near_sums(
            np.ascontiguousarray(x),
            signal,
            signal * self.means,
            logs,
            total,
            signal * self.variances,
            float(logs.max()),
            float(total.max()),
            result,
        )
        return result

    @cached_property
    def _dense(self) -> LineLaw | None:
        """The components that are no points."""
        return self._selected(self.variances > 0.0)

    @cached_property
    def _points(self) -> LineLaw | None:
        """The components that are points, sorted."""
        points = self._selected(self.variances == 0.0)
        return None if points is None else points._selected(np.argsort(points.means, kind="stable"))

    def _selected(self, index: IntArray | BoolArray) -> LineLaw | None:
        weights = self.weights[index]
        if len(weights) == 0:
            return None
        return LineLaw(weights, self.means[index], self.variances[index], self.classes[index])

    def _cells(self, signal: float, noise: float) -> LineLaw | None:
        """Return the points, those much closer than the noise together as one component; None for none."""
        points = self._points
        if signal == 0.0 or points is None:
            return None
        width = CELL * noise / signal
        number = np.floor((points.means - points.means[0]) / width)
        starts = np.flatnonzero(np.append(True, np.diff(number) > 0.0))
        masses = np.add.reduceat(points.weights, starts)
        centres = np.add.reduceat(points.weights * points.means, starts) / masses
        sizes = np.diff(np.append(starts, len(number)))
        deviations = points.means - np.repeat(centres, sizes)
        spreads = np.add.reduceat(points.weights * deviations**2, starts) / masses
        return LineLaw(masses, centres, spreads, points.classes[starts])


def mixed_points(share: float, first: WeightedPoints, second: WeightedPoints) -> WeightedPoints:
    """Return share times one law and the rest of another."""
    return WeightedPoints(
        np.append(first.points, second.points),
        np.append(share * first.masses, (1.0 - share) * second.masses),
        np.append(first.labels, second.labels),
    )
