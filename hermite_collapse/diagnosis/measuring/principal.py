"""Principal axes of samples, from the smaller of their two Gram matrices."""

from __future__ import annotations

import numpy as np

from ...core.types import FloatArray
from .blocks import scatter_of

NEGLIGIBLE = 1e-10  # of the largest variance: directions below do not vary


def principal_axes(deviations: FloatArray, freedom: int) -> tuple[FloatArray, FloatArray]:
    """Return variances (m,) and directions (m, d) of length 1, from the widest on.

    Parameters
    ----------
    deviations : array, shape (n, d)
        From the mean.
    freedom : int
        Divisor of the sums of squares.
    """
    count, dimension = deviations.shape
    if dimension <= count:
        return axes_of(deviations.T @ deviations / freedom)
    values, left = np.linalg.eigh(deviations @ deviations.T / freedom)
    return _used(values, left.T @ deviations)


def axes_of(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the same of a covariance (d, d)."""
    values, vectors = np.linalg.eigh(covariance)
    return _used(values, vectors.T)


def spectrum_of(samples: FloatArray) -> FloatArray:
    """Return the variances of samples (n, d) that are not 0, from the widest on: at most n - 1."""
    centre = samples.mean(axis=0)
    if samples.shape[1] <= len(samples):
        gram = scatter_of(samples, centre, np.zeros(samples.shape[1]))
    else:
        deviations = samples - centre
        gram = deviations @ deviations.T
    values = np.linalg.eigvalsh(gram / len(samples))[::-1]
    return np.asarray(values[values > NEGLIGIBLE * max(float(values[0]), 1e-300)])


def _used(values: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the axes that vary, from the widest on."""
    used = np.flatnonzero(values > NEGLIGIBLE * max(float(values[-1]), 1e-300))[::-1]
    vectors = rows[used]
    return values[used], vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
