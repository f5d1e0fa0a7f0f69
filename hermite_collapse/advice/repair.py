r"""Repair: what can be done about the limit law after the fact.

Two ways back from p_inf to the data law p*, with alpha the fresh fraction and t the truncation time.

**One deterministic step, for samples.**  Ages of p_inf average 1/alpha rounds, so p_inf is, to first order, the data
carried along the probability flow dx = -rate (x + grad log p) ds for a time t/alpha.  One step against it,

    x -> x + (rate t / alpha) (x + grad log p_inf(x)),

leaves W2 = O((t/alpha)^2): the spread of the ages is not undone.  Each point moves; nothing is reweighted.

**One division, for modes.**  However many rounds were run, p_inf = C(alpha p* + (1-alpha) p_inf), so that the Hermite
modes of the data are those of the limit divided by the attenuation g_n; noise grows by 1 / g_n.

What neither can restore: modes whose g_n has sunk below the noise (degrees far above `half_degree`), and directions or
components narrower than the step: x + c (x + grad log p) stays increasing only while every variance exceeds
c / (1 + c), c = rate t / alpha.  From samples alone the score is a kernel estimate, which adds the bias of its
bandwidth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import BoolArray, FloatArray
from ..core.value import Value
from ..hermite.coefficients import HermiteCoefficients
from ..laws.channels import GaussianChannel
from ..laws.empirical import EmpiricalLaw
from ..recursion.operators import AttenuationOperator

LONELY = 1e-8
"""Share of the kernel density at a sample that other samples must hold for its score to be known."""


def repair_samples(
    samples: ArrayLike,
    *,
    fresh_fraction: float,
    truncation_time: float,
    rate: float = 0.5,
    score: Callable[[FloatArray], FloatArray] | None = None,
    bandwidth: float | None = None,
) -> FloatArray:
    """Move samples of the limit law one step against the probability flow of 1/alpha rounds.

        x -> x + (rate t / alpha) (x + grad log p_inf(x))

    Parameters
    ----------
    samples : array, shape (n, d) or (n,)
        Drawn from the limit law, n >= 2.
    fresh_fraction, truncation_time, rate : float
        Of the recursion, with fresh_fraction > 0.
    score : function, optional
        grad log p_inf as a function (n, d) -> (n, d), such as `recursion.limit().score`; a kernel score of the samples
        themselves if None.
    bandwidth : float, optional
        Of the kernel score; `default_bandwidth(samples)` if None.

    Returns
    -------
    array, shape of samples

    Raises
    ------
    InputError
        If an argument is outside its range, or the score returns another shape.

    Accuracy
    --------
    W2 to the data is O((t / alpha)^2), against (rate t / alpha) sqrt(I) before; a kernel score adds the bias described
    at `kernel_score`.

    Examples
    --------
    >>> import numpy as np
    >>> moved = repair_samples([-1.0, 1.0], fresh_fraction=0.5, truncation_time=0.1, score=lambda x: -x / 0.8)
    >>> moved.tolist()
    [-0.975, 0.975]
    """
    points = checks.samples(samples, minimum=2)
    alpha = checks.fraction(fresh_fraction)
    if alpha == 0.0:
        raise InputError("fresh_fraction must be > 0 for a repair, since nothing of the data is left at 0.0.")
    step = checks.positive(rate, "rate") * checks.nonnegative(truncation_time, "truncation_time") / alpha
    if score is None:
        slope = kernel_score(points, bandwidth=bandwidth)
    elif callable(score):
        slope = np.asarray(score(points), dtype=float)
    else:
        raise InputError(f"score must be a function of points, got {type(score).__name__}.")
    if slope.shape != points.shape:
        raise InputError(
            f"score must return an array shaped like its points, {points.shape}, got {slope.shape}."
        )
    return (points + step * (points + slope)).reshape(np.shape(samples))


def default_bandwidth(samples: ArrayLike) -> float:
    """Return the bandwidth of the order that balances bias and variance of a density's gradient.

        sigma (4 / (d + 4))^{1/(d+6)} n^{-1/(d+6)}

    with sigma the root mean variance of the coordinates.  Derived for one Gaussian; several separate modes want less.

    Parameters
    ----------
    samples : array, shape (n, d) or (n,)
        n >= 2, not all equal.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If all samples are equal.
    """
    points = checks.samples(samples, minimum=2)
    n, d = points.shape
    sigma = float(np.sqrt(points.var(axis=0, ddof=1).mean()))
    if sigma == 0.0:
        raise InputError("samples must not all be equal, got a variance of 0.")
    return sigma * (4.0 / ((d + 4.0) * n)) ** (1.0 / (d + 6.0))


def kernel_score(samples: ArrayLike, *, bandwidth: float | None = None) -> FloatArray:
    """Return the score of the kernel density estimate at each sample, with that sample left out.

    Parameters
    ----------
    samples : array, shape (n, d) or (n,)
        n >= 2.
    bandwidth : float, optional
        h > 0; `default_bandwidth(samples)` if None.

    Returns
    -------
    array, shape (n, d)
        A sample more than about six bandwidths from all others has score 0.

    Raises
    ------
    InputError
        If the bandwidth is not > 0, or all samples are equal.

    Accuracy
    --------
    It estimates the score of the law blurred by h: a direction of variance v is pulled by 1 / (v + h^2), not 1 / v.
    """
    points = checks.samples(samples, minimum=2)
    n, d = points.shape
    h = default_bandwidth(points) if bandwidth is None else checks.positive(bandwidth, "bandwidth")
    law = EmpiricalLaw(points).as_mixture().through(GaussianChannel(1.0, h**2))
    # A sample's own kernel adds to the density there and nothing to its gradient: leaving it out rescales the score.
    own = np.exp(-0.5 * d * np.log(2.0 * np.pi * h**2) - np.log(n) - law.log_density(points)).reshape(n, 1)
    others = 1.0 - own
    score = law.score(points).reshape(n, d)
    return np.divide(score, others, out=np.zeros_like(score), where=others > LONELY)


@dataclass(frozen=True, eq=False)
class RestoredModes(Value):
    """Hermite coefficients of the data, recovered from those of the recursion's law.

    Attributes
    ----------
    coefficients : HermiteCoefficients
        Values c_k / g_n with standard errors scaled alike.
    amplification : array, shape (m,)
        1 / g_n of each mode: how much noise grew.
    significant : array of bool, shape (m,)
        Whether the value exceeds three standard errors; all True for exact coefficients.
    """

    coefficients: HermiteCoefficients
    amplification: FloatArray
    significant: BoolArray


def restore_modes(
    coefficients: HermiteCoefficients,
    *,
    fresh_fraction: float,
    truncation_time: float,
    rate: float = 0.5,
    rounds: int | None = None,
) -> RestoredModes:
    """Divide the attenuation out of the coefficients of a recursion's law, mode by mode.

        c_k(p*) = c_k(p_inf) / g_n,     or c_k(p_rounds) / f_n(rounds) for a run that started at the data

    Parameters
    ----------
    coefficients : HermiteCoefficients
        Of the limit law (rounds None) or of the law after `rounds` rounds.
    fresh_fraction, truncation_time, rate : float
        Of the recursion.
    rounds : int, optional
        Number of rounds that were run; the limit if None.

    Returns
    -------
    RestoredModes
        Nothing is refused for its noise: modes that are not `significant` are noise, however large their value.

    Raises
    ------
    InputError
        If an argument is outside its range, or nothing is left of some mode.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3, for the attenuation; the repair is this package's.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> data = hc.presets.load("off_centre_1d")
    >>> limit = hc.Recursion(data, fresh_fraction=0.3, truncation_time=0.1).limit()
    >>> restored = restore_modes(limit.hermite_coefficients(2), fresh_fraction=0.3, truncation_time=0.1)
    >>> bool(abs(restored.coefficients.values - data.hermite_coefficients(2).values).max() < 1e-12)
    True
    """
    checks.instance(coefficients, HermiteCoefficients, "coefficients")
    operator = AttenuationOperator(fresh_fraction=fresh_fraction, truncation_time=truncation_time, rate=rate)
    acting = operator if rounds is None else operator.power(checks.integer(rounds, "rounds"))
    share = np.atleast_1d(acting.eigenvalues(coefficients.degrees))
    if np.any(share == 0.0):
        worst = int(coefficients.degrees[np.argmin(share)])
        raise InputError(
            f"fresh_fraction must leave something of every mode, got attenuation 0 at degree {worst}."
        )
    restored = acting.inverse(coefficients, smallest=float(share.min()))
    error = restored.standard_error
    significant = (
        np.ones(len(share), bool) if error is None else np.abs(restored.values) > 3.0 * np.asarray(error)
    )
    return RestoredModes(restored, 1.0 / share, significant)
