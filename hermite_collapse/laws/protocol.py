"""What every law offers, and the density verbs that follow from one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.display import Displayed
from .channels import GaussianChannel

if TYPE_CHECKING:
    from ..hermite.coefficients import HermiteCoefficients

FloatArray = NDArray[np.float64]


class Law(Displayed, ABC):
    """A probability law on R^d."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d."""

    @property
    @abstractmethod
    def mean(self) -> FloatArray:
        """E X, shape (d,)."""

    @property
    @abstractmethod
    def covariance(self) -> FloatArray:
        """Cov X, shape (d, d)."""

    @abstractmethod
    def sample(self, n: int, rng: Any = None) -> FloatArray:
        """n independent draws, shape (n, d); rng is anything `numpy.random.default_rng` takes."""

    @abstractmethod
    def through(self, channel: GaussianChannel) -> Law:
        """The law of scale X + sqrt(variance) Z."""

    @abstractmethod
    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        """Coefficients c_k = E h_k(X) of all multi-indices of total degree <= degree."""

    @abstractmethod
    def second_moments(self, indices: ArrayLike) -> FloatArray:
        """E h_k(X)^2 for each row k of indices (m, d); shape (m,)."""


class DensityLaw(Law):
    """A law with a density; subclasses give log density and score at (n, d) points."""

    @abstractmethod
    def _log_density_and_score(self, x: FloatArray, score: bool) -> tuple[FloatArray, FloatArray | None]:
        """Log density (n,) and, if asked, score (n, d) at the points x (n, d)."""

    def log_density(self, x: ArrayLike) -> FloatArray:
        """log p(x), shape (...); finite wherever the true value is representable, far tails included."""
        flat, leading = checks.points(x, self.dimension)
        return self._log_density_and_score(flat, score=False)[0].reshape(leading)

    def density(self, x: ArrayLike) -> FloatArray:
        """p(x), shape (...)."""
        return np.exp(self.log_density(x))

    def score(self, x: ArrayLike) -> FloatArray:
        """grad log p(x), shaped like x."""
        flat, _ = checks.points(x, self.dimension)
        gradient = self._log_density_and_score(flat, score=True)[1]
        assert gradient is not None
        return gradient.reshape(np.shape(x))
