r"""Averages of a kernel over all pairs of samples, and their variance: U-statistics of one and of two samples.

One sample: U = mean of K(x_i, x_j) over i != j.  With zeta_1 = Cov(K(X, X'), K(X, X'')), zeta_2 = Var K(X, X'),

    Var U = (4 (N-2) zeta_1 + 2 zeta_2) / (N (N-1))                                       exactly.

Two samples: U = mean of K(x_i, y_j).  With zeta_x = Cov(K(X, Y), K(X, Y')), zeta_y likewise, zeta_xy = Var K(X, Y),

    Var U = ((M-1) zeta_x + (N-1) zeta_y + zeta_xy) / (N M).

Sums over rows, columns and squares give an unbiased estimate of each zeta, and so of the variance.  zeta_1, zeta_x and
zeta_y are variances: `variance` cuts their estimates at 0, and where they vanish (the degenerate case, no signal) the
second-order term remains.  Statistics that combine averages use the uncut estimates, where first-order terms cancel
as they should.  All sums are arrays with the kernels (degrees) last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OneSampleSums:
    """Sums over the ordered pairs i != j of one sample: rows (N, w), squares (w,)."""

    rows: Array
    squares: Array

    @property
    def finite(self) -> bool:
        """Whether the mean and its variance can be held in doubles: N^2 sum K^2 bounds every intermediate value."""
        return _finite(self.squares, float(len(self.rows)) ** 2)

    @property
    def mean(self) -> Array:
        """(w,) the U-statistic."""
        count = len(self.rows)
        return self.rows.sum(axis=0) / (count * (count - 1.0))

    def zetas(self) -> tuple[Array, Array]:
        """(w,) estimates of zeta_1 and zeta_2, possibly negative; N >= 4.

        mean(K_12 K_34) over distinct indices is (T^2 - 4 sum R_i^2 + 2 Q) / (N (N-1) (N-2) (N-3)), and
        mean(K_12 K_13) is (sum R_i^2 - Q) / (N (N-1) (N-2)), with T the sum, R_i the row sums, Q the squares.
        """
        n = float(len(self.rows))
        total = self.rows.sum(axis=0)
        row_squares = np.square(self.rows).sum(axis=0)
        square = (total**2 - 4.0 * row_squares + 2.0 * self.squares) / (n * (n - 1) * (n - 2) * (n - 3))
        first = (row_squares - self.squares) / (n * (n - 1) * (n - 2)) - square
        second = self.squares / (n * (n - 1)) - square
        return first, second

    def unbiased_variance(self) -> Array:
        """(w,) unbiased estimate of the variance of the mean, possibly negative."""
        n = float(len(self.rows))
        first, second = self.zetas()
        return (4.0 * (n - 2) * first + 2.0 * second) / (n * (n - 1))

    def variance(self) -> Array:
        """(w,) estimate of the variance of the mean, >= 0."""
        n = float(len(self.rows))
        first, second = self.zetas()
        return (4.0 * (n - 2) * np.maximum(first, 0.0) + 2.0 * np.maximum(second, 0.0)) / (n * (n - 1))

    def degenerate_variance(self) -> Array:
        """(w,) the part of the variance that is left when the means given one index are constant."""
        n = float(len(self.rows))
        first, second = self.zetas()
        return 2.0 * np.maximum(second - 2.0 * np.maximum(first, 0.0), 0.0) / (n * (n - 1))


@dataclass(frozen=True)
class TwoSampleSums:
    """Sums over all pairs of two samples: rows (N, w), columns (M, w), squares (w,)."""

    rows: Array
    columns: Array
    squares: Array

    @property
    def finite(self) -> bool:
        """Whether the mean and its variance can be held in doubles: N M sum K^2 bounds every intermediate value."""
        return _finite(self.squares, float(len(self.rows)) * len(self.columns))

    @property
    def mean(self) -> Array:
        """(w,) the U-statistic."""
        return self.rows.sum(axis=0) / (float(len(self.rows)) * len(self.columns))

    def zetas(self) -> tuple[Array, Array, Array]:
        """(w,) estimates of zeta_x, zeta_y and zeta_xy, possibly negative; N, M >= 2."""
        n, m = float(len(self.rows)), float(len(self.columns))
        total = self.rows.sum(axis=0)
        row_squares = np.square(self.rows).sum(axis=0)
        column_squares = np.square(self.columns).sum(axis=0)
        square = (total**2 - row_squares - column_squares + self.squares) / (n * (n - 1) * m * (m - 1))
        over_x = (row_squares - self.squares) / (n * m * (m - 1)) - square
        over_y = (column_squares - self.squares) / (n * m * (n - 1)) - square
        both = self.squares / (n * m) - square
        return over_x, over_y, both

    def unbiased_variance(self) -> Array:
        """(w,) unbiased estimate of the variance of the mean, possibly negative."""
        n, m = float(len(self.rows)), float(len(self.columns))
        over_x, over_y, both = self.zetas()
        return ((m - 1) * over_x + (n - 1) * over_y + both) / (n * m)

    def variance(self) -> Array:
        """(w,) estimate of the variance of the mean, >= 0."""
        n, m = float(len(self.rows)), float(len(self.columns))
        over_x, over_y, both = (np.maximum(zeta, 0.0) for zeta in self.zetas())
        return ((m - 1) * over_x + (n - 1) * over_y + both) / (n * m)

    def degenerate_variance(self) -> Array:
        """(w,) the part of the variance that is left when the means given one index are constant."""
        over_x, over_y, both = self.zetas()
        left = both - np.maximum(over_x, 0.0) - np.maximum(over_y, 0.0)
        return np.maximum(left, 0.0) / (float(len(self.rows)) * len(self.columns))


def _finite(squares: Array, pairs: float) -> bool:
    return bool(np.all(squares < np.finfo(np.float64).max / (4.0 * pairs)))


def shared_covariance(own: OneSampleSums, cross: Array, other_count: int) -> Array:
    r"""Unbiased estimate of the covariance of the one-sample mean of Y and the two-sample mean of X and Y.

        Cov(U_yy, U_xy) = (2 / M) Cov(E[K(X, Y) | Y], E[K(Y', Y) | Y])                     exactly,

    from the row sums R_j over Y (`own.rows`) and C_j over the N points of X (`cross`):
    mean(K(x_i, y_j) K(y_j, y_l)) = sum_j C_j R_j / (N M (M-1)), and the product of the means over distinct j, l, m
    is (T_xy T_yy - 2 sum_j C_j R_j) / (N M (M-1) (M-2)).
    """
    n, m = float(other_count), float(len(own.rows))
    joint = (own.rows * cross).sum(axis=0)
    product = cross.sum(axis=0) * own.rows.sum(axis=0)
    apart = (product - 2.0 * joint) / (n * m * (m - 1) * (m - 2))
    return 2.0 / m * (joint / (n * m * (m - 1)) - apart)
