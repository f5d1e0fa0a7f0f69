r"""The density of a law as a truncated Hermite series.

    p_N(x) = gamma(x) sum_{abs(k) <= N} c_k h_k(x)

It converges in L2(gamma) if p / gamma is in L2(gamma); for a Gaussian mixture that is so if and only if all
covariance eigenvalues are below 2.  A truncated series is not a density: it integrates to c_0 = 1 but may be
negative, which `log_density` reports as -inf and `log_absolute` with its sign.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.threads import parallel_region
from ..core.types import FloatArray, IntArray
from ..core.value import Value, writable
from ._plan import factor_rows, line_constants
from .basis import hermite_values, hermite_values_scaled
from .halves import Growth, halves
from .indices import positions

_LOG_TWO_PI = float(np.log(2.0 * np.pi))
# abs(prod h_k) <= exp(norm(x)^2 / 4): below this exponent no term of the series, nor their sum, leaves double precision
_LARGEST_EXPONENT = 600.0
_CHUNK = 1 << 21


@dataclass(frozen=True, eq=False)
class DensitySeries(Value):
    """Truncated Hermite series of a density, as `HermiteCoefficients.series` makes it.

    Attributes
    ----------
    indices : array of int, shape (m, d)
        Multi-indices of the coefficients.
    values : array, shape (m,)
        The coefficients.
    """

    indices: IntArray
    values: FloatArray

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return self.indices.shape[1]

    @property
    def degree(self) -> int:
        """Degree of truncation N."""
        return int(self.indices.sum(axis=1).max())

    def density(self, x: ArrayLike) -> FloatArray:
        r"""Return the truncated series at points; negative where the truncation makes it so.

            gamma(x) sum_k c_k h_k(x)

        Parameters
        ----------
        x : array, shape (..., d)
            In one dimension also (...).

        Returns
        -------
        array, shape (...)

        Accuracy
        --------
        Absolute, see log_rounding_bound.
        """
        points, leading = self._points(x)
        sums, shift = self._sums(points, self.values, envelope=False)
        log_gamma = self._log_gamma(points)
        far = np.flatnonzero((log_gamma < -_LARGEST_EXPONENT) | (shift != 0.0))
        density = sums * np.exp(log_gamma)
        with np.errstate(divide="ignore"):
            density[far] = np.sign(sums[far]) * np.exp(
                np.log(np.abs(sums[far])) + shift[far] + log_gamma[far]
            )
        return density.reshape(leading)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return the logarithm of the truncated series; -inf where the series is not positive.  Never NaN.

        Where the terms cancel (far from the bulk, at high degree) only the digits above log_rounding_bound are known.
        """
        size, sign = self.log_absolute(x)
        return np.where(sign > 0.0, size, -np.inf)

    def log_absolute(self, x: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return log(abs(series)) and the sign of the series (-1, 0 or 1), as numpy.linalg.slogdet has them."""
        points, leading = self._points(x)
        sums, shift = self._sums(points, self.values, envelope=False)
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(sums)) + shift + self._log_gamma(points)
        return size.reshape(leading), np.sign(sums).reshape(leading)

    def log_rounding_bound(self, x: ArrayLike) -> FloatArray:
        r"""Return the logarithm of a bound on the rounding error of density(x), for exact coefficients.

            2^-52 (2 N + 2 d + log2(m) + 8 + norm(x)^2) gamma(x) sum_k abs(c_k) e_k(x),
            e_k(x) = prod_j max(abs(h_{k_j}(x_j)), abs(h_{k_j - 1}(x_j)))

        The neighbouring degree stands in where h_k is near a zero.  First order in the rounding unit: an ulp or two for
        each step of the recurrence, and an ulp of norm(x)^2 in the logarithm of gamma.
        """
        points, leading = self._points(x)
        sums, shift = self._sums(points, np.abs(self.values), envelope=True)
        factor = (
            2.0 * self.degree
            + 2.0 * self.dimension
            + np.log2(len(self.values))
            + 8.0
            + (points**2).sum(axis=1)
        )
        with np.errstate(divide="ignore"):
            bound = np.log(np.finfo(np.float64).eps * factor) + np.log(sums) + shift + self._log_gamma(points)
        return bound.reshape(leading)

    def _points(self, x: ArrayLike) -> tuple[FloatArray, tuple[int, ...]]:
        points, leading = checks.points(x, self.dimension)
        if not np.isfinite(points).all():
            raise InputError(f"x must be finite, got {int((~np.isfinite(points)).sum())} infinite entries.")
        return points, leading

    def _log_gamma(self, points: FloatArray) -> FloatArray:
        return -0.5 * (points**2).sum(axis=1) - 0.5 * self.dimension * _LOG_TWO_PI

    def _sums(
        self, points: FloatArray, values: FloatArray, *, envelope: bool
    ) -> tuple[FloatArray, FloatArray]:
        """sum_k values_k h_k(x), or with the envelope of h_k, as sums * exp(shift)."""
        sums, shift = np.zeros(len(points)), np.zeros(len(points))
        headroom = _LARGEST_EXPONENT - np.log(max(1.0, float(np.abs(values).max(initial=0.0))))
        far = 0.25 * (points**2).sum(axis=1) > headroom
        near_rows, far_rows = np.flatnonzero(~far), np.flatnonzero(far)
        if self.dimension == 1 and not envelope:
            degrees = self.indices[:, 0]
            if not len(far_rows):
                return _line(points[:, 0], values, degrees), shift
            sums[near_rows] = _line(points[near_rows, 0], values, degrees)
        else:
            products = _Products(self.indices, values, self.degree)
            step = max(64, _CHUNK // products.width)
            for start in range(0, len(near_rows), step):
                rows = near_rows[start : start + step]
                table = hermite_values(points[rows], self.degree)
                sums[rows] = products.sums(_envelope(np.abs(table)) if envelope else table)
        step = max(1, _CHUNK // (len(values) + self.dimension * (self.degree + 1)))
        for start in range(0, len(far_rows), step):
            rows = far_rows[start : start + step]
            sums[rows], shift[rows] = self._far(points[rows], values, envelope)
        return sums, shift

    def _far(self, points: FloatArray, values: FloatArray, envelope: bool) -> tuple[FloatArray, FloatArray]:
        """Term by term in logarithms: polynomials and coefficients may differ by any power of ten."""
        table, log_scale = hermite_values_scaled(points, self.degree)
        with np.errstate(divide="ignore"):
            log_table = np.log(np.abs(table)) + log_scale
            log_terms = np.broadcast_to(np.log(np.abs(values)), (len(points), len(values))).copy()
        if envelope:
            log_table = _envelope(log_table)
        signs = np.broadcast_to(np.sign(values), log_terms.shape).copy()
        indices = self.indices
        for axis in range(self.dimension):
            log_terms += log_table[:, axis][:, indices[:, axis]]
            if not envelope:
                signs *= np.sign(table[:, axis])[:, indices[:, axis]]
        shift = log_terms.max(axis=1)
        shift = np.where(np.isfinite(shift), shift, 0.0)
        return (signs * np.exp(log_terms - shift[:, None])).sum(axis=1), shift


def _envelope(size: FloatArray) -> FloatArray:
    """The size of each degree's value, raised to that of the degree before it where that is larger."""
    raised = size.copy()
    np.maximum(size[..., 1:], size[..., :-1], out=raised[..., 1:])
    return raised


def _line(x: FloatArray, values: FloatArray, degrees: IntArray) -> FloatArray:
    """Return the sums on one axis by the compiled recurrence."""
    from ._kernels_series import line_series

    steps, scale = line_constants(int(degrees.max()))
    terms = np.zeros(len(steps))
    np.add.at(terms, degrees, values)
    terms /= scale[: len(terms)]
    out = np.empty(len(x))
    with parallel_region:
        line_series(writable(np.ascontiguousarray(x)), steps, terms, out)
    return out


class _Products:
    """sum_k values_k h_k as matrix products of the two halves: two flops for each coefficient and point."""

    def __init__(self, indices: IntArray, values: FloatArray, degree: int) -> None:
        self.dimension = indices.shape[1]
        self.halves = halves(self.dimension, degree)
        self.width = (
            len(self.halves.left.parent) + len(self.halves.right.parent) + self.dimension * (degree + 1)
        )
        position = positions(indices)
        row, column = self.halves.row[position], self.halves.column[position]
        self.blocks = []
        for n, (start, stop) in enumerate(itertools.pairwise(self.halves.starts.tolist())):
            inside = (row >= start) & (row < stop)
            block = np.zeros((stop - start, int(self.halves.widths[n])))
            np.add.at(block, (row[inside] - start, column[inside]), values[inside])
            if stop > start:
                self.blocks.append((start, stop, block))

    def sums(self, table: FloatArray) -> FloatArray:
        """Return the sum at each point, from the values (n, d, degree + 1) of the polynomials on each axis."""
        factors = np.ascontiguousarray(table[:, :, 1:].transpose(2, 1, 0)).reshape(-1, len(table))
        left = _grow(self.halves.left, 0, factors, self.dimension, len(table))
        right = _grow(self.halves.right, self.halves.split, factors, self.dimension, len(table))
        total = np.zeros(len(table))
        for start, stop, block in self.blocks:
            total += np.einsum("pn,pn->n", left[start:stop], block @ right[: block.shape[1]])
        return total


def _grow(rule: Growth, first_axis: int, factors: FloatArray, dimension: int, count: int) -> FloatArray:
    """Return all products, each its parent times one factor."""
    factor = factor_rows(rule, first_axis, dimension)
    rows = np.empty((len(factor), count))
    rows[0] = 1.0
    for r in range(1, len(factor)):
        np.multiply(rows[rule.parent[r]], factors[factor[r]], out=rows[r])
    return rows
