"""The recursion in Hermite modes: attenuation, contraction, trajectories and the design rules they imply.

With E_n = expm1(n rate t) for truncation time t and fresh fraction alpha,

    attenuation    g_n = alpha / (alpha + E_n)                     limit of the mode over the data's
    contraction    kappa_n = (1 - alpha) exp(-n rate t)            what one round leaves of a deviation
    trajectory     f_n(i) = g_n + (1 - g_n) kappa_n^i              start at the data, f_n(0) = 1

References: arXiv:2606.13796, Theorem 3.1, Propositions 3.3 and 5.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import plain
from .constant_rounds import METRICS as METRICS
from .constant_rounds import ConstantRounds
from .regimes import Regime, as_regime
from .schedules import Schedule, as_schedule


@public
def attenuation(
    degree: ArrayLike, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> FloatArray:
    """Return the attenuation of each Hermite degree in the limit law.

        g_n = alpha / (alpha + expm1(n * rate * truncation_time))

    Parameters
    ----------
    degree : int or array of int, any shape
        n >= 0.
    fresh_fraction : float
        Share alpha of fresh real data in every round, in [0, 1].
    truncation_time : float
        Ornstein-Uhlenbeck time at which the reverse diffusion stops, >= 0.
    rate : float
        Rate of the process, > 0.

    Returns
    -------
    float or array, shaped like degree
        In [0, 1]; 1 at degree 0 and wherever the time is 0.

    Raises
    ------
    InputError
        If an argument is outside its range.

    Accuracy
    --------
    2 ulp while n rate t <= 1, then about (4 + n rate t) ulp; no cancellation anywhere.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3.

    Examples
    --------
    >>> attenuation([0, 1, 2, 8], fresh_fraction=0.3, truncation_time=0.1).round(4).tolist()
    [1.0, 0.854, 0.7404, 0.3789]
    >>> attenuation(2, fresh_fraction=1.5, truncation_time=0.1)
    Traceback (most recent call last):
    hermite_collapse.core.errors.InputError: fresh_fraction must lie in [0, 1], got 1.5.
    """
    rounds = ConstantRounds.of(fresh_fraction, truncation_time, rate)
    return plain(rounds.attenuation(checks.degrees(degree)))


@public
def mode_contraction(
    degree: ArrayLike, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> FloatArray:
    """Return the contraction of each Hermite degree in one round.

        kappa_n = (1 - alpha) exp(-n * rate * truncation_time)

    Parameters
    ----------
    degree : int or array of int, any shape
        n >= 0.
    fresh_fraction : float
        Share alpha of fresh real data in every round, in [0, 1].
    truncation_time : float
        Ornstein-Uhlenbeck time at which the reverse diffusion stops, >= 0.
    rate : float
        Rate of the process, > 0.

    Returns
    -------
    float or array, shaped like degree

    Raises
    ------
    InputError
        If an argument is outside its range.

    Accuracy
    --------
    2 ulp plus the conditioning of exp.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3.

    Examples
    --------
    >>> round(float(mode_contraction(2, fresh_fraction=0.3, truncation_time=0.1)), 6)
    0.633386
    """
    rounds = ConstantRounds.of(fresh_fraction, truncation_time, rate)
    return plain(rounds.contraction(checks.degrees(degree)))


@public
def contraction_rate(
    *, fresh_fraction: float, truncation_time: float, metric: str, rate: float = 0.5
) -> float:
    """Return the proved factor by which one round brings any two starts of the same recursion together.

        total_variation, kl, chi_square    1 - alpha          (chi_square against the limit law)
        wasserstein1, l2_gamma             (1 - alpha) a      with a = exp(-rate * truncation_time)
        wasserstein2                       sqrt(1 - alpha) a

    Parameters
    ----------
    fresh_fraction : float
        Share alpha of fresh real data in every round, in [0, 1].
    truncation_time : float
        Ornstein-Uhlenbeck time at which the reverse diffusion stops, >= 0.
    rate : float
        Rate of the process, > 0.
    metric : str
        One of the names above.

    Returns
    -------
    float
        The Wasserstein-2 rate is the rate of the distance itself, not of its square.

    Raises
    ------
    InputError
        For an unknown metric or a parameter outside its range.

    References
    ----------
    arXiv:2606.13796, Theorem 3.1, of which a public summary prints a larger, hence weaker, Wasserstein-2 rate.

    Examples
    --------
    >>> round(contraction_rate(fresh_fraction=0.3, truncation_time=0.1, metric="wasserstein2"), 6)
    0.795856
    """
    return ConstantRounds.of(fresh_fraction, truncation_time, rate).rate_in(metric)


@public
def mode_factors(
    degree: ArrayLike,
    *,
    fresh_fraction: float | Sequence[float],
    truncation_time: float | Sequence[float] | Schedule,
    rounds: int,
    rate: float = 0.5,
    regime: str | ArrayLike | Regime = "replace",
) -> FloatArray:
    """Return the factors by which each mode of the data survives after i rounds, started at the data.

        f_n(i+1) = a_i^n (w_i + sum_j v_ij f_n(j)),   f_n(0) = 1

    with the mixing weights (w_i, v_i) of the regime.

    Parameters
    ----------
    degree : int or array of int, shape (m,) or ()
        n >= 0.
    fresh_fraction : float or sequence of float
        One value, or one a round (the last holds on).
    truncation_time : float, sequence of float, or Schedule
        A time, one a round, or a schedule.
    rounds : int
        Number of rounds.
    rate : float
        Rate of the process, > 0.
    regime : str, array or Regime
        "replace", "accumulate", "accumulate_with_fresh" or a table of weights (`regimes`).

    Returns
    -------
    array, shape (rounds + 1, m), or (rounds + 1,) for a single degree
        Row 0 is 1.

    Accuracy
    --------
    Sums of positive terms: about (i + n rate t) ulp.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3 and Theorem 4.1.

    Examples
    --------
    >>> mode_factors([1, 4], fresh_fraction=0.3, truncation_time=0.1, rounds=2).round(4).tolist()
    [[1.0, 1.0], [0.9512, 0.8187], [0.9188, 0.7148]]
    """
    n = checks.degrees(degree)
    mixing = as_regime(regime, fresh_fraction)
    times = as_schedule(truncation_time).times(rounds)
    with np.errstate(over="ignore"):
        damping = np.exp(-checks.positive(rate, "rate") * times[:, None] * n.reshape(-1))
    factors = np.ones((rounds + 1, n.size))
    for i in range(rounds):
        fresh, earlier = mixing.mixing(i)
        factors[i + 1] = damping[i] * (fresh + earlier @ factors[: i + 1])
    return factors.reshape((rounds + 1, *n.shape))


def mode_residuals(
    degree: ArrayLike,
    *,
    fresh_fraction: float | Sequence[float],
    truncation_time: float | Sequence[float] | Schedule,
    rounds: int,
    rate: float = 0.5,
    regime: str | ArrayLike | Regime = "replace",
) -> FloatArray:
    """Return the residuals e_n(i) = 1 - f_n(i), to full relative accuracy however small.

        e_n(i+1) = (1 - a_i^n) + a_i^n sum_j v_ij e_n(j),   e_n(0) = 0

    Arguments, shape and references are those of `mode_factors`.
    """
    n = checks.degrees(degree)
    mixing = as_regime(regime, fresh_fraction)
    times = as_schedule(truncation_time).times(rounds)
    exponent = -checks.positive(rate, "rate") * times[:, None] * n.reshape(-1)
    residuals = np.zeros((rounds + 1, n.size))
    for i in range(rounds):
        _, earlier = mixing.mixing(i)
        residuals[i + 1] = -np.expm1(exponent[i]) + np.exp(exponent[i]) * (earlier @ residuals[: i + 1])
    return residuals.reshape((rounds + 1, *n.shape))


@public
def half_degree(*, fresh_fraction: float, truncation_time: float, rate: float = 0.5) -> float:
    """Return the half-amplitude degree: the (real) degree at which the limit law keeps half of a mode.

        n_half = log1p(alpha) / (rate * truncation_time)

    Degrees below it survive the recursion, those above are filtered out.

    Parameters
    ----------
    fresh_fraction : float
        Share alpha of fresh real data in every round, in [0, 1].
    truncation_time : float
        Ornstein-Uhlenbeck time at which the reverse diffusion stops, >= 0.
    rate : float
        Rate of the process, > 0.

    Returns
    -------
    float
        Infinite for a truncation time of 0, or so small that the degree is no double.

    Examples
    --------
    >>> round(half_degree(fresh_fraction=0.3, truncation_time=0.1), 3)
    5.247
    """
    return degree_at_fidelity(0.5, fresh_fraction=fresh_fraction, truncation_time=truncation_time, rate=rate)


def degree_at_fidelity(
    fidelity: float, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> float:
    """Return the (real) degree at which the limit law keeps the fidelity phi in (0, 1] of a mode.

    n = log1p(alpha (1/phi - 1)) / (rate * truncation_time)
    """
    return ConstantRounds.of(fresh_fraction, truncation_time, rate).degree_of_odds(_odds(fidelity))


@public
def largest_truncation(
    degree: ArrayLike, *, fidelity: float, fresh_fraction: float, rate: float = 0.5
) -> FloatArray:
    """Return the largest truncation time at which the limit law keeps a fidelity phi of a degree n >= 1.

        t = log1p(alpha (1/phi - 1)) / (rate * n)

    Parameters
    ----------
    degree : int or array of int, any shape
        n >= 1.
    fidelity : float
        Share phi in (0, 1] of the mode that is to survive.
    fresh_fraction : float
        Share alpha of fresh real data in every round, in [0, 1].
    rate : float
        Rate of the process, > 0.

    Returns
    -------
    float or array, shaped like degree
        The equivalent DDPM signal level is `alpha_bar_from_time` of it.

    Raises
    ------
    InputError
        If an argument is outside its range.

    Examples
    --------
    >>> time = largest_truncation(4, fidelity=0.9, fresh_fraction=0.3)
    >>> round(float(attenuation(4, fresh_fraction=0.3, truncation_time=time)), 12)
    0.9
    """
    n = checks.degrees(degree)
    if np.any(n < 1):
        raise InputError(f"degree must be >= 1 here, since degree 0 is never attenuated, got {degree!r}.")
    budget = np.log1p(checks.fraction(fresh_fraction) * _odds(fidelity))
    with np.errstate(over="ignore"):
        times = np.asarray(budget / n / checks.positive(rate, "rate"), dtype=np.float64)
    if not np.all(np.isfinite(times)):
        raise InputError(
            f"rate and fidelity must give times that a double can hold, got {rate!r}, {fidelity!r}."
        )
    return plain(times)


def continuum_attenuation(degree: ArrayLike, *, filter_degree: float) -> FloatArray:
    """Return the first-order low-pass filter lambda / (lambda + n) that the attenuation tends to for small times.

    With lambda = fresh_fraction / (rate * truncation_time) it bounds the attenuation from above:
    0 <= lambda/(lambda+n) - g_n <= (alpha/2) (1 - g_n) (1 - lambda/(lambda+n)).
    """
    level = checks.positive(filter_degree, "filter_degree")
    return plain(level / (level + checks.degrees(degree)))


def _odds(fidelity: float) -> float:
    phi = checks.positive(fidelity, "fidelity")
    if phi > 1.0:
        raise InputError(f"fidelity must lie in (0, 1], got {phi!r}.")
    return 1.0 / phi - 1.0
