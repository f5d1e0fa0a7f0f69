r"""Hermite coefficients of a law, and their closed form for Gaussian mixtures.

    c_k(p) = E_p h_k(X)

Coefficients exist for every law with moments; the density *series* sum c_k h_k gamma converges only when p / gamma
is in L2(gamma), and `square_integrable` says whether that is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from .indices import last_axes, lowered, total_degree_indices
from .mixture import Mixture, spread
from .series import DensitySeries

_CHUNK = 1 << 22  # numbers in the tables of one chunk of components


@dataclass(frozen=True, eq=False)
class HermiteCoefficients(Value):
    """Hermite coefficients of one law up to a total degree.

    Attributes
    ----------
    indices : array of int, shape (m, d)
        Multi-indices, by degree, then ascending lexicographic.
    values : array, shape (m,)
        Coefficients c_k = E h_k(X).
    standard_error : array, shape (m,), or None
        One standard error of each value, for estimates from samples.
    square_integrable : bool or None
        True if p / gamma is known to be in L2(gamma), False if it is known not to be, None if unknown (samples).
    """

    indices: IntArray
    values: FloatArray
    standard_error: FloatArray | None = None
    square_integrable: bool | None = None

    def __post_init__(self) -> None:
        indices = checks.degrees(self.indices, "indices")
        if indices.ndim != 2 or indices.size == 0:
            raise InputError(f"indices must have shape (m, d) and not be empty, got {indices.shape}.")
        for name in ("values", "standard_error"):
            array = getattr(self, name)
            if array is not None and np.shape(array) != (len(indices),):
                raise InputError(f"{name} must have shape ({len(indices)},), got {np.shape(array)}.")
        self._set("indices", indices)
        self._set("values", np.asarray(self.values, dtype=np.float64))
        self._set("standard_error", self.standard_error)

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
        """Total degree of each coefficient, shape (m,)."""
        return self.indices.sum(axis=1, dtype=np.int64)

    def degree_energy(self) -> FloatArray:
        r"""Return the energy of each degree, sum_{abs(k) = n} c_k^2.

        Returns
        -------
        array, shape (degree + 1,)

        Notes
        -----
        From samples each square carries an upward bias of about its squared standard error; `degree_spectrum` is
        unbiased.
        """
        energy: FloatArray = np.zeros(self.degree + 1)
        np.add.at(energy, self.degrees, self.values**2)
        return energy

    def series(self) -> DensitySeries:
        """Return the law's density as a truncated Hermite series.

        Raises
        ------
        InputError
            If the law is known to lie outside L2(gamma), where the series diverges.  Unknown is accepted: the caller
            vouches for the law.
        """
        if self.square_integrable is False:
            raise InputError(
                "coefficients must belong to a law in L2(gamma) for its series to converge, got one with a covariance "
                "eigenvalue >= 2: use the exact density of the law (GaussianMixture.log_density)."
            )
        return DensitySeries(self.indices, self.values)


def mixture_coefficients(mixture: Mixture, degree: int) -> HermiteCoefficients:
    r"""Return the Hermite coefficients of a Gaussian mixture in closed form.

        sqrt(k_j + 1) c_{k + e_j} = m_j c_k + sum_l (S - I)_{jl} sqrt(k_l) c_{k - e_l}      for each N(m, S)

    from  sum_k c_k t^k / sqrt(k!) = exp(m.t + t.(S - I)t / 2).

    Parameters
    ----------
    mixture : Mixture
        Zero variances are point masses.
    degree : int
        Largest total degree.

    Returns
    -------
    HermiteCoefficients
        `square_integrable` is whether all covariance eigenvalues are below 2.

    Raises
    ------
    InputError
        For coefficients beyond double precision (variances above 2 grow like (variance - 1)^(degree / 2)).

    Accuracy
    --------
    A few ulp times the degree, relative to the largest coefficient of neighbouring degree of a component.
    """
    degree = checks.integer(degree, "degree")
    weights, means = mixture.weights, mixture.means
    variances, full = spread(mixture)
    members = np.flatnonzero(weights > 0.0)
    square_integrable = bool((mixture.variances[members] < 2.0).all())
    indices = total_degree_indices(means.shape[1], degree)
    values = np.zeros(len(indices))
    chunk = max(1, _CHUNK // (len(indices) + means.shape[1] * (degree + 1)))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(members), chunk):
            part = members[start : start + chunk]
            if full is None:
                table = _axis_products(means[part], variances[part], indices, degree)
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


def _axis_products(means: FloatArray, variances: FloatArray, indices: IntArray, degree: int) -> FloatArray:
    """Return the (K, m) coefficients of components with independent axes: products of one-dimensional ones."""
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
    """Return the (K, m) coefficients of components with full covariances, degree by degree, raising the last axis."""
    count, dimension = means.shape
    table = np.zeros((len(indices), count))
    table[0] = 1.0
    axes, below_of = last_axes(dimension, degree), lowered(dimension, degree)
    excess = covariances - np.eye(dimension)
    bounds = np.searchsorted(indices.sum(axis=1), np.arange(degree + 2))
    for n in range(1, degree + 1):
        rows = np.arange(bounds[n], bounds[n + 1])
        raised = axes[rows]
        below = below_of[rows, raised]
        level = means[:, raised].T * table[below]
        for other in range(dimension) if n > 1 else ():
            has = np.flatnonzero(indices[below, other])
            root = np.sqrt(indices[below[has], other].astype(np.float64))
            level[has] += root[:, None] * excess[:, raised[has], other].T * table[below_of[below[has], other]]
        table[rows] = level / np.sqrt(indices[rows, raised].astype(np.float64))[:, None]
    return table.T
