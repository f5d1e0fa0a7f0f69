"""Gaussian mixtures on the line and integrals of smooth, rapidly decaying functions of them.

The integrals are trapezoid sums, halved until two agree.  For an integrand analytic in a strip of
half-width w around the real axis the error falls like exp(-2 pi w / step), so the last halving squares the
one before, and the change it makes bounds what is left with room to spare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ConvergenceError, InputError
from ...core.estimates import Estimate

FloatArray = NDArray[np.float64]

# Gaussian tails beyond this many standard deviations weigh exp(-84): below rounding even against large
# prefactors.
_REACH = 13.0
_MAX_POINTS = 1 << 21
_CHUNK = 1 << 15


@dataclass(frozen=True)
class LineMixture:
    """sum_k w_k N(m_k, v_k) on the line; arrays of shape (K,)."""

    weights: FloatArray
    means: FloatArray
    variances: FloatArray

    @classmethod
    def of(cls, law: Any, name: str) -> LineMixture:
        """From anything with weights (K,), means (K,) or (K, 1) and variances of the same shape."""
        if isinstance(law, cls):
            return law
        if not all(hasattr(law, attribute) for attribute in ("weights", "means", "variances")):
            raise InputError(f"{name} must be a Gaussian mixture, got {type(law).__name__}.")
        parts = [np.asarray(part, float) for part in (law.weights, law.means, law.variances)]
        if parts[1].ndim == 2 and parts[1].shape[1] != 1:
            raise InputError(f"{name} must be one-dimensional, got dimension {parts[1].shape[1]}.")
        weights, means, variances = (part.reshape(-1) for part in parts)
        keep = weights > 0.0
        return cls(weights[keep], means[keep], variances[keep])

    @property
    def gaussian(self) -> bool:
        """True if all components coincide."""
        return bool(np.ptp(self.means) == 0.0 and np.ptp(self.variances) == 0.0)

    def shifted(self, shift: float) -> LineMixture:
        return LineMixture(self.weights, self.means + shift, self.variances)

    def widened(self, variance: float) -> LineMixture:
        return LineMixture(self.weights, self.means, self.variances + variance)

    def mixed(self, share: float, other: LineMixture) -> LineMixture:
        """(1 - share) self + share other, with equal components merged."""
        weights = np.concatenate([(1.0 - share) * self.weights, share * other.weights])
        means = np.concatenate([self.means, other.means])
        variances = np.concatenate([self.variances, other.variances])
        unique, inverse = np.unique(np.stack([means, variances]), axis=1, return_inverse=True)
        summed = np.zeros(unique.shape[1])
        np.add.at(summed, inverse.reshape(-1), weights)
        keep = summed > 0.0
        return LineMixture(summed[keep], unique[0, keep], unique[1, keep])

    def _log_terms(self, x: FloatArray) -> FloatArray:
        gap = x[:, None] - self.means
        return np.log(self.weights / np.sqrt(2.0 * np.pi * self.variances)) - gap**2 / (2.0 * self.variances)

    def log_density(self, x: FloatArray) -> FloatArray:
        terms = self._log_terms(x)
        top = terms.max(axis=1)
        return top + np.log(np.exp(terms - top[:, None]).sum(axis=1))

    def _shares(self, x: FloatArray) -> FloatArray:
        terms = self._log_terms(x)
        shares = np.exp(terms - terms.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def score(self, x: FloatArray) -> FloatArray:
        pull = (self.means - x[:, None]) / self.variances
        return (self._shares(x) * pull).sum(axis=1)

    def shift_log_ratio(self, x: FloatArray, shift: float) -> FloatArray:
        """log p(x - shift) - log p(x), to relative accuracy for small shifts.

        p(x - s)/p(x) = sum_k r_k(x) exp(s (x - m_k - s/2) / v_k), r the component shares at x.
        """
        exponents = shift * (x[:, None] - self.means - shift / 2.0) / self.variances
        shares = self._shares(x)
        near = np.log1p((shares * np.expm1(np.clip(exponents, -1.0, 1.0))).sum(axis=1))
        far = self.log_density(x - shift) - self.log_density(x)
        return np.where(np.abs(exponents).max(axis=1) <= 1.0, near, far)


def ratio_support(p: LineMixture, q: LineMixture) -> tuple[FloatArray, FloatArray]:
    """Centres and widths of the Gaussians that dominate p^2/q, one for each component of p.

    p^2/q <= K sum_a w_a^2 N_a^2 / (v_b N_b) for any component b of q; b is the one with the smallest
    integral.  Raises ConvergenceError where a component of p has no such b: the integral is infinite or on
    the boundary.
    """
    centres, widths = [], []
    for mean, variance in zip(p.means, p.variances, strict=True):
        room = 2.0 * q.variances - variance
        if not np.any(room > 0.0):
            raise ConvergenceError(
                f"p^2/q is not dominated by a Gaussian: variance {variance:.6g} against {q.variances.max():.6g}.",
                value=np.nan,
                bound=np.inf,
            )
        size = np.where(
            room > 0.0,
            (mean - q.means) ** 2 / np.where(room > 0.0, room, 1.0) - np.log(q.weights),
            np.inf,
        )
        best = int(np.argmin(size))
        precision = 2.0 / variance - 1.0 / q.variances[best]
        centres.append((2.0 * mean / variance - q.means[best] / q.variances[best]) / precision)
        widths.append(precision**-0.5)
    return np.asarray(centres), np.asarray(widths)


def integrate_line(
    integrand: Callable[[FloatArray], FloatArray],
    centres: FloatArray,
    widths: FloatArray,
    *,
    tolerance: float = 1e-13,
) -> list[Estimate]:
    """Integrals over the line of the rows of integrand(x), shape (k, n), living on centres +- 13 widths.

    Returns one Estimate a row; the error is the change at the last halving plus 4e-16 of the integral of
    the absolute value.  Where rounding in the integrand keeps the change above `tolerance` (relative to the
    integral of the absolute value), that change is the error; 2^21 points without convergence raise
    ConvergenceError.
    """
    low = float(np.min(centres - _REACH * widths))
    high = float(np.max(centres + _REACH * widths))
    count = 1 << int(np.ceil(np.log2(max(64.0, 4.0 * (high - low) / float(np.min(widths))))))
    total, size = _trapezoid_sum(integrand, low, (high - low) / count, count + 1)
    step = (high - low) / count
    value = step * total
    previous = np.full_like(value, np.inf)
    while True:
        middle, middle_size = _trapezoid_sum(integrand, low + step / 2.0, step, count)
        total, size = total + middle, size + middle_size
        step, count = step / 2.0, 2 * count
        change = np.abs(step * total - value)
        value = step * total
        # Rounding: the sums have settled at a level that halving no longer improves.  Where the grid resolves every
        # component many times over, that can be any level: the integrand itself is then rounding.
        resolved = step <= float(np.min(widths)) / 256.0
        settled = (change > previous / 4.0) & ((change <= 1e-9 * step * size) | resolved)
        if np.all((change <= tolerance * step * size) | settled):
            break
        previous = change
        if count >= _MAX_POINTS:
            raise ConvergenceError(
                f"the integral over [{low:.4g}, {high:.4g}] still changed by {float(change.max()):.2g} "
                f"at {count} points.",
                value=value,
                bound=change,
            )
    rounding = 4e-16 * step * size
    return [
        Estimate(float(v), float(c + r), "bound", "quadrature")
        for v, c, r in zip(value, change, rounding, strict=True)
    ]


def _trapezoid_sum(
    integrand: Callable[[FloatArray], FloatArray], first: float, step: float, count: int
) -> tuple[FloatArray, FloatArray]:
    total: Any = 0.0
    size: Any = 0.0
    for begin in range(0, count, _CHUNK):
        x = first + step * np.arange(begin, min(begin + _CHUNK, count), dtype=np.float64)
        rows = np.atleast_2d(integrand(x))
        total = total + rows.sum(axis=1)
        size = size + np.abs(rows).sum(axis=1)
    return total, size
