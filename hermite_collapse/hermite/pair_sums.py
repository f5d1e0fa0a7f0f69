r"""Averages of a kernel over all pairs of samples, and their variance: U-statistics of one and of two samples.

One sample: U = mean of K(x_i, x_j) over i != j.  With zeta_1 = Cov(K(X, X'), K(X, X'')), zeta_2 = Var K(X, X'),

    Var U = (4 (N-2) zeta_1 + 2 zeta_2) / (N (N-1))                                       exactly.

Two samples: U = mean of K(x_i, y_j).  With zeta_x = Cov(K(X, Y), K(X, Y')), zeta_y likewise, zeta_xy = Var K(X, Y),

    Var U = ((M-1) zeta_x + (N-1) zeta_y + zeta_xy) / (N M).

Sums over rows, columns and squares give an unbiased estimate of each zeta, and so of the variance.  zeta_1, zeta_x and
zeta_y are variances: `variance` cuts their estimates at 0, and where they vanish (the degenerate case, no signal) the
second-order term remains.  All sums are arrays with the kernels (degrees) last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.types import FloatArray
from ..core.value import Value


@dataclass(frozen=True, eq=False)
class OneSampleSums(Value):
    """Sums over the ordered pairs i != j of one sample: rows (N, w), squares (w,)."""

    rows: FloatArray
    squares: FloatArray

    @property
    def finite(self) -> bool:
        """Whether the mean and its variance can be held in doubles: N^2 sum K^2 bounds every intermediate value."""
        return _finite(self.squares, float(len(self.rows)) ** 2)

    @property
    def mean(self) -> FloatArray:
        """The U-statistic, shape (w,)."""
        count = len(self.rows)
        return self.rows.sum(axis=0) / (count * (count - 1.0))

    def zetas(self) -> tuple[FloatArray, FloatArray]:
        """Return estimates of zeta_1 and zeta_2, shape (w,), possibly negative; N >= 4.

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

    def variance(self) -> FloatArray:
        """Return an estimate of the variance of the mean, shape (w,), >= 0."""
        return self.combined(*(np.maximum(zeta, 0.0) for zeta in self.zetas()))

    def combined(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Return the variance of the mean for given zeta_1 and zeta_2; unbiased where they are."""
        n = float(len(self.rows))
        return (4.0 * (n - 2) * first + 2.0 * second) / (n * (n - 1))


@dataclass(frozen=True, eq=False)
class TwoSampleSums(Value):
    """Sums over all pairs of two samples: rows (N, w), columns (M, w), squares (w,)."""

    rows: FloatArray
    columns: FloatArray
    squares: FloatArray

    @property
    def finite(self) -> bool:
        """Whether the mean and its variance can be held in doubles: N M sum K^2 bounds every intermediate value."""
        return _finite(self.squares, float(len(self.rows)) * len(self.columns))

    @property
    def mean(self) -> FloatArray:
        """The U-statistic, shape (w,)."""
        return self.rows.sum(axis=0) / (float(len(self.rows)) * len(self.columns))

    def zetas(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return estimates of zeta_x, zeta_y and zeta_xy, shape (w,), possibly negative; N, M >= 2."""
        n, m = float(len(self.rows)), float(len(self.columns))
        total = self.rows.sum(axis=0)
        row_squares = np.square(self.rows).sum(axis=0)
        column_squares = np.square(self.columns).sum(axis=0)
        square = (total**2 - row_squares - column_squares + self.squares) / (n * (n - 1) * m * (m - 1))
        over_x = (row_squares - self.squares) / (n * m * (m - 1)) - square
        over_y = (column_squares - self.squares) / (n * m * (n - 1)) - square
        both = self.squares / (n * m) - square
        return over_x, over_y, both

    def variance(self) -> FloatArray:
        """Return an estimate of the variance of the mean, shape (w,), >= 0."""
        return self.combined(*(np.maximum(zeta, 0.0) for zeta in self.zetas()))

    def combined(self, over_x: FloatArray, over_y: FloatArray, both: FloatArray) -> FloatArray:
        """Return the variance of the mean for given zeta_x, zeta_y and zeta_xy; unbiased where they are."""
        n, m = float(len(self.rows)), float(len(self.columns))
        return ((m - 1) * over_x + (n - 1) * over_y + both) / (n * m)


def _finite(squares: FloatArray, pairs: float) -> bool:
    return bool(np.all(squares < np.finfo(np.float64).max / (4.0 * pairs)))
