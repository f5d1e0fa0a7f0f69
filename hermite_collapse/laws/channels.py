"""Gaussian channels X -> A X + sqrt(v) Z, the processes that generate them, and the units of truncation time.

One round of recursive training with a perfect score is such a channel: the Ornstein-Uhlenbeck semigroup stopped
at time t gives scale a = exp(-rate t) and variance 1 - a^2; variance-exploding diffusion stopped at noise sigma
gives scale 1 and variance sigma^2; a kernel density estimate of bandwidth h puts (1, h^2) in front.

Convention: dX = -rate X dt + sqrt(2 rate) dW, with rate 1/2 by default.  Times are dimensionless.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import plain


@public
@dataclass(frozen=True)
class GaussianChannel:
    """The Markov kernel X -> scale X + sqrt(variance) Z with Z standard normal, 0 <= scale <= 1.

    Maps a Gaussian component N(m, S) to N(scale m, scale^2 S + variance I).

    Parameters
    ----------
    scale : float
        Signal scale A in [0, 1].
    variance : float
        Noise variance v >= 0.
    decay : float, optional
        -log(scale), where it is known more precisely than the rounded scale tells; powers are taken from it.

    Examples
    --------
    >>> channel = OrnsteinUhlenbeck().channel(0.1)
    >>> round(channel.scale, 6), round(channel.variance, 6)
    (0.951229, 0.095163)
    >>> channel.power(3) == OrnsteinUhlenbeck().channel(0.1).after(channel).after(channel)
    False
    >>> round(channel.power(3).variance, 12) == round(channel.after(channel).after(channel).variance, 12)
    True
    """

    scale: float
    variance: float
    decay: float = field(default=float("nan"), compare=False, repr=False)

    def __post_init__(self) -> None:
        checks.keep(self, checks.share, "scale")
        checks.keep(self, checks.nonnegative, "variance")
        if np.isnan(self.decay):
            with np.errstate(divide="ignore"):
                object.__setattr__(self, "decay", float(-np.log(self.scale)) + 0.0)

    @classmethod
    def identity(cls) -> GaussianChannel:
        """Return the channel that changes nothing."""
        return cls(1.0, 0.0)

    @property
    def is_identity(self) -> bool:
        return self.scale == 1.0 and self.variance == 0.0

    @property
    def loss(self) -> float:
        """1 - scale^2, without cancellation."""
        return float(-np.expm1(-2.0 * self.decay))

    @property
    def is_ornstein_uhlenbeck(self) -> bool:
        """Whether the standard normal is its fixed point: variance = 1 - scale^2, to rounding."""
        return abs(self.variance - self.loss) <= 4e-16

    @public
    def after(self, first: GaussianChannel) -> GaussianChannel:
        """Return the channel that applies `first`, then this one: (A B, A^2 w + v)."""
        return GaussianChannel(
            self.scale * first.scale,
            self.scale**2 * first.variance + self.variance,
            self.decay + first.decay,
        )

    def power(self, exponent: float) -> GaussianChannel:
        """Return the channel applied `exponent` times; any real exponent >= 0, by the semigroup it belongs to.

            scale = A^k,   variance = v (1 - A^{2k}) / (1 - A^2),   or k v where A = 1

        Raises
        ------
        InputError
            For an exponent below 0, and for one between 0 and 1 of a channel of scale 0, which belongs to no semigroup.
        """
        k = checks.nonnegative(exponent, "exponent")
        if self.scale == 0.0 and 0.0 < k < 1.0:
            raise InputError(f"exponent must be 0 or >= 1 for a channel of scale 0, got {k!r}.")
        scales, variances = channel_powers(self, np.array([k]))
        return GaussianChannel(float(scales[0]), float(variances[0]), k * self.decay if k > 0.0 else 0.0)


def channel_powers(channel: GaussianChannel, exponents: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return scales and variances of the powers of one channel, for an array of exponents >= 0.

    Accuracy
    --------
    A few ulp times the conditioning of exp: powers come from the decay, variances are never 1 minus something.
    """
    if channel.decay == 0.0:
        return np.ones_like(exponents, dtype=float), exponents * channel.variance
    if channel.scale == 0.0:
        used = exponents > 0
        return np.where(used, 0.0, 1.0), np.where(used, channel.variance, 0.0)
    growth = np.expm1(-2.0 * exponents * channel.decay) / np.expm1(-2.0 * channel.decay)
    return np.exp(-exponents * channel.decay), channel.variance * growth


class Process(ABC):
    """A diffusion whose truncation at a time is a Gaussian channel."""

    @abstractmethod
    def channel(self, time: float) -> GaussianChannel:
        """Return the channel of one truncation time >= 0."""


@public
@dataclass(frozen=True)
class OrnsteinUhlenbeck(Process):
    """The variance-preserving process dX = -rate X dt + sqrt(2 rate) dW.

    Its channel of time t has scale exp(-rate t) and variance -expm1(-2 rate t); the standard normal is its
    fixed point, and Hermite modes its eigenfunctions.

    Parameters
    ----------
    rate : float
        > 0.

    Examples
    --------
    >>> round(OrnsteinUhlenbeck(rate=1.0).channel(0.5).scale, 6)
    0.606531
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        checks.keep(self, checks.positive, "rate")

    def channel(self, time: float) -> GaussianChannel:
        """Return the channel of one truncation time (dimensionless, >= 0)."""
        decay = self.rate * checks.nonnegative(time, "truncation_time")
        return GaussianChannel(float(np.exp(-decay)), float(-np.expm1(-2.0 * decay)), decay)


@public
@dataclass(frozen=True)
class VarianceExploding(Process):
    """The process dX = dW: truncation time is the noise variance sigma^2, and the channel is (1, sigma^2).

    With it a recursion repeats (1, k sigma^2); it is not an Ornstein-Uhlenbeck recursion in other units.

    Examples
    --------
    >>> VarianceExploding().channel(0.04)
    GaussianChannel(scale=1.0, variance=0.04)
    """

    def channel(self, time: float) -> GaussianChannel:
        """Return the channel of one truncation time sigma^2 (squared data units, >= 0)."""
        return GaussianChannel(1.0, checks.nonnegative(time, "truncation_time"), 0.0)


_ALL_LOST = 1e3  # rate times time from which no double holds what is left of the signal


@public
def time_from_alpha_bar(alpha_bar: ArrayLike, *, rate: float = 0.5) -> FloatArray:
    """Return the Ornstein-Uhlenbeck time of a DDPM signal level.

        t = -log(alpha_bar) / (2 rate)

    Parameters
    ----------
    alpha_bar : float or array, any shape
        Signal level in (0, 1].  Converts one round.
    rate : float
        Rate of the process.

    Returns
    -------
    float or array
        Shaped like alpha_bar.

    Examples
    --------
    >>> round(float(time_from_alpha_bar(0.9)), 6)
    0.105361
    """
    level = checks.real_array(alpha_bar, "alpha_bar")
    if not np.all((level > 0.0) & (level <= 1.0)):
        raise InputError(f"alpha_bar must lie in (0, 1], got {alpha_bar!r}.")
    return _time(-np.log(level) + 0.0, rate)


@public
def alpha_bar_from_time(time: ArrayLike, *, rate: float = 0.5) -> FloatArray:
    """Return the DDPM signal level exp(-2 rate t) of an Ornstein-Uhlenbeck time t >= 0, shaped like it.

    Examples
    --------
    >>> round(float(alpha_bar_from_time(time_from_alpha_bar(0.9))), 12)
    0.9
    """
    with np.errstate(over="ignore"):
        exponent = checks.positive(rate, "rate") * _nonnegative_array(time, "time")
    return plain(np.exp(-2.0 * np.minimum(exponent, _ALL_LOST)))


@public
def time_from_sigma(sigma: ArrayLike, *, rate: float = 0.5) -> FloatArray:
    """Return the Ornstein-Uhlenbeck time of a variance-exploding noise level (EDM sigma).

        t = log(1 + sigma^2) / (2 rate)

    Parameters
    ----------
    sigma : float or array, any shape
        Noise level >= 0.
    rate : float
        Rate of the process.

    Returns
    -------
    float or array
        Shaped like sigma.

    Notes
    -----
    Converts one round: x + sigma z, divided by sqrt(1 + sigma^2), is the OU channel of this time.  A recursion with
    variance-exploding rounds is its own process, `VarianceExploding`.

    Examples
    --------
    >>> round(float(time_from_sigma(0.5)), 6)
    0.223144
    """
    level = _nonnegative_array(sigma, "sigma")
    square = np.square(np.minimum(level, 1.0))
    # log1p(s^2) is 2 log s + log1p(s^-2) above 1, which cannot overflow.
    large = np.maximum(level, 1.0)
    doubled = np.where(level <= 1.0, np.log1p(square), 2.0 * np.log(large) + np.log1p(large**-2.0))
    return _time(doubled, rate)


def _time(doubled: FloatArray, rate: float) -> FloatArray:
    """Return doubled / (2 rate)."""
    with np.errstate(over="ignore"):
        time = doubled / (2.0 * checks.positive(rate, "rate"))
    if not np.all(np.isfinite(time)):
        raise InputError(f"rate must be large enough for times that a double can hold, got {rate!r}.")
    return plain(time)


@public
def sigma_from_time(time: ArrayLike, *, rate: float = 0.5) -> FloatArray:
    """Return the noise level sqrt(expm1(2 rate t)) of the variance-exploding round equivalent to a time t >= 0.

    Examples
    --------
    >>> round(float(sigma_from_time(time_from_sigma(0.5))), 12)
    0.5
    """
    with np.errstate(over="ignore"):
        exponent = checks.positive(rate, "rate") * _nonnegative_array(time, "time")
    # sqrt(expm1(2 u)) = exp(u) sqrt(-expm1(-2 u)), which overflows twice as late.
    with np.errstate(over="ignore"):
        sigma = np.exp(exponent) * np.sqrt(-np.expm1(-2.0 * exponent))
    if not np.all(np.isfinite(sigma)):
        raise InputError(f"time must be at most about 709 / rate for sigma to be a number, got {time!r}.")
    return plain(sigma)


def _nonnegative_array(value: ArrayLike, name: str) -> FloatArray:
    array = checks.real_array(value, name)
    if not np.all(array >= 0.0):
        raise InputError(f"{name} must be >= 0, got {value!r}.")
    return array
