r"""What is measured on the samples of one generation: numbers, and what each sample contributes to their errors.

    variance    s^2 of u . x along a direction u orthogonal to the mean of the data: V(alpha v_d + (1 - alpha) v)
                holds for it without a term for the drift of the mean
    factor      mean over x of g_n(x) / g_n(data), g_n(x) = mean over y of K_n(x, y) with real samples y: the inner
                product of Hermite coefficients of degree n with those of real samples, f_n(i) times its value for the
                data whatever the samples y are
    power       variance of (F P x)_k, averaged over the modes k of a band of frequencies, in units of that of white
                noise; P takes out the direction of the mean of the data, so that the law of variances holds for it

All are means over samples, or variances, so that leaving out one sample at a time gives their covariance:

    M = cov(influences) / N,      correlations shrunk towards 0 by the share that their own scatter explains

Small generations say little of their own M: in units of the values of variances and powers, N M is drawn towards its
mean over generations by the share of the differences that its own scatter explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.types import BoolArray, FloatArray, IntArray
from ..hermite.degree_sums import two_sample_sums
from .blocks import blocks, without
from .frequencies import frequency_bands, mode_powers
from .image_axes import ImageAxes
from .measured import FACTOR, POWER, VARIANCE

LEAST_SHRINKAGE = 0.01
"""Keeps the matrix invertible where one curve is a combination of others, as in few dimensions."""


class Sampled(NamedTuple):
    """Values of one generation, (c,), and the influence of each sample on them, (n, c), of mean 0."""

    values: FloatArray
    influences: FloatArray

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the values over samples of this size, (c, c), invertible."""
        return covariance_of_means(self.influences, self.values)

    @property
    def doubt(self) -> FloatArray:
        """Squared relative standard errors of the variances in it, (c,)."""
        squares = np.square(self.influences)
        size = np.maximum(squares.mean(axis=0), 1e-300)
        return np.asarray(np.square(squares / size - 1.0).mean(axis=0) / len(squares))


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
    return np.array([1.0 - float(taken[modes].mean()) for modes in bands])


def covariance_of_means(influences: FloatArray, values: FloatArray) -> FloatArray:
    """Return the covariance of means with these influences (n, c), correlations shrunk towards 0, (c, c).

    It is 0 for a curve that is 0 in every sample.
    """
    count = len(influences)
    spread = np.maximum(influences.std(axis=0, ddof=1), 1e-9 * np.abs(values))
    standard = influences / np.where(spread > 0.0, spread, 1.0)
    correlation = standard.T @ standard / (count - 1.0)
    products = (standard**2).T @ standard**2
    scatter = (products / count - (correlation * (count - 1.0) / count) ** 2) / count
    other = ~np.eye(len(values), dtype=bool)
    signal = float(np.sum(correlation[other] ** 2))
    shrinkage = 1.0 if signal == 0.0 else float(np.sum(scatter[other])) / signal
    shrunk = correlation * (1.0 - min(max(shrinkage, LEAST_SHRINKAGE), 1.0))
    np.fill_diagonal(shrunk, 1.0)
    return np.asarray(spread[:, None] * shrunk * spread / count)


def drawn_together(
    noise: FloatArray, doubts: FloatArray, values: FloatArray, samples: IntArray, is_scale: BoolArray
) -> FloatArray:
    """Return covariances (r, c, c) drawn towards their mean over generations, in units of the values of scales.

    Parameters
    ----------
    noise : array, shape (r, c, c)
    doubts : array, shape (r, c)
        Squared relative standard errors of their diagonals.
    values : array, shape (r, c)
    samples : int array, shape (r,)
    is_scale : array of bool, shape (c,)
        Curves whose noise is proportional to their value.
    """
    known = np.all(~is_scale | (values > 0.0), axis=1)  # a variance of 0 is no unit for its noise
    if not known.all():
        together = noise.copy()
        together[known] = drawn_together(noise[known], doubts[known], values[known], samples[known], is_scale)
        return together
    if len(noise) < 2:
        return noise
    units = np.where(is_scale & (values > 0.0), values, 1.0)
    frames = units[:, :, None] * units[:, None, :] / samples[:, None, None]
    relative = noise / frames
    together = np.average(relative, axis=0, weights=samples)
    own, mean = np.einsum("icc->ic", relative), np.diagonal(together)
    # Normal samples scatter by 14/N; a few of them do not show their own tails.
    least = np.where(is_scale, 14.0, 0.0) / samples[:, None]
    expected = float(np.sum(np.maximum(doubts, least))) * (len(noise) - 1.0) / len(noise)
    observed = float(np.sum(np.square(own / mean - 1.0)))
    signal = max(0.0, 1.0 - expected / observed) if observed > 0.0 else 1.0
    return np.asarray(frames * (together + signal * (relative - together)))
