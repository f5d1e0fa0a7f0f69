r"""Mean and covariance of the data in the space of the measured directions.

Directions q that are orthogonal to the mean m of the data are no eigenvectors of their covariance C, so that a round
map V, which acts on eigenvalues, gives q^T V(C) q and not V(q^T C q).  What a history makes of q depends on C and m in
the space

    span { C^p q_1, ..., C^p q_k, C^p m :  p = 0, 1, ... }

alone.  Powers see little but the widest variances.  A direction far narrower than others has parts along them that are
small and matter, so that the space is filled with

    C (C + sigma)^{-1} q_1, ..., C (C + sigma)^{-1} m,      sigma from the widest to the narrowest variance,

those first that hold most of the variance of a direction.  It is whole up to 64 dimensions.  Where matrices are too
large for that, it is cut after a power p: forms q^T f(C) q are then those of a Gauss rule, exact for polynomials f of
degree 2 p + 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...core import checks
from ...core.errors import InputError
from ...core.types import FloatArray, IntArray
from ...core.value import Value
from .blocks import blocks
from .principal import axes_of, principal_axes, spectrum_of

MOST_AXES, MOST_POWERS, SHIFTS = 64, 8, 8
LARGEST_MATRIX = 1500
"""Rows of a matrix whose eigenvectors are asked for."""
OWN_WEIGHT = 0.5**0.5
"""Of the covariance C_1 of one half of the data where the other half, C_2, chose the directions.  Each has an error E_i
of the same size, and directions are nearly eigenvectors of C_2: they leave those of C by E_2 q, by (E_2 - E_1) q those
of C_1, by w (E_2 - E_1) q those of w C_1 + (1 - w) C_2, as far as C in the mean of squares for 2 w^2 = 1."""
_NEGLIGIBLE = 1e-8  # length of what a new axis adds, beside 1


@dataclass(frozen=True, eq=False)
class Moments(Value):
    """Mean and covariance of the data, in orthogonal axes the first of which are the measured directions.

    Attributes
    ----------
    mean : array, shape (b,)
    covariance : array, shape (b, b)
    samples : int
        Behind the covariance, whose scatter is that of as many; 0 where it is exact.
    spectrum : array, shape (e,), or None
        All variances of the data that are not 0; None: what the axes hold is all that is known.
    """

    mean: FloatArray
    covariance: FloatArray
    samples: int = 0
    spectrum: FloatArray | None = None

    def __post_init__(self) -> None:
        count = len(checks.vector(self.mean, "mean"))
        matrix = checks.real_array(self.covariance, "covariance")
        if matrix.shape != (count, count) or not np.allclose(matrix, matrix.T):
            raise InputError(
                f"covariance must be symmetric of shape {(count, count)}, as mean says, got shape {matrix.shape}."
            )
        if np.diagonal(matrix).min() < 0.0:
            raise InputError(
                f"covariance must hold variances >= 0, got {float(np.diagonal(matrix).min())!r}."
            )
        checks.integer(self.samples, "samples")
        if self.spectrum is not None and checks.vector(self.spectrum, "spectrum").min() < 0.0:
            raise InputError(f"spectrum must hold variances >= 0, got {float(self.spectrum.min())!r}.")
        super().__post_init__()

    def leading(self, index: IntArray) -> Moments:
        """Return the same with these axes before all others, in this order."""
        order = np.concatenate([index, np.setdiff1d(np.arange(len(self.mean)), index)]).astype(np.int64)
        return self.replace(mean=self.mean[order], covariance=self.covariance[np.ix_(order, order)])

    def cut(self, count: int) -> Moments:
        """Return the same in the first axes."""
        return self.replace(
            mean=self.mean[:count], covariance=self.covariance[:count, :count], spectrum=self.variances
        )

    @property
    def variances(self) -> FloatArray:
        """The spectrum, of the axes alone where no other is known."""
        if self.spectrum is not None:
            return self.spectrum
        return np.maximum(np.linalg.eigvalsh(self.covariance), 0.0)

    def of_variances(self, variances: FloatArray) -> FloatArray:
        """Return covariances (s, b, b) with other variances (s, k) of the first axes, correlations as they are."""
        own = np.diagonal(self.covariance)[: variances.shape[1]]
        ratio = np.ones((len(variances), len(self.mean)))
        ratio[:, : len(own)] = np.sqrt(
            np.divide(variances, own, out=np.ones_like(variances), where=own > 0.0)
        )
        return np.asarray(ratio[:, :, None] * self.covariance * ratio[:, None, :])


def moments_of(
    samples: FloatArray, mean: FloatArray, directions: FloatArray, independent: FloatArray | None = None
) -> Moments:
    """Return the moments of data in the space of directions.

    Parameters
    ----------
    samples : array, shape (n, d)
        The law of the data itself, or a half of what is known of it.
    mean : array, shape (d,)
        Of the data.
    directions : array, shape (k, d)
        Orthonormal.
    independent : array, shape (m, d), optional
        The other half, which chose the directions.
    """
    parts, behind = [_Part(samples, 1.0 / len(samples))], 0
    if independent is not None:
        parts = [
            _Part(samples, OWN_WEIGHT / (len(samples) - 1)),
            _Part(independent, (1.0 - OWN_WEIGHT) / (len(independent) - 1)),
        ]
        behind = round(1.0 / (OWN_WEIGHT**2 / len(samples) + (1.0 - OWN_WEIGHT) ** 2 / len(independent)))
    axes = np.concatenate([directions, _added(mean[None], directions)])
    if min(len(mean), sum(len(part.samples) for part in parts)) <= LARGEST_MATRIX:
        spectrum, vectors = _eigenvectors(parts)
        axes = np.concatenate([axes, _resolving(spectrum, vectors, axes)])
    else:
        spectrum, new = spectrum_of(samples), axes
        for _ in range(MOST_POWERS):
            new = _added(_applied(parts, new), axes)[: MOST_AXES - len(axes)]
            axes = np.concatenate([axes, new])
            if len(new) == 0:
                break
    projected = _applied(parts, axes) @ axes.T
    covariance = 0.5 * (projected + projected.T)
    np.fill_diagonal(
        covariance, np.maximum(np.diagonal(covariance), 0.0)
    )  # rounding, along what does not vary
    return Moments(axes @ mean, covariance, behind, spectrum)


class _Part(NamedTuple):
    """Samples and the weight of each in a covariance."""

    samples: FloatArray
    weight: float


def _applied(parts: list[_Part], vectors: FloatArray) -> FloatArray:
    """Return the covariance applied to vectors (m, d)."""
    total = np.zeros_like(vectors)
    for samples, weight in parts:
        centre = samples.mean(axis=0)
        for rows in blocks(samples):
            deviations = rows - centre
            total += weight * (deviations @ vectors.T).T @ deviations
    return total


def _eigenvectors(parts: list[_Part]) -> tuple[FloatArray, FloatArray]:
    """Return variances (e,) that are not 0 and their directions (e, d)."""
    dimension = parts[0].samples.shape[1]
    if dimension <= sum(len(part.samples) for part in parts):
        return axes_of(_applied(parts, np.eye(dimension)))
    rows = [np.sqrt(weight) * (samples - samples.mean(axis=0)) for samples, weight in parts]
    return principal_axes(np.concatenate(rows), 1)


def _resolving(variances: FloatArray, vectors: FloatArray, axes: FloatArray) -> FloatArray:
    """Return orthonormal rows that axes (m, d) need for functions of the covariance on all scales of its variances."""
    if len(variances) == 0:
        return np.empty((0, axes.shape[1]))
    along = axes @ vectors.T
    sizes = np.sqrt(np.square(along) @ variances)
    moving = sizes > 0.0
    along = along[moving] / sizes[moving, None]
    shifts = np.geomspace(variances[0], variances[-1], SHIFTS)
    parts = (along * (variances / (variances + shifts[:, None]))[:, None, :]).reshape(-1, len(variances))
    parts = parts @ vectors
    for _ in range(2):
        parts = parts - (parts @ axes.T) @ axes
    # In units in which what is left of a direction's variance is 1.
    shares, held, _ = np.linalg.svd((parts @ vectors.T) * np.sqrt(variances), full_matrices=False)
    first = shares[:, held > _NEGLIGIBLE * len(axes)][:, : MOST_AXES - len(axes)]
    return _added(first.T @ parts, axes)


def _added(vectors: FloatArray, axes: FloatArray) -> FloatArray:
    """Return orthonormal rows for what vectors (m, d) add to the span of axes, what adds most first."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rest = vectors / np.where(lengths > 0.0, lengths, 1.0)
    for _ in range(2):  # the second pass takes out the rounding of the first
        rest = rest - (rest @ axes.T) @ axes
    _, sizes, rows = np.linalg.svd(rest, full_matrices=False)
    rows = rows[sizes > _NEGLIGIBLE]
    return np.asarray(rows - (rows @ axes.T) @ axes)
