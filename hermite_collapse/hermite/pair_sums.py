r"""Averages of a kernel over all pairs of samples, and their variance: U-statistics of one and of two samples.

One sample: U = mean of K(x_i, x_j) over i != j.  With zeta_1 = Cov(K(X, X'), K(X, X'')), zeta_2 = Var K(X, X'),

    Var U = (4 (N-2) zeta_1 + 2 zeta_2) / (N (N-1))                                       exactly.

Two samples: U = mean of K(x_i, y_j).  With zeta_x = Cov(K(X, Y), K(X, Y')), zeta_y likewise, zeta_xy = Var K(X, Y),

    Var U = ((M-1) zeta_x + (N-1) zeta_y + zeta_xy) / (N M).

Sums over rows, columns and squares give an unbiased estimate of each zeta.  zeta_1, zeta_x and zeta_y are variances
and are cut at 0: where they vanish (the degenerate case, no signal) the second-order term remains.  All sums are
arrays with the kernels (degrees) last.
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
    def mean(self) -> Array:
        """(w,) the U-statistic."""
        count = len(self.rows)
        return self.rows.sum(axis=0) / (count * (count - 1.0))

    def zetas(self) -> tuple[Array, Array]:
        """(w,) zeta_1 >= 0 and zeta_2 >= 0; N >= 4.

        mean(K_12 K_34) over distinct indices is (T^2 - 4 sum R_i^2 + 2 Q) / (N (N-1) (N-2) (N-3)), and
        mean(K_12 K_13) is (sum R_i^2 - Q) / (N (N-1) (N-2)), with T the sum, R_i the row sums, Q the squares.
        """
        n = float(len(self.rows))
        total = self.rows.sum(axis=0)
        row_squares = np.square(self.rows).sum(axis=0)
        square = (total**2 - 4.0 * row_squares + 2.0 * self.squares) / (n * (n - 1) * (n - 2) * (n - 3))
        first = (row_squares - self.squares) / (n * (n - 1) * (n - 2)) - square
        second = self.squares / (n * (n - 1)) - square
        return np.maximum(first, 0.0), np.maximum(second, 0.0)

    def variance(self) -> Array:
        """(w,) estimated variance of the mean."""
        n = float(len(self.rows))
        first, second = self.zetas()
        return (4.0 * (n - 2) * first + 2.0 * second) / (n * (n - 1))


@dataclass(frozen=True)
class TwoSampleSums:
    """Sums over all pairs of two samples: rows (N, w), columns (M, w), squares (w,)."""

    rows: Array
    columns: Array
    squares: Array

    @property
    def mean(self) -> Array:
        """(w,) the U-statistic."""
        return self.rows.sum(axis=0) / (float(len(self.rows)) * len(self.columns))

    def zetas(self) -> tuple[Array, Array, Array]:
        """(w,) zeta_x, zeta_y, zeta_xy, all >= 0; N, M >= 2."""
        n, m = float(len(self.rows)), float(len(self.columns))
        total = self.rows.sum(axis=0)
        row_squares = np.square(self.rows).sum(axis=0)
        column_squares = np.square(self.columns).sum(axis=0)
        square = (total**2 - row_squares - column_squares + self.squares) / (n * (n - 1) * m * (m - 1))
        over_x = (row_squares - self.squares) / (n * m * (m - 1)) - square
        over_y = (column_squares - self.squares) / (n * m * (n - 1)) - square
        both = self.squares / (n * m) - square
        return np.maximum(over_x, 0.0), np.maximum(over_y, 0.0), np.maximum(both, 0.0)

    def variance(self) -> Array:
        """(w,) estimated variance of the mean."""
        n, m = float(len(self.rows)), float(len(self.columns))
        over_x, over_y, both = self.zetas()
        return ((m - 1) * over_x + (n - 1) * over_y + both) / (n * m)


def shared_covariance(
    own: Array, other_rows: Array, own_count: int, other_count: int, own_sums: OneSampleSums
) -> Array:
    r"""Covariance of the one-sample mean of Y and the two-sample mean of X and Y.

        Cov(U_yy, U_xy) = (2 / M) Cov(E[K(X, Y) | Y], E[K(Y', Y) | Y])                     exactly,

    estimated without bias from the row sums R_j over Y (`own`) and C_j over X (`other_rows`):
    mean(K(x_i, y_j) K(y_j, y_l)) = sum_j C_j R_j / (N M (M-1)), and the product of the means over distinct j, l, m
    is (T_xy T_yy - 2 sum_j C_j R_j) / (N M (M-1) (M-2)).
    """
    n, m = float(other_count), float(own_count)
    joint = (own * other_rows).sum(axis=0)
    product = other_rows.sum(axis=0) * own_sums.rows.sum(axis=0)
    apart = (product - 2.0 * joint) / (n * m * (m - 1) * (m - 2))
    return 2.0 / m * (joint / (n * m * (m - 1)) - apart)
