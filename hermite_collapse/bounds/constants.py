r"""Final constants of the approach to the limit law.

With m the lowest degree >= 1 in which p_0 and p_inf differ, b_k = c_k(p_0) - g_m c_k(p*) for abs(k) = m,
H = sum_k b_k h_k and kappa = (1-alpha) a^m, the deviation p_i - p_inf tends to kappa^i gamma H, and

    TV(p_i, p_inf)        ~ kappa^i      E_gamma abs(H) / 2
    KL(p_i || p_inf)      ~ kappa^{2i}   E_gamma[H^2 gamma / p_inf] / 2
    chi2(p_i || p_inf)    ~ kappa^{2i}   E_gamma[H^2 gamma / p_inf]
    W2(p_i, p_inf)        ~ kappa^i      norm(gamma H) in H^{-1}(p_inf);
                            in one dimension abs(b) m^{-1/2} (E_gamma[h_{m-1}^2 gamma / p_inf])^{1/2}

for starts that lie in L2(gamma) after some round (all mixtures do).  The integrals are finite: p_inf contains ages
whose covariances are arbitrarily near I.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import FloatArray, IntArray, Seed
from ..core.value import Value
from ..distances.finiteness import dominations
from ..distances.line import LineMixture, panels
from ..distances.quadrature import Integrand, integrate
from ..hermite.basis import hermite_values
from ..laws.aged import AgedLaw
from ..laws.mixture import GaussianMixture
from ..recursion.constant_rounds import ConstantRounds
from ..recursion.recursion import Recursion

_EPS = float(np.finfo(float).eps)
_LOG_TWO_PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, eq=False)
class LeadingDifference(Value):
    """The lowest degree in which the first law differs from the limit law.

    Attributes
    ----------
    degree : int
        m.
    indices : array of int, shape (j, d)
        The multi-indices of that degree.
    values : array, shape (j,)
        b_k = c_k(p_0) - g_m c_k(p*).
    contraction : float
        kappa_m = (1-alpha) a^m, the final factor per round.
    """

    degree: int
    indices: IntArray
    values: FloatArray
    contraction: float

    def polynomial(self, x: FloatArray) -> FloatArray:
        """Return H(x) = sum_k b_k h_k(x) at points (n, d)."""
        table = np.stack([hermite_values(x[:, j], self.degree) for j in range(x.shape[1])], axis=1)
        result = np.zeros(len(x))
        for index, value in zip(self.indices, self.values, strict=True):
            if value != 0.0:
                result += value * np.prod(table[:, np.arange(len(index)), index], axis=1)
        return result


def constant_rounds(recursion: Recursion, *, fresh: bool = True) -> ConstantRounds:
    """Return the rounds of a recursion in which all are alike; `fresh`: fresh data are needed."""
    if not recursion.has_constant_rounds or recursion.regime.name != "replace":
        raise InputError("recursion must have constant rounds and the regime 'replace' for a rate.")
    rounds = recursion.final_rounds
    if fresh and rounds.fresh_fraction == 0.0:
        raise InputError("fresh_fraction must be > 0 for a rate towards the limit law, got 0.0.")
    return rounds


@public
def leading_difference(recursion: Recursion, *, highest: int = 12) -> LeadingDifference:
    """Return the lowest degree m >= 1 in which p_0 and p_inf differ, with the differences.

    Parameters
    ----------
    recursion : Recursion
        Constant rounds of replacement, Ornstein-Uhlenbeck, fresh_fraction > 0.
    highest : int
        Highest degree searched.  Differences below 1e-12 of the coefficients' size count as none.

    Returns
    -------
    LeadingDifference

    Raises
    ------
    InputError
        For rounds that are not constant, and if there is no difference up to degree `highest`.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> hc.bounds.leading_difference(recursion).degree
    4
    """
    rounds = constant_rounds(recursion)
    top = checks.integer(highest, "highest", minimum=1)
    for degree in range(1, top + 1):
        data = recursion.target.hermite_coefficients(degree)
        start = data if recursion.initial is None else recursion.initial.hermite_coefficients(degree)
        selected = np.asarray(data.degrees) == degree
        share = float(rounds.attenuation(degree))
        values = start.values[selected] - share * data.values[selected]
        size = float(np.abs(start.values).max() + np.abs(data.values).max())
        if np.abs(values).max() > 1e-12 * size:
            return LeadingDifference(
                degree, np.asarray(data.indices)[selected], values, float(rounds.contraction(degree))
            )
    raise InputError(f"initial must differ from the limit law in a degree up to {top}, got no difference.")


@public
def final_constant(
    recursion: Recursion, *, metric: str, highest: int = 12, sample_count: int = 65536, rng: Seed = 0
) -> Estimate:
    """Return the constant of the final approach to the limit law.

        distance(p_i, p_inf) ~ c kappa^i,     c kappa^{2i} for KL and chi-square

    Parameters
    ----------
    recursion : Recursion
        Constant rounds of replacement, Ornstein-Uhlenbeck, fresh_fraction > 0.
    metric : str
        "total_variation", "kl", "chi_square"; "wasserstein2" in one dimension.
    highest : int
        Highest degree searched for a difference.
    sample_count, rng : int and seed
        For the integrals in several dimensions.

    Returns
    -------
    Estimate
        With a bound in one dimension, where the integrals are done by quadrature (for total variation in closed
        form), a standard error otherwise.  kappa is `leading_difference(recursion).contraction`.

    Raises
    ------
    InputError
        For other recursions or metrics, or a start that does not differ from the limit law.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.GaussianMixture([1.0], [0.5], 1.0), fresh_fraction=0.5, truncation_time=0.2)
    >>> round(hc.bounds.final_constant(recursion, metric="total_variation").value, 4)
    0.0347
    """
    kind = checks.one_of(metric, ("total_variation", "kl", "chi_square", "wasserstein2"), "metric")
    lead = leading_difference(recursion, highest=highest)
    if kind == "wasserstein2" and recursion.dimension != 1:
        raise InputError(
            f"metric must be 'total_variation' or 'kl' in dimension {recursion.dimension}, got {metric!r}."
        )
    if kind == "total_variation":
        return _total_variation(lead, recursion.dimension, sample_count, rng)
    limit = recursion.limit()
    if recursion.dimension > 1:
        weighted = _weighted_sampled(lead, limit, sample_count, rng)
    elif kind == "wasserstein2":
        b = abs(float(lead.values[0]))
        square = _weighted_line(limit, lead.degree - 1)
        root = np.sqrt(square.value / lead.degree)
        return Estimate(
            b * float(root), b * float(0.5 * root * square.error / square.value), "bound", "quadrature"
        )
    else:
        square = _weighted_line(limit, lead.degree)
        b = float(lead.values[0]) ** 2
        weighted = Estimate(b * square.value, b * square.error, "bound", "quadrature")
    factor = 0.5 if kind == "kl" else 1.0
    return Estimate(factor * weighted.value, factor * weighted.error, weighted.kind, weighted.route)


def _total_variation(lead: LeadingDifference, dimension: int, sample_count: int, rng: Seed) -> Estimate:
    """E_gamma abs(H) / 2."""
    if lead.degree == 1:
        return Estimate(
            float(np.linalg.norm(lead.values) / np.sqrt(2.0 * np.pi)), 1e-15, "bound", "closed_form"
        )
    if dimension == 1:
        value = 0.5 * abs(float(lead.values[0])) * mean_absolute_hermite(lead.degree)
        return Estimate(value, 1e-14 * value, "bound", "closed_form")
    x = checks.generator(rng).standard_normal((checks.integer(sample_count, "sample_count", 16), dimension))
    terms = 0.5 * np.abs(lead.polynomial(x))
    return Estimate.of_mean(terms)


def mean_absolute_hermite(degree: int) -> float:
    """E_gamma abs(h_m), from int gamma h_m = -gamma h_{m-1} / sqrt(m) between the zeros of h_m."""
    zeros = np.polynomial.hermite_e.hermegauss(degree)[0]
    values = np.exp(-0.5 * zeros**2 - 0.5 * _LOG_TWO_PI) * hermite_values(zeros, degree)[..., degree - 1]
    levels = np.concatenate([[0.0], values / np.sqrt(degree), [0.0]])
    return float(np.abs(np.diff(levels)).sum())


def _weighted_line(limit: AgedLaw, degree: int) -> Estimate:
    """E_gamma[h_degree^2 gamma / p_inf] in one dimension."""
    normal = GaussianMixture([1.0], [0.0], 1.0)
    law, gamma = LineMixture.of(limit, "limit"), LineMixture.of(normal, "gamma")
    above = dominations(normal, limit)[0]
    centre, spread = (
        (0.0, 1.0) if above is None else (float(above.centre[0]), float(above.precision[0, 0]) ** -0.5)
    )
    reach = 12.0 + np.sqrt(2.0 * degree)
    ends = [min(-reach, centre - reach * spread), max(reach, centre + reach * spread)]

    def evaluate(x: FloatArray) -> Integrand:
        h = hermite_values(x, degree)[..., degree]
        values = np.exp(2.0 * gamma.log_density(x) - law.log_density(x)) * h**2
        return Integrand(values, 56.0 * _EPS * values)

    total = integrate(evaluate, panels([law, gamma], ends[0], ends[1]))
    edge = float(evaluate(np.array(ends)).values.max() * (ends[1] - ends[0]))
    return Estimate(float(total.values[0]), float(total.errors[0]) + edge, "bound", "quadrature")


def _weighted_sampled(lead: LeadingDifference, limit: AgedLaw, sample_count: int, rng: Seed) -> Estimate:
    """E_gamma[H^2 gamma / p_inf], from a Gaussian that dominates gamma^2 / p_inf: every moment of a term exists."""
    dimension = limit.dimension
    gamma = GaussianMixture([1.0], np.zeros((1, dimension)), 1.0)
    above = dominations(gamma, limit)[0]
    if above is None:
        raise InputError(
            "ages must be enough for the limit law to contain a component near the standard normal."
        )
    proposal = GaussianMixture([1.0], above.centre[None], np.linalg.inv(above.precision)[None])
    x = proposal.sample(checks.integer(sample_count, "sample_count", 16), checks.generator(rng))
    weight = np.exp(2.0 * gamma.log_density(x) - limit.log_density(x) - proposal.log_density(x))
    terms = weight * lead.polynomial(x) ** 2
    return Estimate.of_mean(terms)
