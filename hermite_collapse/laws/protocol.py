"""What every law offers, and the density verbs that follow from one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.display import Displayed
from ..core.types import FloatArray, Seed
from ..core.value import Value

if TYPE_CHECKING:
    from ..hermite.coefficients import HermiteCoefficients
    from .channels import GaussianChannel
    from .mixture import GaussianMixture


class Law(Displayed, Value, ABC):
    """A probability law on R^d: an immutable value.

    Attributes
    ----------
    dimension : int
        d.
    mean : array, shape (d,)
    covariance : array, shape (d, d)
    has_density : bool
        Whether the law has a density.
    """

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

    @cached_property
    def principal_axes(self) -> tuple[FloatArray, FloatArray]:
        """Variances along the principal axes, ascending, shape (d,), and the axes as columns, shape (d, d)."""
        variances, axes = np.linalg.eigh(self.covariance)
        return np.maximum(variances, 0.0), axes

    @cached_property
    def covariance_factor(self) -> FloatArray:
        """F with F F^T = Cov X, shape (d, d): Cholesky's, or by the principal axes where Cov X is singular."""
        try:
            return np.asarray(np.linalg.cholesky(self.covariance))
        except np.linalg.LinAlgError:
            variances, axes = self.principal_axes
            return axes * np.sqrt(variances)

    @property
    @abstractmethod
    def has_density(self) -> bool:
        """Whether the law has a density."""

    @property
    def unbounded_ages(self) -> bool:
        """Whether the law stands for an average over infinitely many ages."""
        return False

    @property
    def tail_channel(self) -> GaussianChannel | None:
        """Where the channels of ever older ages tend; None without unbounded ages, or if their variance grows."""
        return None

    @abstractmethod
    def as_mixture(self) -> GaussianMixture:
        """Return the same law as one Gaussian mixture; samples become components of zero covariance."""

    @abstractmethod
    def sample(self, n: int, rng: Seed = None) -> FloatArray:
        """Draw n independent points, shape (n, d); rng is anything `numpy.random.default_rng` takes."""

    @abstractmethod
    def through(self, channel: GaussianChannel) -> Law:
        """Return the law of scale X + sqrt(variance) Z."""

    @abstractmethod
    def project(self, direction: ArrayLike) -> Law:
        """Return the marginal law along a direction (d,), normalised here, or orthonormal columns (d, k)."""

    @abstractmethod
    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        """Return the coefficients c_k = E h_k(X) of all multi-indices of total degree <= degree."""

    @abstractmethod
    def second_moments(self, indices: ArrayLike) -> FloatArray:
        """Return E h_k(X)^2 for each row k of indices (m, d), shape (m,)."""


class DensityLaw(Law):
    """A law with a density; subclasses give log density and score at (n, d) points."""

    @abstractmethod
    def _log_density_and_score(self, x: FloatArray, score: bool) -> tuple[FloatArray, FloatArray | None]:
        """Return the log density (n,) and, if asked, the score (n, d) at the points x (n, d)."""

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p(x), shape (...), for x of shape (..., d); finite wherever the true value is representable."""
        flat, leading = checks.points(x, self.dimension)
        return self._log_density_and_score(flat, score=False)[0].reshape(leading)

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p(x), shape (...), for x of shape (..., d)."""
        return np.asarray(np.exp(self.log_density(x)))

    def score(self, x: ArrayLike) -> FloatArray:
        """Return grad log p(x), shaped like x."""
        flat, _ = checks.points(x, self.dimension)
        gradient = self._log_density_and_score(flat, score=True)[1]
        assert gradient is not None
        return gradient.reshape(np.shape(x))
