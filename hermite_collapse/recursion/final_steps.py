r"""What the last step of the sampler does to the recursion: it decides the sign of the collapse.

In units of the data a reverse diffusion ends with y = x + sigma z, x from the training law q.  The step after it,

    y + c sigma^2 grad log q_sigma(y) = (1 - c) y + c E[x | y],

is none (c = 0, "rescaled", and "noisy" up to the signal scale), half (c = 1/2) or full denoising (c = 1, what the usual
last step of DDPM, DDIM and EDM samplers does).  One round maps

    q  ->  q + (1/2 - c) sigma^2 Laplace(q) + O(sigma^4):

variance sigma^2 is added, removed, or, for half a step, left alone up to sigma^4.  "noisy" and "rescaled" are Gaussian
channels, (a, 1 - a^2) and (1, sigma^2), the rounds of `OrnsteinUhlenbeck` and `VarianceExploding` recursions, and
everything about them is exact; for the others there are the Gaussian closure, exact for Gaussian laws, and the
expansion in sigma.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray

DENOISED_FRACTIONS = {"noisy": 0.0, "rescaled": 0.0, "half": 0.5, "full": 1.0}
"""The c of each final step by its name."""

FINAL_STEPS = tuple(DENOISED_FRACTIONS)

IN_DATA_UNITS = ("rescaled", "half", "full")
"""Final steps that end in the units of the data; "noisy" ends scaled by the signal level."""


def denoised_fraction(final_step: str) -> float:
    """Return the c of a final step: "noisy" and "rescaled" 0, "half" 1/2, "full" 1."""
    return DENOISED_FRACTIONS[checks.one_of(final_step, FINAL_STEPS, "final_step")]


def variance_after_round(variance: ArrayLike, *, sigma: float, final_step: str) -> FloatArray:
    """Return the variance after one round on a Gaussian training law, in each direction.

        (V + (1 - c) s)^2 / (V + s),   s = sigma^2

    c = 0: V + s.  c = 1: V^2/(V + s).  c = 1/2: V + s^2/(4 (V + s)).  Exact for Gaussian laws; elsewhere a closure.

    Parameters
    ----------
    variance : float or array, shape (...)
        V >= 0, of the training law.
    sigma : float
        Noise level at the end, in units of the data, >= 0.
    final_step : str
        "rescaled", "half" or "full".

    Returns
    -------
    array, shape (...)

    Raises
    ------
    InputError
        If an argument is outside its range.

    Examples
    --------
    >>> float(variance_after_round(1.0, sigma=1.0, final_step="full"))
    0.5
    """
    v, s, c = _inputs(variance, sigma, final_step)
    return _after_round(v, s, c)


def limit_variance(
    variance: ArrayLike, *, sigma: float, fresh_fraction: float, final_step: str
) -> tuple[FloatArray, FloatArray]:
    """Return the limit's variances for Gaussian data of variance v: of the training law, and of the model.

        alpha q^2 + (s - alpha v - 2 (1-alpha)(1-c) s) q - alpha v s - (1-alpha)(1-c)^2 s^2 = 0

    Its positive root q is the training variance, the fixed point of q = alpha v + (1 - alpha)(q + (1 - c) s)^2/(q + s),
    and (q + (1 - c) s)^2/(q + s) the model's.  To first order in s the model's variance is v + (1 - 2c) s/alpha.  Under
    full denoising (c = 1) directions with v well below s/alpha die out.

    Parameters
    ----------
    variance : float or array, shape (...)
        v >= 0, of the data.
    sigma : float
        Noise level at the end, in units of the data, >= 0.
    fresh_fraction : float
        alpha in (0, 1].
    final_step : str
        "rescaled", "half" or "full".

    Returns
    -------
    tuple of two arrays, shape (...)
        Variance of the training law and of the model.

    Raises
    ------
    InputError
        If an argument is outside its range, or fresh_fraction is 0.

    Examples
    --------
    >>> training, model = limit_variance(1.0, sigma=0.1, fresh_fraction=0.5, final_step="full")
    >>> round(float(model), 3)
    0.98
    """
    v, s, c = _inputs(variance, sigma, final_step)
    alpha = _positive_fraction(fresh_fraction)
    linear = s - alpha * v - 2.0 * (1.0 - alpha) * (1.0 - c) * s
    constant = alpha * v * s + (1.0 - alpha) * (1.0 - c) ** 2 * s**2
    root = np.hypot(linear, 2.0 * np.sqrt(alpha * constant))
    # Of the two forms of the positive root, the one without cancellation.
    with np.errstate(divide="ignore", invalid="ignore"):
        training = np.where(linear > 0.0, 2.0 * constant / (linear + root), (root - linear) / (2.0 * alpha))
    training = np.where(constant == 0.0, np.maximum(-linear / alpha, 0.0), training)
    return training, _after_round(training, s, c)


def limit_distance(
    fisher_information: float, *, sigma: float, fresh_fraction: float, final_step: str
) -> float:
    """Return the leading term of W2(limit, data) as sigma tends to 0.

        abs(1/2 - c) sigma^2 sqrt(J) / alpha,     J = E norm(grad log p*)^2

    0 for half a step, whose distance is of order sigma^4.

    Parameters
    ----------
    fisher_information : float
        J >= 0, of the data law.
    sigma : float
        Noise level at the end, in units of the data, >= 0.
    fresh_fraction : float
        alpha in (0, 1].
    final_step : str
        "rescaled", "half" or "full".

    Returns
    -------
    float

    Raises
    ------
    InputError
        If an argument is outside its range, or fresh_fraction is 0.
    """
    information = checks.nonnegative(fisher_information, "fisher_information")
    _, s, c = _inputs(1.0, sigma, final_step)
    return abs(0.5 - c) * s * float(np.sqrt(information)) / _positive_fraction(fresh_fraction)


def _after_round(v: FloatArray, s: float, c: float) -> FloatArray:
    mean = v + (1.0 - c) * s
    return mean * (mean / np.where(v + s > 0.0, v + s, 1.0))


def _inputs(variance: ArrayLike, sigma: float, final_step: str) -> tuple[FloatArray, float, float]:
    v = np.asarray(variance, dtype=float)
    if not np.all(v >= 0.0):
        raise InputError(f"variance must be >= 0, got {variance!r}.")
    step = checks.one_of(final_step, IN_DATA_UNITS, "final_step")
    return v, checks.nonnegative(sigma, "sigma") ** 2, DENOISED_FRACTIONS[step]


def _positive_fraction(fresh_fraction: float) -> float:
    alpha = checks.fraction(fresh_fraction)
    if alpha == 0.0:
        raise InputError("fresh_fraction must be > 0 for a limit that depends on the data, got 0.0.")
    return alpha
