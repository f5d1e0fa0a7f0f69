r"""What the last step of the sampler does to the recursion: it decides the sign of the collapse.

In units of the data a reverse diffusion ends with y = x + sigma z, x from the training law q.  The step after it,

    y + c sigma^2 grad log q_sigma(y) = (1 - c) y + c E[x | y],

is none (c = 0, "rescaled", and "noisy" up to the signal scale), half (c = 1/2) or full denoising (c = 1, what the usual
last step of DDPM, DDIM and EDM samplers does).  One round maps

    q  ->  q + (1/2 - c) sigma^2 Laplace(q) + O(sigma^4):

variance sigma^2 is added, removed, or, for half a step, left alone up to sigma^4.  "noisy" and "rescaled" are Gaussian
channels, and everything about them is exact; for the others there are the Gaussian closure, exact for Gaussian laws,
and the expansion in sigma.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from ..hermite.indices import positions
from ..laws.channels import GaussianChannel, OrnsteinUhlenbeck

FloatArray = NDArray[np.float64]

DENOISED_FRACTIONS = {"rescaled": 0.0, "half": 0.5, "full": 1.0}
FINAL_STEPS = ("noisy", *DENOISED_FRACTIONS)


def denoised_fraction(final_step: str) -> float:
    """The c of a final step by its name: "rescaled" 0, "half" 1/2, "full" 1."""
    return DENOISED_FRACTIONS[checks.one_of(final_step, DENOISED_FRACTIONS, "final_step")]


def final_step_channel(final_step: str, *, truncation_time: float, rate: float = 0.5) -> GaussianChannel:
    """The channel of one round that ends at an Ornstein-Uhlenbeck time without denoising.

        noisy     (a, 1 - a^2)          rescaled  (1, sigma^2),  sigma^2 = (1 - a^2)/a^2 = expm1(2 rate t)

    Raises InputError for "half" and "full", which are no channels.
    """
    if final_step in ("half", "full"):
        raise InputError(f"final_step must be 'noisy' or 'rescaled' to be a channel, got {final_step!r}.")
    checks.one_of(final_step, ("noisy", "rescaled"), "final_step")
    noisy = OrnsteinUhlenbeck(rate).channel(truncation_time)
    if final_step == "noisy":
        return noisy
    return GaussianChannel(1.0, float(np.expm1(2.0 * rate * truncation_time)))


def variance_after_round(variance: ArrayLike, *, sigma: float, final_step: str) -> FloatArray:
    """Variance after one round on a Gaussian training law of that variance, in each direction.

        (V + (1 - c) s)^2 / (V + s),   s = sigma^2

    c = 0: V + s.  c = 1: V^2/(V + s).  c = 1/2: V + s^2/(4 (V + s)).  Exact for Gaussian laws; elsewhere a closure.

    Parameters
    ----------
    variance : V >= 0, any shape.
    sigma : noise level at the end, data units, >= 0.
    final_step : "rescaled", "half" or "full".
    """
    v, s, c = _inputs(variance, sigma, final_step)
    return (v + (1.0 - c) * s) ** 2 / np.where(v + s > 0.0, v + s, 1.0)


def limit_variance(
    variance: ArrayLike, *, sigma: float, fresh_fraction: float, final_step: str
) -> tuple[FloatArray, FloatArray]:
    """Variances of the limit for Gaussian data of variance v: of the training law, and of the model.

    The training variance is the positive root of q = alpha v + (1 - alpha)(q + (1 - c) s)^2/(q + s),

        alpha q^2 + (s - alpha v - 2 (1-alpha)(1-c) s) q - alpha v s - (1-alpha)(1-c)^2 s^2 = 0,

    and the model's is (q + (1 - c) s)^2/(q + s).  To first order in s the model's variance is v + (1 - 2c) s/alpha.
    Under full denoising (c = 1) directions with v well below s/alpha die out.

    Parameters
    ----------
    variance : v >= 0, any shape.
    sigma : noise level, data units, >= 0.
    fresh_fraction : alpha in (0, 1].
    final_step : "rescaled", "half" or "full".
    """
    v, s, c = _inputs(variance, sigma, final_step)
    alpha = checks.fraction(fresh_fraction)
    if alpha == 0.0:
        raise InputError("fresh_fraction must be > 0 for a limit that depends on the data, got 0.0.")
    linear = s - alpha * v - 2.0 * (1.0 - alpha) * (1.0 - c) * s
    constant = alpha * v * s + (1.0 - alpha) * (1.0 - c) ** 2 * s**2
    root = np.sqrt(linear**2 + 4.0 * alpha * constant)
    # Of the two forms of the positive root, the one without cancellation.
    with np.errstate(divide="ignore", invalid="ignore"):
        training = np.where(linear > 0.0, 2.0 * constant / (linear + root), (root - linear) / (2.0 * alpha))
    training = np.where(constant == 0.0, np.maximum(-linear / alpha, 0.0), training)
    return training, variance_after_round(training, sigma=sigma, final_step=final_step)


def small_noise_coefficients(
    coefficients: ArrayLike, indices: ArrayLike, *, sigma: float, final_step: str
) -> FloatArray:
    """Hermite coefficients after one round, to second order in sigma, for any training law.

        c_k + (1/2 - c) sigma^2 sum_j sqrt(k_j (k_j - 1)) c_{k - 2 e_j} + O(sigma^4)

    Parameters
    ----------
    coefficients : (..., m), of the training law, in data units.
    indices : (m, d), all multi-indices of a total degree, in the order of `hermite.total_degree_indices`.
    """
    values = np.asarray(coefficients, dtype=float)
    table = checks.degrees(indices, "indices")
    _, s, c = _inputs(1.0, sigma, final_step)
    drift = np.zeros_like(values)
    for axis in range(table.shape[1]):
        rows = np.flatnonzero(table[:, axis] >= 2)
        if len(rows):
            lower = table[rows].copy()
            lower[:, axis] -= 2
            k = table[rows, axis].astype(float)
            drift[..., rows] += np.sqrt(k * (k - 1.0)) * values[..., positions(lower)]
    return values + (0.5 - c) * s * drift


def limit_distance(
    fisher_information: float, *, sigma: float, fresh_fraction: float, final_step: str
) -> float:
    """Leading term of W2(limit, data) as sigma tends to 0.

        abs(1/2 - c) sigma^2 sqrt(J) / alpha,     J = E norm(grad log p*)^2

    0 for half a step, whose distance is of order sigma^4.
    """
    information = checks.nonnegative(fisher_information, "fisher_information")
    _, s, c = _inputs(1.0, sigma, final_step)
    alpha = checks.fraction(fresh_fraction)
    if alpha == 0.0:
        raise InputError("fresh_fraction must be > 0 for a limit that depends on the data, got 0.0.")
    return abs(0.5 - c) * s * float(np.sqrt(information)) / alpha


def _inputs(variance: ArrayLike, sigma: float, final_step: str) -> tuple[FloatArray, float, float]:
    v = np.asarray(variance, dtype=float)
    if not np.all(v >= 0.0):
        raise InputError(f"variance must be >= 0, got {variance!r}.")
    return v, checks.nonnegative(sigma, "sigma") ** 2, denoised_fraction(final_step)
