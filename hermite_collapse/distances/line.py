r"""Gaussian mixtures on the line, as the compiled kernels take them, and panels that none of their components escapes.

    p(x) = sum_k w_k N(x; m_k, s_k^2)

Every one-dimensional integral of the package, of distances and of bounds alike, sees its laws through `LineMixture`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray
from ..laws.mixture import GaussianMixture, Law

REACH = 12.0  # beyond 12 standard deviations lies 2e-33 of a component
_STEPS = np.array([-12.0, -7.0, -4.0, -2.0, 0.0, 2.0, 4.0, 7.0, 12.0])
_SMALLEST_SCALE = 1e-162  # about the root of the smallest variance
_MOST_EVEN_PANELS = 4000.0


def density_mixture(law: Law, name: str) -> GaussianMixture:
    """Return the Gaussian mixture that a law with a density is; InputError names what stands against it."""
    if not isinstance(law, Law):
        raise InputError(f"{name} must be a law with a density, got {type(law).__name__}.")
    mixture = law.as_mixture()
    if not mixture.has_density:
        raise InputError(f"{name} must have a density, got {law!r} with a component of singular covariance.")
    return mixture


def same_dimension(p: Law, q: Law) -> int:
    """Return the common dimension of two laws, InputError if they differ."""
    if p.dimension != q.dimension:
        raise InputError(f"q must have the dimension of p, {p.dimension}, got {q.dimension}.")
    return p.dimension


@dataclass(frozen=True, eq=False)
class LineMixture:
    """A one-dimensional Gaussian mixture.

    Attributes
    ----------
    weights, means, scales : array, shape (K,)
        Positive weights, means and standard deviations.
    """

    weights: FloatArray
    means: FloatArray
    scales: FloatArray

    @classmethod
    def of(cls, law: Law, name: str) -> LineMixture:
        """Return a one-dimensional law with a density, without its components of weight zero."""
        mixture = density_mixture(law, name)
        if mixture.dimension != 1:
            raise InputError(f"{name} must be one-dimensional here, got dimension {mixture.dimension}.")
        used = mixture.weights > 0.0
        return cls(mixture.weights[used], mixture.means[used, 0], np.sqrt(mixture.variances[used, 0]))

    @property
    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Weights, means and scales."""
        return self.weights, self.means, self.scales

    @property
    def mean(self) -> float:
        """E X."""
        return float(self.weights @ self.means)

    def moved(self, shift: float) -> LineMixture:
        """Return the law of X + shift."""
        return LineMixture(self.weights, self.means + shift, self.scales)

    def divided(self, unit: float) -> LineMixture:
        """Return the law of X / unit; no scale becomes 0."""
        return LineMixture(self.weights, self.means / unit, np.maximum(self.scales / unit, _SMALLEST_SCALE))

    def window(self, reach: float = REACH) -> tuple[float, float]:
        """Return the ends of the smallest interval that holds every component's mean +- reach standard deviations."""
        return (
            float((self.means - reach * self.scales).min()),
            float((self.means + reach * self.scales).max()),
        )

    @cached_property
    def _heights(self) -> FloatArray:
        """Log weight plus log density at the mean, of every component."""
        return np.log(self.weights) - np.log(self.scales) - 0.5 * float(np.log(2.0 * np.pi))

    @cached_property
    def _roots(self) -> FloatArray:
        return np.sqrt(0.5) / self.scales

    def log_density(self, x: FloatArray) -> FloatArray:
        """Return log p at points (n,), (n,), without underflow."""
        from ..laws._kernels_log_density import log_density_line_lane
        from ..laws._log_density import FAR

        # Not through the law's own log density: moving x to the law's centre would round it.
        peak, total = np.empty(len(x)), np.empty(len(x))
        log_density_line_lane(0, 1, x, self._heights, self.means, self._roots, peak, total)
        # The sum holds the highest term, which rounding of large exponents may move far from 1.
        return peak + np.log(np.where(peak < FAR, 1.0, total))

    def log_density_and_score(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log p and its derivative at points (n,), (n,) each."""
        from ..laws._kernels_log_density import log_density_axes_lane

        peak, total, slope = np.empty(len(x)), np.empty(len(x)), np.empty((1, len(x)))
        means, roots = self.means[:, None], self._roots[:, None]
        log_density_axes_lane(0, 1, x[None], self._heights, means, roots, True, peak, total, slope)
        return peak + np.log(total), -slope[0] / total

    def breakpoints(self, steps: FloatArray = _STEPS) -> tuple[FloatArray, FloatArray]:
        """Return points at these multiples of every component's standard deviation, and those standard deviations."""
        points = self.means[:, None] + self.scales[:, None] * steps
        return points.ravel(), np.repeat(self.scales, len(steps))


def common_unit(p: LineMixture, q: LineMixture) -> float:
    """Return the power of two just below the width that both laws take, from 12 standard deviations to 12."""
    ends = 0.5 * np.array([p.window(), q.window()])
    width = float(ends[:, 1].max() - ends[:, 0].min())
    return float(2.0 ** np.floor(np.log2(width)))


def panels(laws: Sequence[LineMixture], low: float, high: float, widest: float = np.inf) -> FloatArray:
    """Return panel ends from low to high that no component can hide between; 4000 at most are `widest` apart."""
    count = max(1, int(np.ceil(min((high - low) / widest, _MOST_EVEN_PANELS))))
    points, scales = (
        np.concatenate(parts) for parts in zip(*(law.breakpoints() for law in laws), strict=True)
    )
    return spaced(np.linspace(low, high, count + 1), points, scales)


def spaced(ends: FloatArray, points: FloatArray, scales: FloatArray) -> FloatArray:
    """Return `ends` with those of the points between them that are not within half their scale of another end.

    Taken from the widest scale to the narrowest: ends of near-equal components would add panels and no information.
    """
    inside = (points > ends[0]) & (points < ends[-1])
    points, scales = points[inside], scales[inside]
    octaves = np.floor(np.log2(scales)).astype(np.int64)
    for octave in np.unique(octaves)[::-1]:
        unit = 0.5 * 2.0 ** float(octave)
        own = np.sort(points[octaves == octave])
        own = own[np.unique(np.floor(own / unit), return_index=True)[1]]
        own = own[np.diff(own, prepend=-np.inf) > 0.1 * unit]
        after = np.searchsorted(ends, own).clip(1, len(ends) - 1)
        own = own[np.minimum(own - ends[after - 1], ends[after] - own) > unit]
        ends = np.sort(np.concatenate([ends, own]))
    return ends
