r"""What a sampler's steps do to a Gaussian direction, exactly: the relative defect V_K / V - 1 of its variance.

With exact scores every sampler here is linear on a direction of variance S, so that K steps leave a Gaussian of another
variance.  With sigma the noise over the signal, h_i = log sigma_i - log sigma_(i+1), rho = S / sigma^2 and the share of
the signal w = rho / (1 + rho),

    exponential, order 1   -(1 / w_K) sum_i (1 - e^(-2 h_i))^2 w_(i+1)^2 (1 - w_i)
    Heun                   prod_i alpha_i^2 e^(2 h_i) (1 + rho_i) / (1 + rho_(i+1)) - 1
    Euler                  sum_i (c_i + 2 kappa_i / V_(i+1) - 1) prod_(j>i) c_j,        c_i = alpha_i^2 V_i / V_(i+1)
    exponential, order 2   the first entry of prod_i M_i (1, 0, 0, 1) less 1: the covariance of x_i and x_(i-1)

with alpha_i what a step multiplies a particle by.  The first one is at most max_i (1 - e^(-2 h_i)) w_(i+1) in size, a
mean of these: there 1 - c_i = (1 - e^(-2 h_i)) (1 - w_i), and the product of the later c is w_(i+1) / w_K.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.types import FloatArray


def variance_defect(
    sampler: str, order: float, times: FloatArray, rate: float, variances: FloatArray
) -> FloatArray | None:
    """Return the relative defect of the variance that the steps of a sampler leave, from the exact law at the horizon.

    Parameters
    ----------
    sampler : str
        A name of `simulation.words.SAMPLERS`.
    order : float
        Of an exponential sampler, 1 or 2.
    times : array, shape (K + 1,)
        Ornstein-Uhlenbeck times, decreasing.
    rate : float
        Of the process.
    variances : array, shape (m,)
        S > 0 of the data.

    Returns
    -------
    array, shape (m,), or None
        Infinite where the steps diverge; None for samplers that are not known here.
    """
    method = _METHODS.get((sampler, order))
    if method is None:
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        defect = method(times[:, None], rate, variances)
    return np.where(np.isnan(defect), np.inf, defect)


def log_sigma(times: FloatArray, rate: float) -> FloatArray:
    """Return log of noise over signal at Ornstein-Uhlenbeck times."""
    exponent = 2.0 * rate * times
    return np.asarray(0.5 * (exponent + np.log(-np.expm1(-exponent))))


def _exponential(times: FloatArray, rate: float, variances: FloatArray) -> FloatArray:
    lost = -np.expm1(2.0 * np.diff(log_sigma(times, rate), axis=0))
    noise = 1.0 / (1.0 + variances / np.expm1(2.0 * rate * times))
    shares = 1.0 - noise
    return np.asarray(-np.sum(lost**2 * shares[1:] ** 2 * noise[:-1], axis=0) / shares[-1])


def _heun(times: FloatArray, rate: float, variances: FloatArray) -> FloatArray:
    h = -np.diff(log_sigma(times, rate), axis=0)
    noise = 1.0 / (1.0 + variances / np.expm1(2.0 * rate * times))
    first = np.expm1(-h) * noise[:-1]
    second = -np.expm1(h) * noise[1:] * (1.0 + first)
    factors = (1.0 + 0.5 * (first + second)) ** 2 * np.exp(2.0 * h) * noise[1:] / noise[:-1]
    return np.asarray(np.prod(factors, axis=0) - 1.0)


def _euler(times: FloatArray, rate: float, variances: FloatArray) -> FloatArray:
    kappa = -rate * np.diff(times, axis=0)
    law = variances * np.exp(-2.0 * rate * times) - np.expm1(-2.0 * rate * times)
    carried = (1.0 + kappa - 2.0 * kappa / law[:-1]) ** 2 * law[:-1] / law[1:]
    left = carried + 2.0 * kappa / law[1:] - 1.0
    later = np.vstack([np.cumprod(carried[:0:-1], axis=0)[::-1], np.ones_like(variances)])
    return np.asarray(np.sum(left * later, axis=0))


def _multistep(times: FloatArray, rate: float, variances: FloatArray) -> FloatArray:
    """Order 2: the covariances of a particle and the one before, in units of the exact deviations."""
    h = -np.diff(log_sigma(times, rate), axis=0)
    lost = -np.expm1(-2.0 * h)
    odds = variances / np.expm1(2.0 * rate * times)
    shares, root = odds / (1.0 + odds), np.sqrt(1.0 + odds)
    slope = np.zeros_like(h)
    slope[1:] = (h[1:] - 0.5 * lost[1:]) / h[:-1]
    own = (np.exp(-h) + np.exp(h) * (lost + slope) * shares[:-1]) * root[:-1] / root[1:]
    before = np.zeros_like(own)
    before[1:] = -np.exp(h[1:] + h[:-1]) * slope[1:] * shares[:-2] * root[:-2] / root[2:]
    steps = np.zeros((*own.shape, 4, 4))
    steps[..., 0, 0], steps[..., 0, 1], steps[..., 0, 2] = own**2, 2.0 * own * before, before**2
    steps[..., 0, 3] = lost / root[1:] ** 2
    steps[..., 1, 0], steps[..., 1, 1] = own, before
    steps[..., 2, 0] = steps[..., 3, 3] = 1.0
    while len(steps) > 1:  # pairs, the later one on the left; one that is left over stays the last
        odd = steps[len(steps) // 2 * 2 :]
        steps = np.concatenate([steps[1::2] @ steps[: len(steps) // 2 * 2 : 2], odd])
    return np.asarray(steps[0, :, 0, 0] + steps[0, :, 0, 3] - 1.0)


_METHODS: dict[tuple[str, float], Callable[[FloatArray, float, FloatArray], FloatArray]] = {
    ("exponential_multistep", 1.0): _exponential,
    ("exponential_multistep", 2.0): _multistep,
    ("euler_maruyama", 1.0): _euler,
    ("probability_flow_heun", 2.0): _heun,
}
