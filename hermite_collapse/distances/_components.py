"""What the distances need of a law: its Gaussian components, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A one-dimensional Gaussian mixture: weights, means and standard deviations, each (K,)."""

    weights: Array
    means: Array
    scales: Array

    @cached_property
    def log_weights(self) -> Array:
        return np.log(self.weights)

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        return self.weights, self.means, self.scales

    @property
    def mean(self) -> float:
        return float(self.weights @ self.means)

    def window(self, reach: float) -> tuple[float, float]:
        """The smallest interval that holds every component's mean +- reach standard deviations."""
        return float((self.means - reach * self.scales).min()), float(
            (self.means + reach * self.scales).max()
        )


def line(weights: Any, means: Any, variances: Any) -> Line:
    """A Line from arrays; components of weight zero are left out."""
    w = np.ascontiguousarray(weights, dtype=float)
    keep = w > 0.0
    m = np.ascontiguousarray(np.broadcast_to(np.asarray(means, dtype=float), w.shape)[keep])
    v = np.ascontiguousarray(np.broadcast_to(np.asarray(variances, dtype=float), w.shape)[keep])
    return Line(np.ascontiguousarray(w[keep]), m, np.sqrt(v))


def mixture_of(law: Any, name: str) -> Any:
    """The Gaussian mixture that a law is; InputError if it is none or has a singular component."""
    mixture = law if hasattr(law, "frames") else getattr(law, "mixture", None)
    if mixture is None or not hasattr(mixture, "variances"):
        raise InputError(
            f"{name} must be a GaussianMixture or an AgedLaw over Gaussian mixtures, got {type(law).__name__}."
        )
    if not np.all(np.asarray(mixture.variances) > 0.0):
        raise InputError(
            f"{name} must have a density, got a component whose covariance is singular"
            f" (smallest eigenvalue {float(np.min(mixture.variances)):.3g})."
        )
    return mixture


def same_dimension(p: Any, q: Any) -> int:
    """The common dimension of two laws, InputError if they differ."""
    if p.dimension != q.dimension:
        raise InputError(f"q must have the dimension of p, {p.dimension}, got {q.dimension}.")
    return int(p.dimension)


def line_of(law: Any, name: str) -> Line:
    """The Line of a one-dimensional law."""
    mixture = mixture_of(law, name)
    if mixture.dimension != 1:
        raise InputError(f"{name} must be one-dimensional here, got dimension {mixture.dimension}.")
    return line(mixture.weights, mixture.means[:, 0], mixture.variances[:, 0])


def unbounded_ages(law: Any) -> bool:
    """Whether a law stands for infinitely many ages, whose tails its components cannot show."""
    return bool(getattr(law, "unbounded_ages", False))
