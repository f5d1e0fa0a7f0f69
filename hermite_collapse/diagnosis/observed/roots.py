"""Square roots of covariances whose entries differ by many decades, or that rounding leaves without an inverse."""

from __future__ import annotations

import numpy as np

from ...core.types import FloatArray

_EPS = float(np.finfo(float).eps)
_TENFOLD = 12


def scales_and_factors(covariances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return errors (..., n) and lower Cholesky factors (..., n, n) of the correlations.

    Entries that one another fix to rounding get errors of their own, of 1e-7 of theirs, so that there is a factor.

    Parameters
    ----------
    covariances : array, shape (..., n, n)
    """
    scales = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    correlations = covariances / scales[..., :, None] / scales[..., None, :]
    own = 0.0
    for _ in range(_TENFOLD):
        try:
            factors = np.linalg.cholesky(correlations + own * np.eye(correlations.shape[-1]))
        except np.linalg.LinAlgError:
            own = max(10.0 * own, correlations.shape[-1] * _EPS)
        else:
            return scales, np.asarray(factors, dtype=np.float64)
    raise np.linalg.LinAlgError("no correlations: their least eigenvalue is far below 0")
