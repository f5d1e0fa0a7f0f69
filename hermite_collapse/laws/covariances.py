"""Covariances in every accepted form, as eigenvalues in frames; orthonormal directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.arrays import rounding
from ..core.errors import InputError
from ..core.types import FloatArray, IntArray

COVARIANCE_TYPES = ("spherical", "diagonal", "full", "shared")
SKLEARN_TYPES = {"spherical": "spherical", "diag": "diagonal", "full": "full", "tied": "shared"}

Spectra = tuple[FloatArray, FloatArray | None, IntArray | None]


def spectra(covariances: ArrayLike, count: int, dimension: int, kind: str | None) -> Spectra:
    """Return eigenvalues (K, d), frames and frame index of covariances in any accepted form."""
    array = checks.real_array(covariances, "covariances")
    if kind is not None:
        checks.one_of(kind, COVARIANCE_TYPES, "covariance_type")
    shape = (count, dimension)
    square = array.shape == (dimension, dimension) and dimension > 1
    if kind is None and square and count == dimension:
        raise InputError(
            f"covariances must have three axes, or covariance_type be given, where there are as many components as "
            f"dimensions ({count}), since a square can be one row of variances for each component ('diagonal') or one "
            f"matrix for all ('shared'), got shape {array.shape}."
        )
    if kind is None and square and count == 1:
        kind = "shared"
    accepted: dict[str, tuple[tuple[int, ...], ...]] = {
        "spherical": ((), (count,)),
        "diagonal": (shape, (1, dimension)),
        "full": ((*shape, dimension),),
        "shared": ((1, dimension, dimension),)
        if kind is None
        else ((1, dimension, dimension), shape[1:] * 2),
    }
    considered = [name for name in accepted if kind in (None, name)]
    name = next((name for name in considered if array.shape in accepted[name]), None)
    if name is None:
        forms = dict.fromkeys(str(form) for name in considered for form in accepted[name] if form)
        scalar = "be a scalar or " if "spherical" in considered else ""
        raise InputError(f"covariances must {scalar}have shape {' or '.join(forms)}, got {array.shape}.")
    if name in ("full", "shared"):
        return _full_spectra(array.reshape(-1, dimension, dimension), count, dimension)
    spread = array.reshape(-1, 1) if name == "spherical" else array
    variances = np.broadcast_to(spread, shape).copy()
    if variances.min() < 0.0:
        raise InputError(
            f"covariances must be positive semi-definite, got a variance of {float(variances.min())!r}."
        )
    return variances, None, None


def _full_spectra(array: FloatArray, count: int, dimension: int) -> Spectra:
    size = np.abs(array).max(axis=(1, 2))
    asymmetry = np.abs(array - array.transpose(0, 2, 1)).max(axis=(1, 2))
    if np.any(asymmetry > (largest := rounding(array, 1e-10) * size)):
        worst = float(asymmetry[asymmetry > largest].max())
        raise InputError(f"covariances must be symmetric, got an asymmetry of {worst!r}.")
    diagonal = np.diagonal(array, axis1=1, axis2=2)
    if np.array_equal(array, diagonal[:, :, None] * np.eye(dimension)):
        eigenvalues, frames = diagonal.copy(), None
    else:
        eigenvalues, frames = np.linalg.eigh(0.5 * (array + array.transpose(0, 2, 1)))
    smallest = eigenvalues.min(axis=1)
    if np.any(smallest < (lowest := -rounding(array, 1e-12) * size)):
        worst = float(smallest[smallest < lowest].min())
        raise InputError(f"covariances must be positive semi-definite, got an eigenvalue of {worst!r}.")
    variances = np.broadcast_to(np.maximum(eigenvalues, 0.0), (count, dimension)).copy()
    if frames is None:
        return variances, None, None
    frame_of = np.arange(count) if len(frames) == count else np.zeros(count, dtype=np.int64)
    return variances, np.ascontiguousarray(frames), frame_of


def orthonormal_columns(direction: ArrayLike, dimension: int) -> FloatArray:
    """Return a direction (d,) normalised to (d, 1), or orthonormal columns (d, k) as they are."""
    basis = checks.real_array(direction, "direction")
    if basis.ndim == 1:
        largest = np.abs(basis).max(initial=0.0)
        if basis.shape != (dimension,) or largest == 0.0:
            raise InputError(f"direction must be a non-zero vector of length {dimension}, got {direction!r}.")
        if not 1e-150 < largest < 1e150:  # squares that overflow or vanish
            basis = basis / largest
        return (basis / np.linalg.norm(basis))[:, None]
    if basis.ndim != 2 or basis.shape[0] != dimension:
        raise InputError(f"direction must have shape ({dimension},) or ({dimension}, k), got {basis.shape}.")
    error = float(np.abs(basis.T @ basis - np.eye(basis.shape[1])).max(initial=0.0))
    if error > rounding(basis.T, 1e-10):
        raise InputError(
            f"direction must have orthonormal columns, got a Gram matrix {(basis.T @ basis).tolist()!r}."
        )
    if error > 1e-10:  # of single precision: the nearest that are orthonormal in double
        left, _, right = np.linalg.svd(basis, full_matrices=False)
        return np.ascontiguousarray(left @ right)
    return basis
