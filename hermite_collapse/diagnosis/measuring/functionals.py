r"""What is measured on the samples of one generation: numbers, and what each sample contributes to their errors.

    variance    s^2 of u . x along a direction u orthogonal to the mean of the data: V(alpha v_d + (1 - alpha) v)
                holds for it without a term for the drift of the mean
    factor      mean over x of g_n(x) / g_n(data), g_n(x) = mean over y of K_n(x, y) with real samples y: the inner
                product of Hermite coefficients of degree n with those of real samples, f_n(i) times its value for the
                data whatever the samples y are
    power       variance of (F P x)_k, averaged over the modes k of a band of frequencies, in units of that of white
                noise; P takes out the direction of the mean of the data, so that the law of variances holds for it

All are means over samples, or variances, so that leaving out one sample at a time gives their covariance,
cov(influences) / N (`sampling_noise`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...core.types import FloatArray, IntArray
from ...hermite.degree_sums import two_sample_sums
from .blocks import blocks, without
from .frequencies import frequency_bands, mode_powers
from .image_axes import ImageAxes
from .measured import FACTOR, POWER, VARIANCE
from .sampling_noise import scatters


class Sampled(NamedTuple):
    """Values of one generation, (c,), and the influence of each sample on them, (n, c), of mean 0."""

    values: FloatArray
    influences: FloatArray

    @property
    def scatters(self) -> FloatArray:
        """Sums of products of the influences, every tenth sample together, (10, c, c)."""
        return scatters(self.influences)


@dataclass(frozen=True)
class Functionals:
    """The curves that are measured.

    Attributes
    ----------
    directions : array, shape (k, d)
    ranks : int array, shape (k,)
    partner : array, shape (m, d)
        Real samples y of the inner products.
    degrees : int array
        Degrees n of the factors.
    scale : array, one a degree
        g_n(data), by which factors are divided.
    axes : ImageAxes or None
    bands : list of int arrays
        Modes in each band of frequencies.
    centres : array, one a band
    mean : array, shape (d,)
        Of the data; 0 where nothing is taken out.
    """

    directions: FloatArray
    ranks: IntArray
    partner: FloatArray
    degrees: IntArray
    scale: FloatArray
    axes: ImageAxes | None
    bands: Sequence[IntArray]
    centres: FloatArray
    mean: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the curves."""
        return (
            *(f"direction {rank}" for rank in self.ranks),
            *(f"degree {n}" for n in self.degrees),
            *(f"frequency {centre:.2g}" for centre in self.centres),
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the curves."""
        return (VARIANCE,) * len(self.ranks) + (FACTOR,) * len(self.degrees) + (POWER,) * len(self.bands)

    @property
    def numbers(self) -> FloatArray:
        """Rank, degree or frequency of the curves."""
        return np.concatenate([self.ranks.astype(float), self.degrees.astype(float), self.centres])

    def of(self, samples: FloatArray, *, is_law: bool = False) -> Sampled:
        """Return values and influences for samples (n, d); those of their own empirical law if `is_law`."""
        count = len(samples)
        along = samples @ self.directions.T
        along -= along[0].copy()  # so that the mean of equal numbers is exact
        deviations = along - along.mean(axis=0)
        deviations[np.abs(deviations) <= _rounding_of(samples)] = 0.0
        squares = np.square(deviations)
        parts = [squares if is_law else squares * (count / (count - 1.0))]
        if len(self.degrees):
            parts.append(inner_products(samples, self.partner, self.degrees) / self.scale)
        if self.axes is not None and self.bands:
            power = self._band_powers(samples, self.axes)
            parts.append(power if is_law else power * (count / (count - 1.0)))
        each = np.concatenate(parts, axis=1)
        values = each.mean(axis=0)
        return Sampled(values, each - values)

    def rounding_bias(self, rounding: FloatArray) -> FloatArray:
        """Return what rounding errors of these variances, one a coordinate (d,), add to the curves, (c,)."""
        added = [np.square(self.directions) @ rounding, np.zeros(len(self.degrees))]
        return np.concatenate([*added, np.full(len(self.bands), rounding.mean())])

    def _band_powers(self, samples: FloatArray, axes: ImageAxes) -> FloatArray:
        """Return the power of each sample's deviation from the mean of all, by band, (n, b)."""
        mean = samples.mean(axis=0)
        noise = noise_powers(axes, self.bands, self.mean)
        parts = []
        for rows in blocks(samples):
            power = mode_powers(axes.images(without(rows, mean, self.mean)))
            parts.append(np.stack([power[:, modes].mean(axis=1) for modes in self.bands], axis=1) / noise)
        powers = np.concatenate(parts)
        powers[powers <= _rounding_of(samples) ** 2] = 0.0
        return powers


def _rounding_of(samples: FloatArray) -> float:
    """Return how far rounding alone moves the inner product of a sample and a unit vector."""
    largest = max(float(samples.max()), -float(samples.min()))
    return float(4.0 * np.finfo(float).eps * samples.shape[1] * largest)


def inner_products(samples: FloatArray, partner: FloatArray, degrees: IntArray) -> FloatArray:
    """Return g_n(x), the mean over y of K_n(x, y), for each sample and degree, (n, len(degrees))."""
    highest = int(degrees.max())
    rows = [two_sample_sums(part, partner, highest).rows[:, degrees] for part in blocks(samples)]
    return np.asarray(np.concatenate(rows) / len(partner))


def bands_of(axes: ImageAxes | None, count: int) -> tuple[FloatArray, list[IntArray]]:
    """Return at most so many bands of frequencies; none for samples that are no images, or too small ones."""
    if axes is None or min(axes.height, axes.width) < 4:
        return np.empty(0), []
    return frequency_bands(axes.height, axes.width, min(count, min(axes.height, axes.width) // 2))


def noise_powers(axes: ImageAxes, bands: Sequence[IntArray], mean: FloatArray) -> FloatArray:
    """Return the power of white noise without the direction of a mean, by band, (b,)."""
    square = float(mean @ mean)
    taken = (
        mode_powers(axes.images(mean[None]))[0] / square
        if square > 0.0
        else np.zeros(axes.height * axes.width)
    )
    return np.array([axes.share - float(taken[modes].mean()) for modes in bands])
