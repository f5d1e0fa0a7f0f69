"""The empirical law of a sample: what a recursion trained on a finite data set starts from, exactly."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.arrays import as_array
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray, Seed
from .aged import AgedLaw
from .channels import GaussianChannel
from .covariances import orthonormal_columns
from .mixture import GaussianMixture, Law

if TYPE_CHECKING:
    from ..hermite.coefficients import HermiteCoefficients


@public
class EmpiricalLaw(Law):
    """The law that puts mass 1/n on each sample.

    Parameters
    ----------
    samples : array, shape (n, d) or (n,)
        Array, torch tensor or data frame of finite numbers, in the units of the diffusion.  Not copied.
    scale : float, optional
        A number > 0 by which the samples are divided first.  Without it a `Recursion` refuses samples that do not look
        like a diffusion's own coordinates: a second moment above 25, or their average below 0.01.  Refused with pixels
        (uint8, uint16), which a factor alone does not centre.

    Attributes
    ----------
    samples : array, shape (n, d)
        Read-only.
    scale : float or None

    Raises
    ------
    InputError
        If samples are not a non-empty rectangular array of finite numbers, or pixels with a scale.

    Notes
    -----
    The law has no density; its image under any channel with positive variance does.  As the target of a recursion it
    is the data law exactly: its own sampling error concerns the population behind it, and is what `standard_error` of
    `hermite_coefficients` states.  Mean, covariance and coefficients are computed once.

    Examples
    --------
    >>> law = EmpiricalLaw([0.0, 1.0, 2.0])
    >>> law.mean.tolist(), law.covariance.round(4).tolist()
    ([1.0], [[0.6667]])
    """

    _fields = ("samples", "scale")

    samples: FloatArray
    scale: float | None

    def __init__(self, samples: ArrayLike, *, scale: float | None = None) -> None:
        stored = as_array(samples, "samples")
        data = checks.samples(stored)
        factor = None if scale is None else checks.positive(scale, "scale")
        if factor not in (None, 1.0) and stored.dtype in (np.uint8, np.uint16):
            half = np.iinfo(stored.dtype).max / 2.0
            raise InputError(
                f"samples of {8 * stored.dtype.itemsize} bits must come without a scale, which would not centre them, "
                f"got {scale!r}: give samples / {half:g} - 1 if they are pixels, samples.astype(float) if counts."
            )
        self._set("scale", factor)
        if factor is not None and factor != 1.0:
            with np.errstate(over="ignore"):
                data = data / factor
            checks.finite(data, "samples / scale")
        self._set("samples", data)

    def __repr__(self) -> str:
        return f"EmpiricalLaw({len(self.samples)} samples in dimension {self.dimension})"

    @property
    def dimension(self) -> int:
        return self.samples.shape[1]

    @property
    def has_density(self) -> bool:
        return False

    @cached_property
    def mean(self) -> FloatArray:
        return self.samples.mean(axis=0)

    @cached_property
    def covariance(self) -> FloatArray:
        """Covariance of the empirical law itself: divisor n."""
        centred = self.samples - self.mean
        return np.asarray(centred.T @ centred / len(centred))

    @cached_property
    def squares(self) -> FloatArray:
        """E x_j^2 by axis, shape (d,)."""
        return checks.second_moments(self.samples)

    def sample(self, n: int, rng: Seed = None) -> FloatArray:
        generator = checks.generator(rng)
        return self.samples[
            generator.integers(len(self.samples), size=checks.entries(n, "n", each=8.0 * self.dimension))
        ]

    def through(self, channel: GaussianChannel) -> AgedLaw:
        checks.instance(channel, GaussianChannel, "channel")
        return AgedLaw.single(self, channel)

    def project(self, direction: ArrayLike) -> EmpiricalLaw:
        """Return the empirical law of the samples along a direction (d,) or orthonormal columns (d, k)."""
        return EmpiricalLaw(self.samples @ orthonormal_columns(direction, self.dimension), scale=1.0)

    @cached_property
    def _mixture(self) -> GaussianMixture:
        n, d = self.samples.shape
        variances = np.broadcast_to(0.0, (n, d))
        return GaussianMixture.from_spectra(np.full(n, 1.0 / n), self.samples, variances)

    def as_mixture(self) -> GaussianMixture:
        return self._mixture

    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        """Return sample means of h_k: exact for this law; `standard_error` is that of the population's coefficients."""
        degree = checks.integer(degree, "degree")
        known: dict[int, HermiteCoefficients] = self.__dict__.setdefault("_coefficients", {})
        if degree not in known:
            from ..hermite.sums import sample_coefficients

            known[degree] = sample_coefficients(self.samples, degree)
        return known[degree]

    def second_moments(self, indices: ArrayLike) -> FloatArray:
        return self.as_mixture().second_moments(indices)
