r"""Hermite coefficients of a law, by three routes.

    c_k(p) = E_p h_k(X)

Closed form for Gaussian mixtures, one pass over samples (with standard errors), and Gauss-Hermite quadrature of a
density.  Coefficients exist for every law with moments; the density *series* sum c_k h_k gamma converges only when
p / gamma is in L2(gamma), and `square_integrable` says whether that is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from .basis import hermite_values_scaled
from .gauss import gauss_rule
from .indices import ancestry, positions, total_degree_indices

if TYPE_CHECKING:
    from .series import DensitySeries

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HermiteCoefficients:
    """Hermite coefficients of one law up to a total degree.

    Attributes
    ----------
    indices : (m, d) multi-indices, by degree, then ascending lexicographic.
    values : (m,) coefficients c_k = E h_k(X).
    standard_error : (m,) one standard error of each value, for estimates from samples; else None.
    error_estimate : (m,) measured change under refinement, for quadrature; else None.
    square_integrable : True if p / gamma is known to be in L2(gamma), False if it is known not to be, None if
        unknown (samples, an arbitrary density).
    """

    indices: IntArray
    values: FloatArray
    standard_error: FloatArray | None = None
    error_estimate: FloatArray | None = None
    square_integrable: bool | None = None

    def __post_init__(self) -> None:
        indices = checks.degrees(self.indices, "indices")
        if indices.ndim != 2 or indices.size == 0:
            raise InputError(f"indices must have shape (m, d) and not be empty, got {indices.shape}.")
        values = np.asarray(self.values, dtype=np.float64)
        for name, array in (("values", values), ("standard_error", self.standard_error)):
            if array is not None and np.shape(array) != (len(indices),):
                raise InputError(f"{name} must have shape ({len(indices)},), got {np.shape(array)}.")
        object.__setattr__(self, "indices", indices)
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return self.indices.shape[1]

    @property
    def degree(self) -> int:
        """Largest total degree."""
        return int(self.degrees.max())

    @property
    def degrees(self) -> IntArray:
        """(m,) total degree of each coefficient."""
        return self.indices.sum(axis=1, dtype=np.int64)

    def degree_energy(self) -> FloatArray:
        r"""Energy of each degree, sum_{abs(k) = n} c_k^2, as (degree + 1,).

        From samples each square carries an upward bias of about its squared standard error; `degree_spectrum` is
        unbiased.
        """
        energy: FloatArray = np.zeros(self.degree + 1)
        np.add.at(energy, self.degrees, self.values**2)
        return energy

    def series(self) -> DensitySeries:
        """The law's density as a truncated Hermite series.

        Raises InputError if the law is known to lie outside L2(gamma), where the series diverges.
        """
        from .series import DensitySeries

        return DensitySeries(self)


def mixture_coefficients(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, degree: int
) -> HermiteCoefficients:
    r"""Hermite coefficients of a Gaussian mixture in closed form.

        sqrt(k_j + 1) c_{k + e_j} = m_j c_k + sum_l (S - I)_{jl} sqrt(k_l) c_{k - e_l}      for each N(m, S)

    from  sum_k c_k t^k / sqrt(k!) = exp(m.t + t.(S - I)t / 2).

    Parameters
    ----------
    weights : (K,) component weights, >= 0, summing to 1.
    means : (K, d), or (K,) in one dimension.
    covariances : (K, d) variances along the axes, or (K, d, d); (K,) in one dimension.  Zero is a point mass.
    degree : largest total degree.

    Returns
    -------
    HermiteCoefficients; `square_integrable` is whether all covariance eigenvalues are below 2.

    Accuracy : a few ulp times the degree, relative to the largest coefficient of neighbouring degree of a component.
    Raises   : InputError for inconsistent shapes, a covariance that is not symmetric and >= 0, or coefficients
        beyond double precision (variances above 2 grow like (variance - 1)^(degree / 2)).
    """
    weights = checks.probabilities(weights)
    degree = checks.integer(degree, "degree")
    means = checks.samples(means, "means")
    if len(means) != len(weights):
        raise InputError(f"means must have one row for each of the {len(weights)} weights, got {len(means)}.")
    diagonal, full, largest = _covariances(covariances, means.shape, weights)
    used = weights > 0.0
    square_integrable = bool((largest[used] < 2.0).all())
    indices = total_degree_indices(means.shape[1], degree)
    values = np.zeros(len(indices))
    chunk = max(1, (1 << 22) // (len(indices) + means.shape[1] * (degree + 1)))
    members = np.flatnonzero(used)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(members), chunk):
            part = members[start : start + chunk]
            if full is None:
                table = _axis_products(means[part], diagonal[part], indices, degree)
            else:
                table = _coupled(means[part], full[part], indices, degree)
            values += weights[part] @ table
    if not np.isfinite(values).all():
        first = int(indices[np.argmin(np.isfinite(values))].sum())
        raise InputError(
            f"degree must keep the coefficients within double precision, got {degree}: "
            f"they overflow from degree {first}."
        )
    return HermiteCoefficients(indices, values, square_integrable=square_integrable)


def _covariances(
    covariances: ArrayLike, shape: tuple[int, ...], weights: FloatArray
) -> tuple[FloatArray, FloatArray | None, FloatArray]:
    """Variances (K, d), full matrices or None when all are diagonal, largest eigenvalues (K,)."""
    try:
        array = np.ascontiguousarray(covariances, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("covariances must hold real numbers in a rectangular array.") from None
    count, dimension = shape
    if array.ndim == 1 and dimension == 1:
        array = array[:, None]
    if array.shape not in ((count, dimension), (count, dimension, dimension)):
        raise InputError(
            f"covariances must have shape {(count, dimension)} or {(count, dimension, dimension)}, got {array.shape}."
        )
    checks.finite(array, "covariances")
    if array.ndim == 2:
        if array.min() < 0.0:
            raise InputError(f"covariances must be >= 0, got {float(array.min())!r}.")
        return array, None, array.max(axis=1)
    if not np.allclose(array, array.transpose(0, 2, 1), rtol=1e-10, atol=1e-12 * np.abs(array).max()):
        raise InputError("covariances must be symmetric matrices.")
    array = 0.5 * (array + array.transpose(0, 2, 1))
    eigenvalues: FloatArray = np.linalg.eigvalsh(array).astype(np.float64)
    if (eigenvalues[:, 0] < -1e-10 * np.maximum(eigenvalues[:, -1], 1e-300)).any():
        raise InputError(
            f"covariances must be positive semidefinite, got an eigenvalue {float(eigenvalues.min())!r}."
        )
    diagonal = np.ascontiguousarray(np.diagonal(array, axis1=1, axis2=2))
    off = array.copy()
    off[:, np.arange(dimension), np.arange(dimension)] = 0.0
    return diagonal, array if off.any() else None, eigenvalues[:, -1]


def _axis_products(means: FloatArray, variances: FloatArray, indices: IntArray, degree: int) -> FloatArray:
    """(K, m) coefficients of components with independent axes: products of one-dimensional ones."""
    table = np.empty((degree + 1, *means.shape))
    table[0] = 1.0
    excess = variances - 1.0
    for n in range(degree):
        table[n + 1] = means * table[n]
        if n:
            table[n + 1] += np.sqrt(float(n)) * excess * table[n - 1]
        table[n + 1] /= np.sqrt(n + 1.0)
    product = table[indices[:, 0], :, 0]
    for axis in range(1, means.shape[1]):
        product = product * table[indices[:, axis], :, axis]
    return product.T


def _coupled(means: FloatArray, covariances: FloatArray, indices: IntArray, degree: int) -> FloatArray:
    """(K, m) coefficients of components with full covariances, degree by degree, raising the last axis."""
    count, dimension = means.shape
    table = np.zeros((len(indices), count))
    table[0] = 1.0
    axis, parent = ancestry(dimension, degree)
    excess = covariances - np.eye(dimension)
    bounds = np.searchsorted(indices.sum(axis=1), np.arange(degree + 2))
    for n in range(1, degree + 1):
        rows = slice(bounds[n], bounds[n + 1])
        raised, below = axis[rows], parent[rows]
        smaller = indices[below]
        level = means[:, raised].T * table[below]
        for other in range(dimension) if n > 1 else ():
            has = np.flatnonzero(smaller[:, other])
            lower = smaller[has].copy()
            lower[:, other] -= 1
            root = np.sqrt(smaller[has, other].astype(np.float64))
            level[has] += root[:, None] * excess[:, raised[has], other].T * table[positions(lower)]
        table[rows] = level / np.sqrt(smaller[np.arange(len(raised)), raised] + 1.0)[:, None]
    return table.T


def quadrature_coefficients(
    density: Callable[[FloatArray], Any], degree: int, *, nodes: int = 128, dimension: int = 1
) -> HermiteCoefficients:
    r"""Hermite coefficients of a law given by its density, by a tensor Gauss-Hermite rule.

        c_k = sum_i w_i h_k(x_i) p(x_i) / gamma(x_i)

    Parameters
    ----------
    density : the density p; called with (n, d) points, with (n,) in one dimension; returns (n,).
    degree : largest total degree.
    nodes : nodes along each axis, more than the degree; the grid has nodes^dimension points, at most 2^24.
    dimension : number of axes d.

    Returns
    -------
    HermiteCoefficients; `error_estimate` is the change from a rule with three quarters of the nodes.  The rule
    converges where p / gamma is in L2(gamma); elsewhere the estimate stays large and says so.
    """
    degree = checks.integer(degree, "degree")
    nodes = checks.integer(nodes, "nodes", max(2, degree + 1))
    dimension = checks.integer(dimension, "dimension", 1)
    if nodes**dimension > 1 << 24:
        raise InputError(
            f"nodes must make a grid of at most 2^24 points, got {nodes} in dimension {dimension}."
        )
    indices = total_degree_indices(dimension, degree)
    fine = _quadrature(density, degree, nodes, dimension, indices)
    coarse = _quadrature(density, degree, (3 * nodes) // 4, dimension, indices)
    return HermiteCoefficients(indices, fine, error_estimate=np.abs(fine - coarse))


def _quadrature(
    density: Callable[[FloatArray], Any], degree: int, nodes: int, dimension: int, indices: IntArray
) -> FloatArray:
    rule = gauss_rule(nodes)
    grid = np.stack(np.meshgrid(*[rule.nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    heights = np.asarray(density(grid[:, 0] if dimension == 1 else grid), dtype=np.float64)
    if heights.shape != (len(grid),):
        raise InputError(
            f"density must return one value for each point, got {heights.shape} for {len(grid)} points."
        )
    if not np.isfinite(heights).all():
        raise InputError(
            f"density must return finite values, got {float(heights[~np.isfinite(heights)][0])!r}."
        )
    # p exp(x^2/4) and h_k exp(-x^2/4) both stay within range where p and h_k, w and gamma do not
    with np.errstate(divide="ignore", over="ignore"):
        lifted = np.sign(heights) * np.exp(np.log(np.abs(heights)) + 0.25 * (grid**2).sum(axis=1))
    if not np.isfinite(lifted).all():
        raise InputError(
            f"density must fall faster than exp(-norm(x)^2 / 4) out to the node {rule.nodes[-1]:.3g}, "
            f"got {float(heights[~np.isfinite(lifted)][0])!r} there: it is outside L2(gamma), where the rule diverges."
        )
    values, log_scale = hermite_values_scaled(rule.nodes, degree)
    log_ratio = rule.log_weights + 0.5 * rule.nodes**2 + 0.5 * np.log(2.0 * np.pi)
    factor = values * np.exp(log_scale + (log_ratio - 0.25 * rule.nodes**2)[:, None])
    tensor = lifted.reshape((nodes,) * dimension)
    for _ in range(dimension):
        tensor = np.tensordot(tensor, factor, axes=(0, 0))  # the new coefficient axis goes last, in order
    return tensor[tuple(indices.T)]


def sample_coefficients(samples: Any, degree: int) -> HermiteCoefficients:
    r"""Hermite coefficients of the law that samples come from, in one pass, with standard errors.

        c_k = (1/n) sum_i h_k(x_i),     standard_error_k^2 = (mean of h_k^2 - c_k^2) / (n - 1)

    Parameters
    ----------
    samples : (n,) or (n, d), n >= 2; arrays, memory-mapped files, tensors, data frames.
    degree : largest total degree.

    Returns
    -------
    HermiteCoefficients with `standard_error`.

    Raises : InputError for fewer than two samples, for NaN and infinite samples (how many, and the first), or for
        samples so large that a square h_k^2 leaves double precision (abs(x) > 37 at high degree).
    """
    from .sums import SampleSums, as_source

    source = as_source(samples)
    dimension = source.shape[1] if len(source.shape) == 2 else 1
    return SampleSums(dimension, degree).add(source).coefficients()
