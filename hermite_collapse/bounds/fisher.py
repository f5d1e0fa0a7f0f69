r"""How far truncation moves a law: bounds through the relative Fisher information and through moments.

I(p) = E_p norm(x + grad log p)^2, the relative Fisher information with respect to the standard normal.

    Case 1    W2(C_t p, p) <= (1 - a) sqrt(I)                                       equality for N(m, I)
              W2(p_inf, p*)^2 <= E(1 - a^K)^2 I = (1 - 2 g_1 + g_2) I
    Case 2    W2(C_t p, p)^2 <= (1 - a)^2 E norm(X)^2 + (1 - a^2) d                 equality for a point mass
              W2(p_inf, p*)^2 <= (1 - 2 g_1 + g_2) E norm(X)^2 + (1 - g_2) d
    small t   W2(p_inf, p*) = (rate t / alpha) sqrt(I) (1 + o(1))
    below     W2 >= Bures distance of means and covariances (`distances.bures`)

Proofs.  C_t p moves with the gradient velocity -rate (x + grad log C_t p), whose norm decays like exp(-rate t)
(Case 1); one coupling with common noise (Case 2); p_inf is a mixture over the age K, and W2^2 is convex.  The
small-time law holds because the velocity is a gradient: the tangent norm of the first-order change, of mean age
1/alpha, is that velocity's norm.

References: arXiv:2606.13796, Theorem 5.2 and Appendix E (Cases 1 and 2); the small-time law is this package's.
"""

from __future__ import annotations

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import FloatArray, Seed
from ..distances.line import LineMixture, density_mixture, panels
from ..distances.quadrature import Integrand, integrate
from ..laws.mixture import Law
from ..recursion.constant_rounds import ConstantRounds

_EPS = float(np.finfo(float).eps)
_ROUTES = ("closed_form", "quadrature", "samples")


@public
def relative_fisher_information(
    law: Law, *, route: str | None = None, sample_count: int = 65536, rng: Seed = 0
) -> Estimate:
    """Return the relative Fisher information, dimensionless; zero only for the standard normal.

        I(p) = E_p norm(x + grad log p)^2

    Parameters
    ----------
    law : GaussianMixture or AgedLaw
        With a density.
    route : str, optional
        "closed_form" (one Gaussian: norm(m)^2 + tr S - 2 d + tr S^{-1}), "quadrature" (one dimension) or "samples"; by
        default the first that exists.
    sample_count, rng : int and seed
        For "samples".

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        For a law without a density or a route that does not exist for it.

    Accuracy
    --------
    Quadrature: relative 1e-10; samples: the standard error.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> hc.bounds.relative_fisher_information(hc.GaussianMixture([1.0], [0.5], 2.0)).value
    0.75
    """
    mixture = density_mixture(law, "law")
    single, flat = len(mixture.weights) == 1, mixture.dimension == 1
    exists = [name for name, given in zip(_ROUTES, (single, flat, True), strict=True) if given]
    selected = exists[0] if route is None else checks.one_of(route, _ROUTES, "route")
    if selected not in exists:
        raise InputError(f"route must be one of {', '.join(map(repr, exists))} for this law, got {route!r}.")
    if selected == "closed_form":
        v, m = mixture.variances[0], mixture.means[0]
        value = float(m @ m + ((1.0 - v) ** 2 / v).sum())
        return Estimate(value, 8.0 * _EPS * value, "bound", "closed_form")
    if selected == "quadrature":
        return expected_square(LineMixture.of(law, "law"), 1.0)
    x = mixture.sample(checks.integer(sample_count, "sample_count", minimum=16), checks.generator(rng))
    terms = ((x + mixture.score(x)) ** 2).sum(axis=1)
    return Estimate.of_mean(terms)


def expected_square(p: LineMixture, slope: float) -> Estimate:
    """Return E_p (slope x + (log p)')^2: Fisher's information at slope 0, the relative one at slope 1."""
    low, high = p.window(13.0)

    def evaluate(x: FloatArray) -> Integrand:
        log_p, score = p.log_density_and_score(x)
        drift = slope * x + score
        rounding = 16.0 * _EPS * np.abs(drift) * (slope * np.abs(x) + np.abs(score))
        density = np.exp(log_p)
        return Integrand(drift**2 * density, rounding * density)

    result = integrate(evaluate, panels([p], low, high))
    # Beyond 13 standard deviations: 1e-37 of each component times a drift that grows linearly.
    edge = max(abs(low), abs(high)) * (slope + float(p.scales.min()) ** -2)
    return Estimate(float(result.values[0]), float(result.errors[0]) + 1e-36 * edge**2, "bound", "quadrature")


def squared_age_gap(rounds: ConstantRounds) -> float:
    """Return E (1 - a^K)^2 = 1 - 2 g_1 + g_2 over the age K of the limit law, without cancellation.

    u^2 (2 + u - alpha) / ((alpha + u)(alpha + 2u + u^2)),   u = expm1(rate t)
    """
    alpha, x = rounds.fresh_fraction, rounds.decay
    if x == 0.0:
        return 0.0
    if x > 300.0:
        return 1.0
    u = float(np.expm1(x))
    return (u / (alpha + u)) * (u * (2.0 + u - alpha) / (alpha + u * (2.0 + u)))


@public
def fisher_bound(
    information: float | Estimate, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> float:
    """Return Case 1, the upper bound on W2(p_inf, p*) through the relative Fisher information.

        sqrt((1 - 2 g_1 + g_2) I);     (1 - a) sqrt(I) for fresh_fraction 1

    Parameters
    ----------
    information : float or Estimate
        Relative Fisher information of p*; may be infinite.
    fresh_fraction, truncation_time, rate : float
        The recursion's.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    arXiv:2606.13796, Theorem 5.2, Appendix E.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> round(hc.bounds.fisher_bound(0.75, fresh_fraction=1.0, truncation_time=0.1), 5)
    0.04224
    """
    level = _information(information)
    gap = squared_age_gap(ConstantRounds.of(fresh_fraction, truncation_time, rate))
    return float(np.sqrt(gap * level)) if gap > 0.0 else 0.0


@public
def coupling_bound(
    second_moment: float, *, dimension: int, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> float:
    """Return Case 2, the upper bound on W2(p_inf, p*) that needs a second moment only.

        sqrt((1 - 2 g_1 + g_2) E norm(X)^2 + (1 - g_2) d)

    Parameters
    ----------
    second_moment : float
        E norm(X)^2 of p*.
    dimension : int
        d.
    fresh_fraction, truncation_time, rate : float
        The recursion's.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    arXiv:2606.13796, Theorem 5.2, Appendix E.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> round(hc.bounds.coupling_bound(1.0, dimension=1, fresh_fraction=1.0, truncation_time=0.1), 4)
    0.3123
    """
    moment = checks.nonnegative(second_moment, "second_moment")
    d = checks.integer(dimension, "dimension", minimum=1)
    rounds = ConstantRounds.of(fresh_fraction, truncation_time, rate)
    return float(np.sqrt(squared_age_gap(rounds) * moment + float(rounds.loss(2)) * d))


@public
def small_time_distance(
    information: float | Estimate, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> float:
    """Return the leading term of W2(p_inf, p*) for small truncation times.

        (rate t / alpha) sqrt(I)

    Parameters
    ----------
    information : float or Estimate
        Relative Fisher information of p*.
    fresh_fraction : float
        > 0.
    truncation_time, rate : float
        The recursion's.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> round(hc.bounds.small_time_distance(0.75, fresh_fraction=0.5, truncation_time=0.01), 6)
    0.00866
    """
    rounds = ConstantRounds.of(fresh_fraction, truncation_time, rate)
    alpha = checks.positive(rounds.fresh_fraction, "fresh_fraction")
    return rounds.decay / alpha * float(np.sqrt(_information(information)))


def _information(information: float | Estimate) -> float:
    """Return an information >= 0 as a number; it may be infinite."""
    value = information.value if isinstance(information, Estimate) else information
    return checks.nonnegative_or_infinite(value, "information")
