r"""Chi-square where errors are estimates themselves, each of so many degrees of freedom.

Entries of one group g share one estimate of scatter, of m_g degrees of freedom.  The mean F_g of their squares, in
units of it, over the nu_g degrees of freedom that the fit leaves them, follows F(nu_g, m_g).  Each group gives the
quantile

    x_g = Q_{nu_g}(P(F(nu_g, m_g) > F_g)),     chi-square = sum x_g

of a chi-square law: that of all groups has sum nu_g degrees of freedom, and is the sum of squares itself where errors
are known.
"""

from __future__ import annotations

import numpy as np

from ...core.types import FloatArray, IntArray

_SMALLEST_P = 1e-300
_LEAST_FREEDOM = 3.0
"""Below which Student's law has no variance, and errors grow no further."""


def chi_square_of_estimates(
    residuals: FloatArray, jacobian: FloatArray, freedom: FloatArray, groups: IntArray
) -> float:
    """Return the sum of x_g.

    Parameters
    ----------
    residuals : array, shape (N,)
        In units of the estimated errors.
    jacobian : array, shape (N, p)
        Of the residuals, at the fit.
    freedom : array, shape (N,)
        m of each entry; infinite where its error is known.
    groups : int array, shape (N,)
        0, 1, ...
    """
    from scipy.special import betainc, gammainccinv

    squares = np.bincount(groups, weights=residuals**2)
    left = np.bincount(groups, weights=1.0 - _leverages(jacobian))
    known = np.bincount(groups, weights=np.where(np.isinf(freedom), 0.0, freedom)) / np.maximum(
        np.bincount(groups), 1
    )
    estimated = (known > 0.0) & (left > 1e-6)
    m, nu, total = known[estimated], left[estimated], squares[estimated]
    p_values = np.maximum(betainc(m / 2.0, nu / 2.0, m / (m + total)), _SMALLEST_P)
    exact = float(squares[known == 0.0].sum())
    return exact + float(2.0 * gammainccinv(nu / 2.0, p_values).sum())


def spread_of_estimates(freedom: FloatArray) -> float:
    """Return the mean variance m / (m - 2) of Student's laws, the factor of squared standard errors."""
    m = np.maximum(freedom, _LEAST_FREEDOM)
    finite = np.where(np.isinf(m), _LEAST_FREEDOM, m)
    return float(np.where(np.isinf(m), 1.0, finite / (finite - 2.0)).mean())


def _leverages(jacobian: FloatArray) -> FloatArray:
    """Return the part of each entry that the parameters follow, shape (N,)."""
    if jacobian.shape[1] == 0:
        return np.zeros(len(jacobian))
    scale = np.linalg.norm(jacobian, axis=0)
    left, values, _ = np.linalg.svd(jacobian / np.where(scale > 0.0, scale, 1.0), full_matrices=False)
    return np.asarray(np.sum(left[:, values > 1e-6 * max(float(values[0]), 1e-300)] ** 2, axis=1))
