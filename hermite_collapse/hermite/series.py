r"""The density of a law as a truncated Hermite series.

    p_N(x) = gamma(x) sum_{abs(k) <= N} c_k h_k(x)

It converges in L2(gamma) if p / gamma is in L2(gamma); for a Gaussian mixture that is so if and only if all
covariance eigenvalues are below 2.  A truncated series is not a density: it integrates to c_0 = 1 but may be
negative, which `log_density` reports as -inf and `log_absolute` with its sign.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..errors import InputError
from .basis import hermite_values, hermite_values_scaled
from .coefficients import HermiteCoefficients

FloatArray = NDArray[np.float64]

_LOG_TWO_PI = float(np.log(2.0 * np.pi))
# abs(prod h_k) <= exp(norm(x)^2 / 4): below this squared norm no product of polynomials leaves double precision
_PLAIN = 2400.0
_CHUNK = 1 << 21


class DensitySeries:
    """Truncated Hermite series of a density.

    Parameters
    ----------
    coefficients : HermiteCoefficients of the law.

    Raises
    ------
    InputError if the law is known to lie outside L2(gamma) (`coefficients.square_integrable` is False).  None,
    unknown, is accepted: the caller vouches for the law.
    """

    def __init__(self, coefficients: HermiteCoefficients) -> None:
        if coefficients.square_integrable is False:
            raise InputError(
                "coefficients must belong to a law in L2(gamma) for its series to converge, got one with a covariance "
                "eigenvalue >= 2: use the exact density of the law (GaussianMixture.log_density)."
            )
        self.coefficients = coefficients

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return self.coefficients.dimension

    @property
    def degree(self) -> int:
        """Degree of truncation N."""
        return self.coefficients.degree

    def density(self, x: ArrayLike) -> FloatArray:
        r"""The truncated series at points; negative where the truncation makes it so.

            gamma(x) sum_k c_k h_k(x)

        Parameters
        ----------
        x : (..., d), in one dimension also (...).

        Returns
        -------
        (...) array.

        Accuracy : absolute, see rounding_bound.
        """
        size, sign = self.log_absolute(x)
        return sign * np.exp(size)

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Logarithm of the truncated series; -inf where the series is not positive.  Never NaN."""
        size, sign = self.log_absolute(x)
        return np.where(sign > 0.0, size, -np.inf)

    def log_absolute(self, x: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """log(abs(series)) and the sign of the series (-1, 0 or 1), as numpy.linalg.slogdet has them."""
        points, leading = self._points(x)
        sums, shift = self._sums(points, self.coefficients.values, absolute=False)
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(sums)) + shift + self._log_gamma(points)
        return size.reshape(leading), np.sign(sums).reshape(leading)

    def rounding_bound(self, x: ArrayLike) -> FloatArray:
        r"""Bound on the rounding error of density(x).

        2^-52 (4 N + 2 d + log2(m) + 8) gamma(x) sum_k abs(c_k) abs(h_k(x))
        """
        points, leading = self._points(x)
        sums, shift = self._sums(points, np.abs(self.coefficients.values), absolute=True)
        factor = 4.0 * self.degree + 2.0 * self.dimension + np.log2(len(self.coefficients)) + 8.0
        with np.errstate(divide="ignore"):
            bound = np.exp(np.log(sums) + shift + self._log_gamma(points))
        return (np.finfo(np.float64).eps * factor * bound).reshape(leading)

    def _points(self, x: ArrayLike) -> tuple[FloatArray, tuple[int, ...]]:
        points, leading = _checks.points(x, self.dimension)
        if not np.isfinite(points).all():
            raise InputError(f"x must be finite, got {int((~np.isfinite(points)).sum())} infinite entries.")
        return points, leading

    def _log_gamma(self, points: FloatArray) -> FloatArray:
        return -0.5 * (points**2).sum(axis=1) - 0.5 * self.dimension * _LOG_TWO_PI

    def _sums(
        self, points: FloatArray, values: FloatArray, *, absolute: bool
    ) -> tuple[FloatArray, FloatArray]:
        """sum_k values_k h_k(x) (or with abs(h_k)) as sums * exp(shift)."""
        sums, shift = np.zeros(len(points)), np.zeros(len(points))
        far = (points**2).sum(axis=1) > _PLAIN
        near_rows, far_rows = np.flatnonzero(~far), np.flatnonzero(far)
        step = max(1, _CHUNK // (len(values) + self.dimension * (self.degree + 1)))
        for start in range(0, len(near_rows), step):
            rows = near_rows[start : start + step]
            sums[rows] = self._near(points[rows], values, absolute)
        for start in range(0, len(far_rows), step):
            rows = far_rows[start : start + step]
            sums[rows], shift[rows] = self._far(points[rows], values, absolute)
        return sums, shift

    def _near(self, points: FloatArray, values: FloatArray, absolute: bool) -> FloatArray:
        table = hermite_values(points, self.degree)
        if absolute:
            table = np.abs(table)
        indices = self.coefficients.indices
        product = table[:, 0][:, indices[:, 0]]
        for axis in range(1, self.dimension):
            product = product * table[:, axis][:, indices[:, axis]]
        return product @ values

    def _far(self, points: FloatArray, values: FloatArray, absolute: bool) -> tuple[FloatArray, FloatArray]:
        """Term by term in logarithms: polynomials and coefficients may differ by any power of ten."""
        table, log_scale = hermite_values_scaled(points, self.degree)
        with np.errstate(divide="ignore"):
            log_table = np.log(np.abs(table)) + log_scale
            log_terms = np.broadcast_to(np.log(np.abs(values)), (len(points), len(values))).copy()
        signs = np.broadcast_to(np.sign(values), log_terms.shape).copy()
        indices = self.coefficients.indices
        for axis in range(self.dimension):
            log_terms += log_table[:, axis][:, indices[:, axis]]
            if not absolute:
                signs *= np.sign(table[:, axis])[:, indices[:, axis]]
        shift = log_terms.max(axis=1)
        shift = np.where(np.isfinite(shift), shift, 0.0)
        return (signs * np.exp(log_terms - shift[:, None])).sum(axis=1), shift
