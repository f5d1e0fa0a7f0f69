r"""Histories in which data and all generations are kept, beside those in which each generation replaces the last.

With w_i what round i + 1 trains on, A and B the mechanism's and u = (A - 1) y_0 + B the first step, every curve is

    y_i = y_0 + u G_i(kappa)

    replace                w_i = alpha y_0 + (1 - alpha) y_i                           kappa = (1 - alpha) A
                           G_i = (1 - kappa^i) / (1 - kappa)
    accumulate             w_i = (y_0 + y_1 + ... + y_i) / (i + 1)                     kappa = A
                           G_i = (1 - kappa P_{i-1}) / (1 - kappa),   G_0 = 0
    accumulate_with_fresh  w_i = alpha y_0 + (1 - alpha) (y_1 + ... + y_i) / i         kappa = (1 - alpha) A
                           G_i = 1 + kappa G_{i-1} of "accumulate"

    P_i = prod_{k=1..i} (k + kappa) / (k + 1) = Gamma(i + 1 + kappa) / (Gamma(1 + kappa) Gamma(i + 2))

P_i falls as i^(kappa - 1): a power of the round, no factor a round.  The fresh fraction of "accumulate" is 1 / (i + 1).
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray
from .regimes import NAMES

REPLACE, ACCUMULATE, WITH_FRESH = NAMES
_NEAR = 1e-5
"""Of kappa to 1, where two terms of a series are exact to 1e-10."""


def accumulated_sums(kappa: FloatArray, rounds: FloatArray, regime: str) -> FloatArray:
    """Return G_i (s, r, m) of kappa (s, m) >= 0 in a regime in which generations are kept."""
    base, powers = kappa[:, None, :], rounds[None, :, None]
    if regime == WITH_FRESH:
        inner = _sums(base, np.maximum(powers - 1.0, 0.0))
        return np.where(powers > 0.0, 1.0 + base * inner, 0.0)
    return _sums(base, powers)


def _sums(kappa: FloatArray, rounds: FloatArray) -> FloatArray:
    from scipy.special import digamma, gammaln, polygamma

    i = np.maximum(rounds - 1.0, 0.0)
    logarithm = gammaln(i + 1.0 + kappa) - gammaln(1.0 + kappa) - gammaln(i + 2.0)
    below = 1.0 - kappa
    is_near = np.abs(below) < _NEAR
    harmonic = digamma(i + 2.0) - digamma(2.0)
    squares = polygamma(1, 2.0) - polygamma(1, i + 2.0)
    series = harmonic + 0.5 * below * (squares - harmonic**2)
    lost = np.where(is_near, series, -np.expm1(logarithm) / np.where(is_near, 1.0, below))
    return np.asarray(np.where(rounds > 0.0, 1.0 + kappa * lost, 0.0))


def training(
    regime: str, alpha: FloatArray, data: FloatArray, last: FloatArray, total: FloatArray, index: int
) -> FloatArray:
    """Return what the next round trains on after round `index`, whose generations so far add up to `total`."""
    if index == 0:
        return data
    if regime == ACCUMULATE:
        return (data + total) / (index + 1.0)
    return alpha * data + (1.0 - alpha) * (total / index if regime == WITH_FRESH else last)


def passed_on(regime: str, kappa: FloatArray, last: int) -> FloatArray:
    """Return what a unit of noise in each round adds to that round and later ones, shape (..., last + 1, last).

    Parameters
    ----------
    regime : str
    kappa : array, shape (...) or (last, ...)
        By which a round multiplies a deviation of what it trains on, fresh data aside; of each round where it changes.
    last : int
        The last round.
    """
    if regime == REPLACE and np.ndim(kappa) < 2:
        behind = np.arange(last + 1)[:, None] - np.arange(1, last + 1)
        return np.where(behind >= 0, np.asarray(kappa)[..., None, None] ** np.maximum(behind, 0), 0.0)
    steps = np.asarray(kappa) if np.ndim(kappa) > 1 else np.broadcast_to(kappa, (last, *np.shape(kappa)))
    nothing = np.zeros((*steps.shape[1:], last))
    rows, total = [nothing], nothing
    for i in range(last):
        row = steps[i][..., None] * training(regime, np.zeros(()), nothing, rows[-1], total, i)
        row[..., i] = 1.0
        rows.append(row)
        total = total + row
    return np.stack(rows, axis=-2)
