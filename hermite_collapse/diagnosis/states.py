r"""Noise of training sets in proportion to what a round really trained on, as far as values tell.

T samples of variance w have the variance w (1 + xi), Var xi = c = 2 / T.  With v the variance of a round's model, p
the curve without noise, v_+ and p_+ of the next round, and b what a round adds after training, which no set scatters,

    v_+ = p_+ + kappa (v - p) + (p_+ - b + kappa (v - p)) xi,     y = v + eps,     Var eps = e^2.

After some rounds of noise v may be far from p, and the noise of a round with it.  Given values so far, of which those
tell v to a variance V about the mean d + p, the next has

    d -> kappa d,     V -> kappa^2 V + c s^2,     s^2 = (p - b + kappa d)^2 + kappa^2 V,

and a value y turns them into d + K (y - p - d) and (1 - K) V, K = V / (V + e^2): the best linear estimate (Kalman).
c s^2 is the variance of what a round adds given all values before, exactly where values tell v (e = 0), so that
whitened deviations have variance 1 and no correlation however far curves have drifted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.types import FloatArray

_LARGEST = 1e100


class States(NamedTuple):
    """What values before a round say of it, and what they say with its own, at g factors of a round.

    Attributes
    ----------
    gains : array, shape (last + 1, g)
        K, 0 of rounds without a value.
    scattered : array, shape (last + 1, g)
        s^2: mean square of what training sets scatter in a round, given the values before it.
    squares : array, shape (last + 1, g)
        The same of all of a round's variance, b with it.
    means : array, shape (last + 1, g)
        Estimates of a round's variance given the values up to its own.
    """

    gains: FloatArray
    scattered: FloatArray
    squares: FloatArray
    means: FloatArray


def states(
    kappa: FloatArray,
    predicted: FloatArray,
    values: FloatArray,
    errors: FloatArray,
    added: float | FloatArray,
    unscattered: float,
    *,
    are_relative: bool,
) -> States:
    """Return what values say of the rounds of one curve.

    Parameters
    ----------
    kappa : array, shape (last, g)
        Factors of rounds 0 -> 1, 1 -> 2, ...
    predicted : array, shape (last + 1, 1) or (last + 1, g)
        The curve without noise.
    values : array, shape (last + 1,)
        NaN in rounds without a value; that of round 0, the data, is not used.
    errors : array, shape (last + 1,)
        e^2 of the values, in units of s^2 where these are relative.
    added : float or array, shape (g,)
        c.
    unscattered : float
        b.
    are_relative : bool
    """
    means = np.broadcast_to(predicted, (len(predicted), kappa.shape[1])).copy()
    squares, scattered = np.square(means), np.square(means - unscattered)
    gains = np.zeros_like(squares)
    deviation, spread = np.zeros(kappa.shape[1]), np.zeros(kappa.shape[1])
    for i in range(1, len(predicted)):
        step = kappa[i - 1]
        deviation, passed = step * deviation, step**2 * spread
        mean = predicted[i] + deviation
        squares[i] = np.minimum(mean**2 + passed, _LARGEST)
        scattered[i] = np.minimum((mean - unscattered) ** 2 + passed, _LARGEST)
        spread = passed + added * scattered[i]
        if not np.isnan(values[i]):
            error = errors[i] * squares[i] if are_relative else errors[i]
            gains[i] = spread / np.maximum(spread + error, 1.0 / _LARGEST)
            deviation = deviation + gains[i] * (values[i] - predicted[i] - deviation)
            spread = (1.0 - gains[i]) * spread
        means[i] = predicted[i] + deviation
    return States(gains, scattered, squares, means)


def normal_scores(residuals: FloatArray, spreads: FloatArray, values: FloatArray) -> FloatArray:
    r"""Return residuals of values that follow laws of gamma as normal ones (Wilson and Hilferty).

    A variance of few samples is skew: y of mean m and variance s^2 is as likely as a normal number

        z = 3 sqrt(k) ((y / m)^(1/3) - 1 + 1 / (9 k)),     k = m^2 / s^2.

    Parameters
    ----------
    residuals : array, shape (..., N)
        (y - m) / s.
    spreads : array, shape (N,) or (..., N)
        s.
    values : array, shape (N,)
        y > 0; others stay as they are, as do those of means below 0.
    """
    means = values - residuals * spreads
    follow = (values > 0.0) & (means > 0.0)
    means = np.where(follow, means, 1.0)
    shape = np.square(means / spreads)
    scores = (
        3.0 * np.sqrt(shape) * (np.cbrt(np.where(follow, values, 1.0) / means) - 1.0 + 1.0 / (9.0 * shape))
    )
    return np.where(follow, scores, residuals)
