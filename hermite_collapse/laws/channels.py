"""Gaussian channels X -> A X + sqrt(v) Z, the processes that generate them, and the units of truncation time.

One round of recursive training with a perfect score is such a channel: the Ornstein-Uhlenbeck semigroup stopped
at time t gives scale a = exp(-rate t) and variance 1 - a^2; variance-exploding diffusion stopped at noise sigma
gives scale 1 and variance sigma^2; a kernel density estimate of bandwidth h puts (1, h^2) in front.

Convention: dX = -rate X dt + sqrt(2 rate) dW, with rate 1/2 by default.  Times are dimensionless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError


@dataclass(frozen=True)
class GaussianChannel:
    """The Markov kernel X -> scale X + sqrt(variance) Z with Z standard normal, 0 <= scale <= 1.

    Maps a Gaussian component N(m, S) to N(scale m, scale^2 S + variance I).
    """

    scale: float
    variance: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", checks.fraction(self.scale, "scale"))
        object.__setattr__(self, "variance", checks.nonnegative(self.variance, "variance"))

    @classmethod
    def identity(cls) -> GaussianChannel:
        """The channel that changes nothing."""
        return cls(1.0, 0.0)

    @property
    def is_identity(self) -> bool:
        return self.scale == 1.0 and self.variance == 0.0

    @property
    def is_ornstein_uhlenbeck(self) -> bool:
        """Whether the standard normal is its fixed point: variance = 1 - scale^2, to rounding."""
        return abs(self.variance - (1.0 - self.scale) * (1.0 + self.scale)) <= 4e-16

    def after(self, first: GaussianChannel) -> GaussianChannel:
        """The channel that applies `first`, then this one: (A B, A^2 w + v)."""
        return GaussianChannel(self.scale * first.scale, self.scale**2 * first.variance + self.variance)

    def power(self, exponent: float) -> GaussianChannel:
        """The channel applied `exponent` times; any real exponent >= 0, by the semigroup it belongs to.

            scale = A^k,   variance = v (1 - A^{2k}) / (1 - A^2),   or k v for A = 1.

        A scale of 0 allows the exponents 0 and >= 1 only, as it belongs to no semigroup.
        """
        k = checks.nonnegative(exponent, "exponent")
        if k == 0.0:
            return GaussianChannel.identity()
        if self.scale == 1.0:
            return GaussianChannel(1.0, k * self.variance)
        if self.scale == 0.0:
            if k < 1.0:
                raise InputError(f"exponent must be 0 or >= 1 for a channel of scale 0, got {k!r}.")
            return self
        scales, variances = channel_powers(self, np.array([k]))
        return GaussianChannel(float(scales[0]), float(variances[0]))


def channel_powers(channel: GaussianChannel, exponents: NDArray) -> tuple[NDArray, NDArray]:
    """Scales and variances of the powers of one channel, for an array of exponents >= 0.

    Accuracy: a few ulp times the conditioning of exp; the variances are never formed as 1 minus something.
    """
    if channel.scale == 1.0:
        return np.ones_like(exponents, dtype=float), exponents * channel.variance
    if channel.scale == 0.0:
        used = exponents > 0
        return np.where(used, 0.0, 1.0), np.where(used, channel.variance, 0.0)
    log_scale = np.log(channel.scale)
    growth = np.expm1(2.0 * exponents * log_scale) / np.expm1(2.0 * log_scale)
    return np.exp(exponents * log_scale), channel.variance * growth


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """The variance-preserving process dX = -rate X dt + sqrt(2 rate) dW.

    Its channel of time t has scale exp(-rate t) and variance -expm1(-2 rate t); the standard normal is its
    fixed point, and Hermite modes its eigenfunctions.
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checks.positive(self.rate, "rate"))

    def channel(self, time: float) -> GaussianChannel:
        """The channel of one truncation time (dimensionless, >= 0)."""
        t = checks.nonnegative(time, "truncation_time")
        return GaussianChannel(float(np.exp(-self.rate * t)), float(-np.expm1(-2.0 * self.rate * t)))


@dataclass(frozen=True)
class VarianceExploding:
    """The process dX = dW: truncation time is the noise variance sigma^2, and the channel is (1, sigma^2).

    With it a recursion repeats (1, k sigma^2); it is not an Ornstein-Uhlenbeck recursion in other units.
    """

    def channel(self, time: float) -> GaussianChannel:
        """The channel of one truncation time sigma^2 (squared data units, >= 0)."""
        return GaussianChannel(1.0, checks.nonnegative(time, "truncation_time"))


Process = OrnsteinUhlenbeck | VarianceExploding


def time_from_alpha_bar(alpha_bar: ArrayLike, *, rate: float = 0.5) -> NDArray[np.float64]:
    """Ornstein-Uhlenbeck time of a DDPM signal level: -log(alpha_bar) / (2 rate), for alpha_bar in (0, 1].

    Converts one round; shape like the argument.

    >>> round(float(time_from_alpha_bar(0.9)), 6), round(float(alpha_bar_from_time(time_from_alpha_bar(0.9))), 12)
    (0.105361, 0.9)
    """
    level = np.asarray(alpha_bar, dtype=float)
    if not np.all((level > 0.0) & (level <= 1.0)):
        raise InputError(f"alpha_bar must lie in (0, 1], got {alpha_bar!r}.")
    return _plain(-np.log(level) / (2.0 * checks.positive(rate, "rate")) + 0.0)


def alpha_bar_from_time(time: ArrayLike, *, rate: float = 0.5) -> NDArray[np.float64]:
    """DDPM signal level exp(-2 rate t) of an Ornstein-Uhlenbeck time t >= 0."""
    return _plain(np.exp(-2.0 * checks.positive(rate, "rate") * _nonnegative_array(time, "time")))


def time_from_sigma(sigma: ArrayLike, *, rate: float = 0.5) -> NDArray[np.float64]:
    """Ornstein-Uhlenbeck time of a variance-exploding noise level (EDM sigma): log1p(sigma^2) / (2 rate).

    Converts one round: x + sigma z, divided by sqrt(1 + sigma^2), is the OU channel of this time.  A recursion
    with variance-exploding rounds is its own process, `VarianceExploding`.
    """
    level = _nonnegative_array(sigma, "sigma")
    return _plain(np.log1p(level**2) / (2.0 * checks.positive(rate, "rate")))


def sigma_from_time(time: ArrayLike, *, rate: float = 0.5) -> NDArray[np.float64]:
    """Noise level sqrt(expm1(2 rate t)) of the variance-exploding round equivalent to an OU time t >= 0."""
    return _plain(np.sqrt(np.expm1(2.0 * checks.positive(rate, "rate") * _nonnegative_array(time, "time"))))


def _nonnegative_array(value: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=float)
    if not np.all(array >= 0.0):
        raise InputError(f"{name} must be >= 0, got {value!r}.")
    return array


def _plain(array: NDArray[Any]) -> NDArray[np.float64]:
    """A Python float where the argument was one, the array otherwise."""
    return float(array) if np.ndim(array) == 0 else array  # type: ignore[return-value]
