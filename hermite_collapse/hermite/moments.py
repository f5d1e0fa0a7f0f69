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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from .indices import total_degree_indices

if TYPE_CHECKING:
    from .gauss import GaussRule

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LARGEST_MATRIX = 1 << 27  # entries of one matrix: 1 GB
_LARGEST_TENSOR_RULE = 1 << 18  # nodes
_AFFORDABLE = 1 << 28  # nodes x indices x components: seconds
_LANES = 16


def second_moments(weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, indices: ArrayLike) -> Array:
    r"""Second moments of Hermite polynomials under a mixture of Gaussians.

        E_p h_k(X)^2 = sum_i w_i prod_j sum_l binom(k_j, l) v_ij^l c_{k_j - l}(N(m_ij, v_ij))^2

    Parameters
    ----------
    weights : (K,), not negative.
    means : (K, d), or (K,) for d = 1.
    covariances : scalar, (K,), (K, d) variances, (K, d, d), or one shared (1, d, d); singular ones are allowed.
    indices : (m, d) integers >= 0, or (m,) for d = 1.

    Returns
    -------
    (m,) second moments.

    Accuracy : all terms are positive; relative error about 10 n units in the last place at degree n, except where
        v is so small that the value nears a zero of h_n^2 (then relative to the neighbouring degrees).
    Cost : K d n^2 / 2 + K (nonzero entries of the indices) for diagonal covariances, in blocks of components: 10^5
        components are meant.  A full covariance costs d m^2 with m indices up to the largest degree, each.
    Raises : InputError where a value exceeds the largest double, or the matrix of a full covariance 1 GB.
    """
    weights, means, variances, full, indices = _arguments(weights, means, covariances, indices)
    if full is None:
        arguments = (weights, means, variances, *_nonzero(indices), _roots(indices))
        result = _over_lanes("diagonal_second_moments", arguments, (len(indices),), _LANES)
    else:
        result = np.zeros(len(indices))
        joint = _Joint(indices, means.shape[1])
        for weight, mean, covariance in zip(weights, means, full, strict=True):
            result += weight * np.square(joint(mean, covariance)).sum(axis=1)
    return _finite(result, indices, "second")


def product_moments(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, indices: ArrayLike
) -> Array:
    r"""Matrix of the moments E_p h_j(X) h_k(X): the covariances of modes follow from it.

    Parameters
    ----------
    weights, means, covariances, indices : as for `second_moments`.

    Returns
    -------
    (m, m) symmetric, positive semidefinite.

    Accuracy : an entry is right to about 10 n units in the last place of sqrt(E h_j^2 E h_k^2).
    """
    weights, means, variances, full, indices = _arguments(weights, means, covariances, indices)
    if len(indices) ** 2 > _LARGEST_MATRIX:
        raise InputError(
            f"indices must hold at most {math.isqrt(_LARGEST_MATRIX)} rows here, got {len(indices)}."
        )
    if full is None:
        degree = int(indices.max(initial=0))
        binomials = np.sqrt([[float(math.comb(n, l)) for l in range(degree + 1)] for n in range(degree + 1)])
        lanes = 2 if len(indices) > 512 else _LANES  # each lane owns a matrix
        arguments = (weights, means, variances, indices, _roots(indices), binomials)
        lower = _over_lanes("diagonal_product_moments", arguments, (len(indices), len(indices)), lanes)
        result = lower + np.tril(lower, -1).T
    else:
        result = np.zeros((len(indices), len(indices)))
        joint = _Joint(indices, means.shape[1])
        for weight, mean, covariance in zip(weights, means, full, strict=True):
            part = joint(mean, covariance)
            result += weight * (part @ part.T)
    return _finite(result, indices, "product")


def fourth_moments(weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, indices: ArrayLike) -> Array:
    r"""Fourth moments of Hermite polynomials under a mixture of Gaussians.

        E_p h_k(X)^4 = sum_i w_i sum_q omega_q h_k(m_i + L_i z_q)^4

    over the Gauss-Hermite rule with 2 n + 1 nodes an axis, exact for polynomials of degree 4 n + 1.  For N(0, 1)
    they grow like 3 sqrt(3) 9^n / (4 pi n).

    Parameters
    ----------
    weights, means, covariances, indices : as for `second_moments`.  Full covariances need (2 n + 1)^d nodes, at
        most 2^18: see `fourth_moment_bound` beyond.

    Returns
    -------
    (m,) fourth moments.

    Accuracy : positive sums; relative error about 10 n units in the last place.
    Raises : InputError where a value exceeds the largest double, or the rule would have more than 2^18 nodes.
    """
    weights, means, variances, full, indices = _arguments(weights, means, covariances, indices)
    from .gauss import gauss_rule

    degree = int(indices.max(initial=0)) if full is None else int(indices.sum(axis=1).max(initial=0))
    rule = gauss_rule(2 * degree + 1)
    if full is None:
        # Nodes whose weight is below 1e-308^4 cannot be started and contribute nothing to any finite result.
        starts = np.exp(0.25 * rule.log_weights)
        nodes = np.ascontiguousarray(rule.nodes)
        arguments = (weights, means, variances, *_nonzero(indices), _roots(indices), nodes, starts)
        result = _over_lanes("diagonal_fourth_moments", arguments, (len(indices),), _LANES)
    else:
        result = _tensor_fourth(weights, means, full, indices, rule, degree)
    return _finite(result, indices, "fourth")


def fourth_moment_bound(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, indices: ArrayLike
) -> Array:
    r"""Upper bound of the fourth moments, in any dimension.

        E_p h_k^4 <= 9^n sum_i w_i (E_i h_k^2)^2,      n = abs(k)

    by hypercontractivity of each Gaussian component (a polynomial of degree n has norm in L4 at most 3^(n/2) times
    its norm in L2).  The exact fourth moments come instead where they are cheap: for diagonal covariances, and for
    full ones of small dimension and degree.

    Parameters
    ----------
    weights, means, covariances, indices : as for `second_moments`.

    Returns
    -------
    (m,) bounds.

    Accuracy : for one variable the inequality is 4 pi n / (3 sqrt(3)) times the truth under N(0, 1); for indices
        that mix several axes it can be thousands of times the truth.
    """
    weights, means, _, full, indices = _arguments(weights, means, covariances, indices)
    if full is None:
        return fourth_moments(weights, means, covariances, indices)
    nodes = (2 * int(indices.sum(axis=1).max(initial=0)) + 1) ** means.shape[1]
    if nodes <= _LARGEST_TENSOR_RULE and nodes * len(indices) * len(weights) <= _AFFORDABLE:
        return fourth_moments(weights, means, full, indices)
    return _finite(_hypercontractive(weights, means, full, indices), indices, "fourth")


def _hypercontractive(weights: Array, means: Array, covariances: Array, indices: IntArray) -> Array:
    total = np.zeros(len(indices))
    joint = _Joint(indices, means.shape[1])
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        total += weight * np.square(np.square(joint(mean, covariance)).sum(axis=1))
    return 9.0 ** indices.sum(axis=1) * total


def _arguments(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, indices: ArrayLike
) -> tuple[Array, Array, Array, Array | None, IntArray]:
    """Coerced arguments: variances (K, d), and full covariances (K, d, d) or None where all are diagonal."""
    weights = checks.vector(weights, "weights")
    means = checks.samples(means, "means")
    count, dimension = means.shape
    if len(weights) != count:
        raise InputError(f"means must have one row per weight, got {count} for {len(weights)} weights.")
    rows = checks.degrees(indices, "indices")
    if rows.ndim == 1 and dimension == 1:
        rows = rows[:, None]
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise InputError(f"indices must have shape (m, {dimension}), got {rows.shape}.")
    given = np.asarray(covariances, dtype=np.float64)
    if not np.isfinite(given).all():
        raise InputError(
            f"covariances must be finite, got {int((~np.isfinite(given)).sum())} entries that are not."
        )
    full = None
    if given.ndim == 3 and given.shape[1:] == (dimension, dimension) and given.shape[0] in (1, count):
        given = np.broadcast_to(given, (count, dimension, dimension))
        variances = np.diagonal(given, axis1=1, axis2=2)
        if np.count_nonzero(given) > np.count_nonzero(variances):
            full = given
    elif given.shape in ((), (count,)):
        variances = np.broadcast_to(given.reshape(-1, 1), (count, dimension))
    elif given.shape == (count, dimension):
        variances = given
    else:
        raise InputError(
            f"covariances must be a number or have shape ({count},), ({count}, {dimension}), "
            f"({count}, {dimension}, {dimension}) or (1, {dimension}, {dimension}), got {given.shape}."
        )
    if variances.min() < 0.0:
        raise InputError(f"covariances must have variances >= 0, got {float(variances.min())!r}.")
    return weights, means, np.ascontiguousarray(variances), full, np.ascontiguousarray(rows)


def _over_lanes(name: str, arguments: tuple[Any, ...], shape: tuple[int, ...], lanes: int) -> Array:
    """A kernel's sum over components; small tasks without starting threads."""
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


def _roots(indices: IntArray) -> Array:
    """sqrt(n) for n = 0 .. degree + 1; its length tells the kernels the degree."""
    return np.sqrt(np.arange(int(indices.max(initial=0)) + 2, dtype=np.float64))


def _nonzero(indices: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """The nonzero entries row by row: row starts, axes, entries."""
    rows, axes = np.nonzero(indices)
    starts = np.zeros(len(indices) + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=len(indices)), out=starts[1:])
    return starts, axes.astype(np.int64), indices[rows, axes]


def _factor(covariance: Array) -> tuple[Array, Array]:
    """Eigenvectors and square roots of the eigenvalues of one covariance."""
    eigenvalues, frame = np.linalg.eigh(covariance)
    if eigenvalues[0] < -1e-12 * max(1.0, eigenvalues[-1]):
        raise InputError(
            f"covariances must be positive semidefinite, got an eigenvalue {eigenvalues[0]:.6g}."
        )
    return frame, np.sqrt(np.maximum(eigenvalues, 0.0))


class _Joint:
    """Rows of a_{k,l} for the asked indices k and all l up to the largest degree, one component at a time."""

    def __init__(self, indices: IntArray, dimension: int) -> None:
        from .indices import index_count, positions

        degree = int(indices.sum(axis=1).max(initial=0))
        count = index_count(dimension, degree)
        if count**2 > _LARGEST_MATRIX:
            raise InputError(
                f"indices of degree {degree} in dimension {dimension} need a matrix of {count} x {count} numbers for a "
                f"full covariance, more than 1 GB: lower the degree, or rotate to axes in which it is diagonal."
            )
        self.table = total_degree_indices(dimension, degree)
        self.parents = np.full((count, dimension), -1, dtype=np.int64)
        for axis in range(dimension):
            raised = np.flatnonzero(self.table[:, axis] > 0)
            smaller = self.table[raised].copy()
            smaller[:, axis] -= 1
            if len(raised):
                self.parents[raised, axis] = positions(smaller)
        self.pivots = np.argmax(self.table > 0, axis=1)
        self.rows = positions(indices)

    def __call__(self, mean: Array, covariance: Array) -> Array:
        from ._kernels_moments import joint_coefficients

        frame, scales = _factor(covariance)
        arrays = (
            np.ascontiguousarray(mean),
            np.ascontiguousarray(covariance),
            np.ascontiguousarray(frame * scales),
        )
        return joint_coefficients(*arrays, self.table, self.parents, self.pivots)[self.rows]


def _tensor_fourth(
    weights: Array, means: Array, covariances: Array, indices: IntArray, rule: GaussRule, degree: int
) -> Array:
    """Fourth moments of full covariances by the product rule in each component's own axes."""
    from .basis import hermite_values

    dimension = means.shape[1]
    nodes, log_weights = rule.nodes, rule.log_weights
    if len(nodes) ** dimension > _LARGEST_TENSOR_RULE:
        raise InputError(
            f"indices of degree {degree} in dimension {dimension} need {len(nodes)}^{dimension} nodes for a full "
            f"covariance, more than {_LARGEST_TENSOR_RULE}: use fourth_moment_bound."
        )
    grid = np.stack(np.meshgrid(*[nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    # Fourth roots of the weights, multiplied before the power: the polynomials alone would overflow at far nodes.
    logs = np.stack(np.meshgrid(*[log_weights] * dimension, indexing="ij"), axis=-1).sum(axis=-1).ravel()
    mass = np.exp(0.25 * logs)
    total = np.zeros(len(indices))
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        frame, scales = _factor(covariance)
        values = hermite_values(mean + grid @ (frame * scales).T, degree)
        for row, index in enumerate(indices):
            total[row] += weight * np.sum(
                (mass * np.prod(values[:, np.arange(dimension), index], axis=1)) ** 4
            )
    return total


def _finite(result: Array, indices: IntArray, what: str) -> Array:
    if not np.isfinite(result).all():
        row = int(np.argwhere(~np.isfinite(result))[0][0])
        raise InputError(
            f"indices must keep the {what} moments below 1.8e308, got {indices[row].tolist()}, where they are larger."
        )
    return result
