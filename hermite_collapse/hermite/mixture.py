"""What the closed forms read of a mixture of Gaussians: the only place where its covariances are looked at."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..core.types import FloatArray


class Mixture(Protocol):
    """A mixture sum_k w_k N(m_k, S_k) that was checked where it was made, as `GaussianMixture` is."""

    @property
    def weights(self) -> FloatArray:
        """Weights, shape (K,)."""

    @property
    def means(self) -> FloatArray:
        """Means, shape (K, d)."""

    @property
    def variances(self) -> FloatArray:
        """Eigenvalues of the covariances, shape (K, d); the variances along the axes where frames is None."""

    @property
    def frames(self) -> FloatArray | None:
        """Eigenvectors, or None where every covariance is diagonal."""

    @property
    def covariances(self) -> FloatArray:
        """Covariances, shape (K, d, d)."""


def spread(mixture: Mixture) -> tuple[FloatArray, FloatArray | None]:
    """Return the variances along the axes (K, d), and the covariances (K, d, d) unless all are diagonal."""
    if mixture.frames is None:
        return mixture.variances, None
    covariances = mixture.covariances
    return np.ascontiguousarray(np.diagonal(covariances, axis1=1, axis2=2)), covariances
