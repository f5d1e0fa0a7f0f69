r"""Second moments of Hermite polynomials under mixtures of Gaussians.

For X = m + L Z with covariance S = L L^T, expand h_k(X) in the Hermite polynomials of Z (Parseval):

    E h_k(X)^2 = sum_l a_{k,l}^2,      a_{k,l} = E h_k(X) h_l(Z)

so a second moment is a sum of squares and never cancels, whatever m and S.  In one dimension
a_{n,l} = sqrt(binom(n, l) v^l) c_{n-l}, hence

    E h_n(X)^2 = sum_l binom(n, l) v^l c_{n-l}(N(m, v))^2

Diagonal covariances factorise over the axes; full ones go through the matrix a (`joint`).
"""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from ..core.threads import parallel_region
from ..core.types import FloatArray, IntArray
from ..core.value import writable
from .joint import JointExpansion
from .mixture import Mixture, spread

_LANES = 16


def second_moments(mixture: Mixture, indices: IntArray) -> FloatArray:
    r"""Return the second moments of Hermite polynomials under a mixture of Gaussians.

        E_p h_k(X)^2 = sum_i w_i prod_j sum_l binom(k_j, l) v_ij^l c_{k_j - l}(N(m_ij, v_ij))^2

    Parameters
    ----------
    mixture : Mixture
        Singular covariances are allowed.
    indices : array of int, shape (m, d)
        Entries >= 0.

    Returns
    -------
    array, shape (m,)

    Raises
    ------
    InputError
        Where a value exceeds the largest double, or the matrix of a full covariance 1 GB.

    Accuracy
    --------
    All terms are positive; relative error about 10 n units in the last place at degree n, except where v is so small
    that the value nears a zero of h_n^2 (then relative to the neighbouring degrees).

    Cost
    ----
    K d n^2 / 2 + K (nonzero entries of the indices) for diagonal covariances, in blocks of components: 10^5
    components are meant.  A full covariance costs d m^2 with m indices up to the largest degree, each.
    """
    variances, full = spread(mixture)
    if full is None:
        result = _of_diagonal(mixture.weights, mixture.means, variances, indices)
    else:
        result = np.zeros(len(indices))
        joint = JointExpansion(indices)
        for weight, mean, covariance in zip(mixture.weights, mixture.means, full, strict=True):
            result += weight * np.square(joint(mean, covariance)).sum(axis=1)
    if not np.isfinite(result).all():
        row = int(np.argwhere(~np.isfinite(result))[0][0])
        raise InputError(
            f"indices must keep the second moments below 1.8e308, got {indices[row].tolist()}, where they are larger."
        )
    return result


def _of_diagonal(
    weights: FloatArray, means: FloatArray, variances: FloatArray, indices: IntArray
) -> FloatArray:
    """Return the kernel's sum over the components; small tasks without starting threads."""
    from ._kernels_moments import BLOCK, diagonal_second_moments, diagonal_second_moments_lane

    weights, means, variances = (
        writable(np.ascontiguousarray(array)) for array in (weights, means, variances)
    )
    starts, axes, powers = _nonzero(indices)
    # sqrt(n) for n = 0 .. degree + 1; its length tells the kernel the degree
    roots = np.sqrt(np.arange(int(indices.max(initial=0)) + 2, dtype=np.float64))
    if len(weights) <= 2 * BLOCK:
        total = np.zeros(len(indices))
        diagonal_second_moments_lane(0, 1, weights, means, variances, starts, axes, powers, roots, total)
        return total
    totals = np.zeros((_LANES, len(indices)))
    with parallel_region:
        diagonal_second_moments(weights, means, variances, starts, axes, powers, roots, totals)
    return np.asarray(totals.sum(axis=0))


def _nonzero(indices: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return the nonzero entries row by row: row starts, axes, entries."""
    rows, axes = np.nonzero(indices)
    starts = np.zeros(len(indices) + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=len(indices)), out=starts[1:])
    return starts, axes.astype(np.int64), indices[rows, axes]
