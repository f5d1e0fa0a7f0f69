r"""Second, fourth and product moments of Hermite polynomials under mixtures of Gaussians.

For X = m + L Z with covariance S = L L^T, expand h_k(X) in the Hermite polynomials of Z (Parseval):

    E h_j(X) h_k(X) = sum_l a_{j,l} a_{k,l},      a_{k,l} = E h_k(X) h_l(Z)

so a second moment is a sum of squares and never cancels, whatever m and S.  In one dimension
a_{n,l} = sqrt(binom(n, l) v^l) c_{n-l}, hence

    E h_n(X)^2 = sum_l binom(n, l) v^l c_{n-l}(N(m, v))^2

Diagonal covariances factorise over the axes; full ones go through the matrix a.  Fourth moments are sums over Gauss
nodes with positive weights, exact with 2 n + 1 nodes.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..core.value import writable
from .basis import hermite_values
from .gauss import gauss_rule
from .joint import LARGEST_MATRIX, JointExpansion, principal_axes
from .mixture import Mixture, spread

_LARGEST_TENSOR_RULE = 1 << 18  # nodes
_AFFORDABLE = 1 << 28  # nodes x indices x components: seconds
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
    weights, means, variances, full = _parts(mixture)
    if full is None:
        arguments = (weights, means, variances, *_nonzero(indices), _roots(indices))
        result = _over_lanes("diagonal_second_moments", arguments, (len(indices),), _LANES)
    else:
        result = np.zeros(len(indices))
        joint = JointExpansion(indices)
        for weight, mean, covariance in zip(weights, means, full, strict=True):
            result += weight * np.square(joint(mean, covariance)).sum(axis=1)
    return _finite(result, indices, "second")


def product_moments(mixture: Mixture, indices: IntArray) -> FloatArray:
    r"""Return the matrix of the moments E_p h_j(X) h_k(X): the covariances of modes follow from it.

    Parameters
    ----------
    mixture, indices
        As for `second_moments`.

    Returns
    -------
    array, shape (m, m)
        Symmetric, positive semidefinite.

    Accuracy
    --------
    An entry is right to about 10 n units in the last place of sqrt(E h_j^2 E h_k^2).
    """
    if len(indices) ** 2 > LARGEST_MATRIX:
        raise InputError(
            f"indices must hold at most {math.isqrt(LARGEST_MATRIX)} rows here, got {len(indices)}."
        )
    weights, means, variances, full = _parts(mixture)
    if full is None:
        degree = int(indices.max(initial=0))
        binomials = np.sqrt([[float(math.comb(n, l)) for l in range(degree + 1)] for n in range(degree + 1)])
        lanes = 2 if len(indices) > 512 else _LANES  # each lane owns a matrix
        rows = writable(np.ascontiguousarray(indices))
        arguments = (weights, means, variances, rows, _roots(indices), binomials)
        lower = _over_lanes("diagonal_product_moments", arguments, (len(indices), len(indices)), lanes)
        result = lower + np.tril(lower, -1).T
    else:
        result = np.zeros((len(indices), len(indices)))
        joint = JointExpansion(indices)
        for weight, mean, covariance in zip(weights, means, full, strict=True):
            part = joint(mean, covariance)
            result += weight * (part @ part.T)
    return _finite(result, indices, "product")


def fourth_moments(mixture: Mixture, indices: IntArray) -> FloatArray:
    r"""Return the fourth moments of Hermite polynomials under a mixture of Gaussians.

        E_p h_k(X)^4 = sum_i w_i sum_q omega_q h_k(m_i + L_i z_q)^4

    over the Gauss-Hermite rule with 2 n + 1 nodes an axis, exact for polynomials of degree 4 n + 1.  For N(0, 1)
    they grow like 3 sqrt(3) 9^n / (4 pi n).

    Parameters
    ----------
    mixture, indices
        As for `second_moments`.  Full covariances need (2 n + 1)^d nodes, at most 2^18: see `fourth_moment_bound`
        beyond.

    Returns
    -------
    array, shape (m,)

    Raises
    ------
    InputError
        Where a value exceeds the largest double, or the rule would have more than 2^18 nodes.

    Accuracy
    --------
    Positive sums; relative error about 10 n units in the last place.
    """
    weights, means, variances, full = _parts(mixture)
    if full is None:
        rule = gauss_rule(2 * int(indices.max(initial=0)) + 1)
        # Nodes whose weight is below 1e-308^4 cannot be started and contribute nothing to any finite result.
        starts = np.exp(0.25 * rule.log_weights)
        nodes = writable(rule.nodes)
        arguments = (weights, means, variances, *_nonzero(indices), _roots(indices), nodes, starts)
        result = _over_lanes("diagonal_fourth_moments", arguments, (len(indices),), _LANES)
    else:
        result = _tensor_fourth(weights, means, full, indices)
    return _finite(result, indices, "fourth")


def fourth_moment_bound(mixture: Mixture, indices: IntArray) -> FloatArray:
    r"""Return an upper bound of the fourth moments, in any dimension.

        E_p h_k^4 <= 9^n sum_i w_i (E_i h_k^2)^2,      n = abs(k)

    by hypercontractivity of each Gaussian component (a polynomial of degree n has norm in L4 at most 3^(n/2) times
    its norm in L2).  The exact fourth moments come instead where they are cheap: for diagonal covariances, and for
    full ones of small dimension and degree.

    Parameters
    ----------
    mixture, indices
        As for `second_moments`.

    Returns
    -------
    array, shape (m,)

    Accuracy
    --------
    For one variable the inequality is 4 pi n / (3 sqrt(3)) times the truth under N(0, 1); for indices that mix
    several axes it can be thousands of times the truth.
    """
    count, dimension = mixture.means.shape
    nodes = (2 * int(indices.sum(axis=1).max(initial=0)) + 1) ** dimension
    affordable = nodes <= _LARGEST_TENSOR_RULE and nodes * len(indices) * count <= _AFFORDABLE
    if mixture.frames is None or affordable:
        return fourth_moments(mixture, indices)
    return _finite(_hypercontractive(mixture, indices), indices, "fourth")


def _hypercontractive(mixture: Mixture, indices: IntArray) -> FloatArray:
    total = np.zeros(len(indices))
    joint = JointExpansion(indices)
    for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True):
        total += weight * np.square(np.square(joint(mean, covariance)).sum(axis=1))
    return 9.0 ** indices.sum(axis=1) * total


def _parts(mixture: Mixture) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray | None]:
    """Return weights, means and variances as kernels take them, and full covariances unless all are diagonal."""
    variances, full = spread(mixture)
    weights, means, variances = (
        writable(np.ascontiguousarray(array)) for array in (mixture.weights, mixture.means, variances)
    )
    return weights, means, variances, full


def _over_lanes(
    name: str, arguments: tuple[np.ndarray, ...], shape: tuple[int, ...], lanes: int
) -> FloatArray:
    """Return a kernel's sum over components; small tasks without starting threads."""
    from . import _kernels_moments as kernels
    from ._jit import parallel_region

    if len(arguments[0]) <= 2 * kernels.BLOCK:
        total = np.zeros(shape)
        getattr(kernels, f"{name}_lane")(0, 1, *arguments, total)
        return total
    totals = np.zeros((lanes, *shape))
    with parallel_region:
        getattr(kernels, name)(*arguments, totals)
    return totals.sum(axis=0)


def _roots(indices: IntArray) -> FloatArray:
    """Return sqrt(n) for n = 0 .. degree + 1; its length tells the kernels the degree."""
    return np.sqrt(np.arange(int(indices.max(initial=0)) + 2, dtype=np.float64))


def _nonzero(indices: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return the nonzero entries row by row: row starts, axes, entries."""
    rows, axes = np.nonzero(indices)
    starts = np.zeros(len(indices) + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=len(indices)), out=starts[1:])
    return starts, axes.astype(np.int64), indices[rows, axes]


def _tensor_fourth(
    weights: FloatArray, means: FloatArray, covariances: FloatArray, indices: IntArray
) -> FloatArray:
    """Return the fourth moments of full covariances by the product rule in each component's own axes."""
    dimension = means.shape[1]
    degree = int(indices.sum(axis=1).max(initial=0))
    if (2 * degree + 1) ** dimension > _LARGEST_TENSOR_RULE:
        raise InputError(
            f"indices of degree {degree} in dimension {dimension} need {2 * degree + 1}^{dimension} nodes for a full "
            f"covariance, more than {_LARGEST_TENSOR_RULE}: use fourth_moment_bound."
        )
    nodes, log_weights = gauss_rule(2 * degree + 1)
    grid = np.stack(np.meshgrid(*[nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    # Fourth roots of the weights, multiplied before the power: the polynomials alone would overflow at far nodes.
    logs = np.stack(np.meshgrid(*[log_weights] * dimension, indexing="ij"), axis=-1).sum(axis=-1).ravel()
    mass = np.exp(0.25 * logs)
    total = np.zeros(len(indices))
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        frame, scales = principal_axes(covariance)
        values = hermite_values(mean + grid @ (frame * scales).T, degree)
        for row, index in enumerate(indices):
            total[row] += weight * np.sum(
                (mass * np.prod(values[:, np.arange(dimension), index], axis=1)) ** 4
            )
    return total


def _finite(result: FloatArray, indices: IntArray, what: str) -> FloatArray:
    if not np.isfinite(result).all():
        row = int(np.argwhere(~np.isfinite(result))[0][0])
        raise InputError(
            f"indices must keep the {what} moments below 1.8e308, got {indices[row].tolist()}, where they are larger."
        )
    return result
