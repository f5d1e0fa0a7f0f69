r"""Values of the orthonormal Hermite polynomials, at every degree and far into the tail.

    h_{k+1}(x) = (x h_k(x) - sqrt(k) h_{k-1}(x)) / sqrt(k + 1),     abs(h_k(x)) <= exp(x^2 / 4)

The upward recurrence is stable everywhere.  Values fit a double wherever abs(x) <= 53; beyond, they are carried as
values * exp(log_scale).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray

_BIG = 2.0**256  # a running value beyond this is scaled down by a power of two, which is exact


def hermite_values(x: ArrayLike, degree: int) -> FloatArray:
    r"""Return the orthonormal probabilists' Hermite polynomials at points.

        h_k(x) = He_k(x) / sqrt(k!),     k = 0, ..., degree

    Parameters
    ----------
    x : array, shape (...)
        Finite.
    degree : int
        Largest degree, >= 0.

    Returns
    -------
    array, shape (..., degree + 1)
        h_0(x), ..., h_degree(x).

    Raises
    ------
    InputError
        If a value does not fit a double, which needs abs(x) > 53; hermite_values_scaled takes it.

    Accuracy
    --------
    Relative to max(abs(h_{k-1}), abs(h_k), abs(h_{k+1})) at the same x, below 1e-13 to degree 1000 and
    abs(x) <= 60; near a zero of h_k that is what the rounding of x alone allows.
    """
    points, shape = _points(x)
    degree = checks.integer(degree, "degree")
    table = np.empty((degree + 1, len(points)))
    table[0] = 1.0
    if degree:
        table[1] = points
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(1, degree):
            np.multiply(points, table[k], out=table[k + 1])
            table[k + 1] -= np.sqrt(float(k)) * table[k - 1]
            table[k + 1] /= np.sqrt(k + 1.0)
    if not np.isfinite(table[-1]).all():
        worst = float(points[np.argmax(np.abs(points))])
        raise InputError(
            f"x must keep the polynomials to degree {degree} within double precision, got {worst!r}: "
            "use hermite_values_scaled."
        )
    return np.ascontiguousarray(table.T).reshape((*shape, degree + 1))


def hermite_values_scaled(x: ArrayLike, degree: int) -> tuple[FloatArray, FloatArray]:
    r"""Return the orthonormal Hermite polynomials with a logarithmic scale, at any finite point.

        h_k(x) = values_k exp(log_scale_k),     log_scale_k = e_k log 2,

    e_k an integer, zero where abs(h_0), ..., abs(h_k) <= 2^256.

    Parameters
    ----------
    x : array, shape (...)
        Finite.
    degree : int
        Largest degree, >= 0.

    Returns
    -------
    values, log_scale : array, shape (..., degree + 1)

    Accuracy
    --------
    Of `values`, as for hermite_values; log(abs(values)) + log_scale adds the rounding of the larger term.
    """
    points, shape = _points(x)
    degree = checks.integer(degree, "degree")
    values = np.empty((degree + 1, len(points)))
    exponents = np.zeros((degree + 1, len(points)), dtype=np.int64)
    values[0] = 1.0
    behind, here, scale = np.ones(len(points)), points.copy(), np.zeros(len(points), dtype=np.int64)
    for k in range(1, degree + 1):
        if k > 1:
            behind, here = here, (points * here - np.sqrt(k - 1.0) * behind) / np.sqrt(float(k))
        if np.abs(here).max(initial=0.0) > _BIG:
            lift = np.where(np.abs(here) > _BIG, np.frexp(here)[1], 0)
            here, behind, scale = np.ldexp(here, -lift), np.ldexp(behind, -lift), scale + lift
        values[k], exponents[k] = here, scale
    log_scale = exponents * float(np.log(2.0))
    layout = (*shape, degree + 1)
    return np.ascontiguousarray(values.T).reshape(layout), np.ascontiguousarray(log_scale.T).reshape(layout)


def _points(x: ArrayLike) -> tuple[FloatArray, tuple[int, ...]]:
    """Return all points in one row, and the shape they came in."""
    points = checks.real_array(x, "x")
    return points.ravel(), points.shape
