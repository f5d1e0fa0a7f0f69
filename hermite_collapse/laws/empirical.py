"""The empirical law of a sample: what a recursion trained on a finite data set starts from, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from .channels import GaussianChannel
from .protocol import Law

if TYPE_CHECKING:
    from ..hermite.coefficients import HermiteCoefficients
    from .aged import AgedLaw
    from .mixture import GaussianMixture

FloatArray = NDArray[np.float64]


class EmpiricalLaw(Law):
    """The law that puts mass 1/n on each sample.

    Parameters
    ----------
    samples : (n, d) or (n,); array, torch tensor or data frame of finite numbers, in the units of the diffusion.
    scale : a number > 0 by which the samples are divided first.  Without it a `Recursion` refuses samples that do not
        look like a diffusion's own coordinates: a second moment above 25, or their average below 0.01.

    It has no density; its image under any channel with positive variance does.  As the target of a recursion it is
    the data law exactly: its own sampling error concerns the population behind it, and is what `standard_error` of
    `hermite_coefficients` states.
    """

    def __init__(self, samples: ArrayLike, *, scale: float | None = None) -> None:
        data = checks.samples(samples)
        self.scale = None if scale is None else checks.positive(scale, "scale")
        self.samples = data if self.scale in (None, 1.0) else data / self.scale

    def __repr__(self) -> str:
        return f"EmpiricalLaw({len(self.samples)} samples in dimension {self.dimension})"

    @property
    def dimension(self) -> int:
        return self.samples.shape[1]

    @property
    def mean(self) -> FloatArray:
        return self.samples.mean(axis=0)

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the empirical law itself: divisor n."""
        centred = self.samples - self.mean
        return centred.T @ centred / len(centred)

    def sample(self, n: int, rng: Any = None) -> FloatArray:
        generator = np.random.default_rng(rng)
        return self.samples[generator.integers(len(self.samples), size=checks.integer(n, "n"))]

    def through(self, channel: GaussianChannel) -> AgedLaw:
        from .aged import AgedLaw

        return AgedLaw(
            (self,),
            np.ones(1),
            np.array([channel.scale]),
            np.array([channel.variance]),
            np.zeros(1, dtype=np.int64),
        )

    def project(self, direction: ArrayLike) -> EmpiricalLaw:
        """The empirical law of the samples along a direction (d,) or orthonormal columns (d, k)."""
        from .mixture import orthonormal_columns

        return EmpiricalLaw(self.samples @ orthonormal_columns(direction, self.dimension), scale=1.0)

    def as_mixture(self) -> GaussianMixture:
        """The same law as a mixture of n components of zero covariance."""
        from .mixture import GaussianMixture

        n = len(self.samples)
        return GaussianMixture._from_spectra(np.full(n, 1.0 / n), self.samples, np.zeros_like(self.samples))

    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        """Sample means of h_k: exact for this law; `standard_error` is that of the population's coefficients."""
        from ..hermite.coefficients import sample_coefficients

        return sample_coefficients(self.samples, degree)

    def second_moments(self, indices: ArrayLike) -> FloatArray:
        return self.as_mixture().second_moments(indices)
