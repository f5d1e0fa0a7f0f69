r"""Products of the Hermite coefficients of two Gaussians, summed by degree: the determinant formula.

For N(m, S) and N(m', S'), A = S - I, B = S' - I,

    F(r) = sum_n r^n <c_n, c_n'>
         = det(I - r^2 A B)^(-1/2) exp( r m^T (I - r^2 B A)^{-1} m' + r^2/2 m^T B (I - r^2 A B)^{-1} m
                                                                 + r^2/2 m'^T A (I - r^2 B A)^{-1} m' )

The coefficients of r^n come from power series: with F = exp(sum_n L_n r^n),

    L_{2s+1} = m^T (BA)^s m',     L_{2s} = tr((AB)^s) / (2 s) + m^T B (AB)^{s-1} m / 2 + m'^T A (BA)^{s-1} m' / 2,
    n F_n = sum_{j=1..n} j L_j F_{n-j},

so no branch of the square root is ever chosen; the values at one r (where the series converges, so that every factor
1 - r^2 mu is positive) from the logarithm.  Diagonal matrices make every term a product of two tables, one a law.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.types import FloatArray
from .mixture import Mixture, spread


class SignedMixture(NamedTuple):
    """Weights (K,) of either sign, means (K, d), covariances minus I: diagonals (K, d), or full (K, d, d)."""

    weights: FloatArray
    means: FloatArray
    excess: FloatArray

    @property
    def diagonal(self) -> bool:
        """Whether every covariance is diagonal."""
        return self.excess.ndim == 2

    def full(self) -> FloatArray:
        """Return the covariances minus I as matrices, shape (K, d, d)."""
        return self.excess[:, :, None] * np.eye(self.means.shape[1]) if self.diagonal else self.excess

    def rows(self, start: int, stop: int) -> SignedMixture:
        """Return some of the components."""
        return SignedMixture(*(array[start:stop] for array in self))


def signed_mixture(mixture: Mixture) -> SignedMixture:
    """Return the components of a mixture."""
    variances, full = spread(mixture)
    excess = variances - 1.0 if full is None else full - np.eye(mixture.means.shape[1])
    return SignedMixture(mixture.weights, mixture.means, excess)


def pair_coefficients(first: SignedMixture, second: SignedMixture, degree: int) -> FloatArray:
    """Return the coefficients F_n (degree + 1, K, L) of every pair of components."""
    slopes = _log_coefficients(first, second, degree)
    slopes *= np.arange(degree + 1.0)[:, np.newaxis, np.newaxis]  # n L_n, of F' = (log F)' F
    values = np.zeros_like(slopes)
    values[0] = 1.0
    for n in range(1, degree + 1):
        values[n] = (slopes[1 : n + 1] * values[n - 1 :: -1][:n]).sum(axis=0) / n
    return values


def pair_log_values(first: SignedMixture, second: SignedMixture, ratio: float) -> FloatArray:
    """Return log F(r) (K, L) of every pair of components; r must be inside the radius of convergence of each."""
    square = ratio**2
    if first.diagonal and second.diagonal:
        m, a = second.means, second.excess
        if np.all(first.excess == first.excess[0]) and np.all(a == a[0]):
            product, excess = first.excess[0] * a[0], first.excess[0]
            shrink = 1.0 - square * product
            constant = -0.5 * np.log1p(-square * product).sum()
            own = 0.5 * square * (first.means**2 @ (a[0] / shrink))
            other = 0.5 * square * (m**2 @ (excess / shrink))
            return constant + ratio * (first.means / shrink) @ m.T + own[:, None] + other
        result = np.empty((len(first.weights), len(second.weights)))
        for k, (mean, excess) in enumerate(zip(first.means, first.excess, strict=True)):
            shrink = 1.0 - square * excess * a
            exponent = ratio * mean * m + 0.5 * square * (mean**2 * a + m**2 * excess)
            result[k] = (exponent / shrink - 0.5 * np.log1p(-square * excess * a)).sum(axis=1)
        return result
    left, right = first.full(), second.full()
    identity = np.eye(first.means.shape[1])
    result = np.empty((len(left), len(right)))
    for k, (mean, a) in enumerate(zip(first.means, left, strict=True)):
        for l, (other, b) in enumerate(zip(second.means, right, strict=True)):
            shrink = identity - square * (b @ a)  # its transpose is I - r^2 A B
            towards = np.linalg.solve(shrink, np.stack([other, b @ mean], axis=1))
            back = np.linalg.solve(shrink.T, a @ other)
            exponent = ratio * mean @ towards[:, 0] + 0.5 * square * (mean @ towards[:, 1] + other @ back)
            result[k, l] = exponent - 0.5 * np.linalg.slogdet(shrink)[1]
    return result


def _log_coefficients(first: SignedMixture, second: SignedMixture, degree: int) -> FloatArray:
    """Return the coefficients L_n (degree + 1, K, L) of log F."""
    logs = np.zeros((degree + 1, len(first.weights), len(second.weights)))
    if first.diagonal and second.diagonal:
        m, a, other, b = first.means, first.excess, second.means, second.excess
        a_power, b_power = np.ones_like(a), np.ones_like(b)  # a^s, b^s
        for n in range(1, degree + 1):
            if n % 2:
                logs[n] = (m * a_power) @ (other * b_power).T
            else:
                logs[n] = (
                    0.5 * (m**2 * a_power) @ (b * b_power).T + 0.5 * (a * a_power) @ (other**2 * b_power).T
                )
                a_power, b_power = a * a_power, b * b_power
                logs[n] += a_power @ b_power.T / n
        return logs
    left, right = first.full(), second.full()
    for k, (mean, a) in enumerate(zip(first.means, left, strict=True)):
        for l, (other, b) in enumerate(zip(second.means, right, strict=True)):
            logs[:, k, l] = _log_coefficients_full(mean, a, other, b, degree)
    return logs


def _log_coefficients_full(
    mean: FloatArray, a: FloatArray, other: FloatArray, b: FloatArray, degree: int
) -> FloatArray:
    logs = np.zeros(degree + 1)
    eigenvalues = np.linalg.eigvals(a @ b)
    power = np.ones_like(eigenvalues)
    there, here = other, mean  # (BA)^s m' and (AB)^s m
    for n in range(1, degree + 1):
        if n % 2:
            logs[n] = mean @ there
        else:
            power = power * eigenvalues
            logs[n] = power.sum().real / n + 0.5 * (b @ mean) @ here + 0.5 * (a @ other) @ there
            there, here = b @ (a @ there), a @ (b @ here)
    return logs
