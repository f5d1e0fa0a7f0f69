r"""How fast the recursion approaches its limit law: proved rates, starts that attain them, and what is observed.

For two starts of one recursion of constant rounds, with a = exp(-rate t) and m the lowest degree >= 1 in which the
start differs from the limit law,

    metric            proved            attained by                                          from data with light tails
    total_variation   1-alpha           a start far out                                      (1-alpha) a^m
    kl                1-alpha           a start on a remote cluster of the limit law         ((1-alpha) a^m)^2
    chi_square        1-alpha           the same                                             ((1-alpha) a^m)^2
    wasserstein1      (1-alpha) a       a start far out                                      (1-alpha) a^m
    wasserstein2      sqrt(1-alpha) a   a start far out                                      (1-alpha) a^m
    l2_gamma          (1-alpha) a       any difference of degree 1                           (1-alpha) a^m

"Far out" attains a rate for as many rounds as the start stays far: heavy tails keep it for ever.  A start whose tail
decays like P(abs(X) > x) ~ x^-beta, beta > 2, approaches in Wasserstein-2 at sqrt(1-alpha) a^{beta/2}, wherever that is
slower than (1-alpha) a^m.

References: arXiv:2606.13796, Theorem 3.1 (rates); the table of attained and final rates is this package's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .. import distances
from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import Value
from ..laws.mixture import Law
from ..recursion.constant_rounds import METRICS, ConstantRounds
from ..recursion.recursion import Recursion
from .constants import constant_rounds, final_constant, leading_difference

_ATTAINED = {
    "total_variation": "a start far out",
    "kl": "a start on a remote cluster of the limit law",
    "chi_square": "a start on a remote cluster of the limit law",
    "wasserstein1": "a start far out",
    "wasserstein2": "a start far out",
    "l2_gamma": "any difference of degree 1",
}
_SQUARED = ("kl", "chi_square")
MOST_ROUNDS = 10**12  # that are looked at for a distance to be reached
_DISTANCES: dict[str, Callable[[Law, Law], Estimate]] = {
    "total_variation": distances.total_variation,
    "kl": distances.kl,
    "chi_square": distances.chi_square,
    "wasserstein1": partial(distances.wasserstein, order=1),
    "wasserstein2": distances.wasserstein,
}


@dataclass(frozen=True)
class RateRow:
    """One line of the table of rates.

    Attributes
    ----------
    metric : str
    bound : float
        Proved factor per round, for any start.
    attained_by : str
        Starts for which no smaller factor holds.
    final : float
        Factor per round that laws with light tails settle to.
    degree : int
        The lowest differing degree m behind `final`.
    """

    metric: str
    bound: float
    attained_by: str
    final: float
    degree: int


@public
def rate_table(
    *, fresh_fraction: float, truncation_time: float, degree: int = 1, rate: float = 0.5
) -> tuple[RateRow, ...]:
    """Return the proved and final rates of every metric.

    Parameters
    ----------
    fresh_fraction, truncation_time, rate : float
        The recursion's.
    degree : int
        Lowest degree m >= 1 in which the start differs from the limit law (`lowest_difference`).

    Returns
    -------
    tuple of RateRow

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    arXiv:2606.13796, Theorem 3.1.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> rows = hc.bounds.rate_table(fresh_fraction=0.3, truncation_time=0.1)
    >>> rows[0].metric, round(rows[0].bound, 4), round(rows[0].final, 4)
    ('total_variation', 0.7, 0.6659)
    """
    lowest = checks.integer(degree, "degree", minimum=1)
    return _rate_rows(ConstantRounds.of(fresh_fraction, truncation_time, rate), lowest)


def _rate_rows(rounds: ConstantRounds, lowest: int) -> tuple[RateRow, ...]:
    mode = float(rounds.contraction(lowest))
    return tuple(
        RateRow(
            metric,
            rounds.rate_in(metric),
            _ATTAINED[metric],
            mode**2 if metric in _SQUARED else mode,
            lowest,
        )
        for metric in METRICS
    )


def recursion_rates(recursion: Recursion) -> tuple[RateRow, ...]:
    """Return the `rate_table` of a recursion of constant rounds; degree 1 where no low degree shows a difference."""
    rounds = constant_rounds(recursion, fresh=False)
    try:
        lowest = leading_difference(recursion).degree
    except InputError:
        lowest = 1
    return _rate_rows(rounds, lowest)


@public
def lowest_difference(recursion: Recursion, *, highest: int = 12) -> int:
    """Return the lowest degree m >= 1 in which the first law differs from the limit law.

    Parameters
    ----------
    recursion : Recursion
        Constant rounds of replacement, Ornstein-Uhlenbeck, fresh_fraction > 0.
    highest : int
        Highest degree searched.

    Returns
    -------
    int

    Raises
    ------
    InputError
        For other recursions, and if there is no difference.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> hc.bounds.lowest_difference(recursion)
    4
    """
    return leading_difference(recursion, highest=highest).degree


@dataclass(frozen=True, eq=False)
class ObservedRates(Displayed, Value):
    """Distances to the limit law by round, and their ratios.

    Attributes
    ----------
    metric : str
    distances : tuple of Estimate
        One a round, from `first` on.
    first : int
        Round of the first distance.
    ratios, ratio_errors : array, shape (rounds,)
        Distance of the next round over this one, and errors from those of the distances; NaN after a distance of 0.
    bound : float
        Proved rate.
    final : float or None
        Rate that the ratios tend to from a start with light tails; None where no mode shows a difference.
    """

    metric: str
    distances: tuple[Estimate, ...]
    first: int
    ratios: FloatArray
    ratio_errors: FloatArray
    bound: float
    final: float | None

    @property
    def respects_bound(self) -> bool:
        """Whether no ratio exceeds the proved rate by more than its error."""
        return not np.any(self.ratios > self.bound * (1.0 + 1e-12) + self.ratio_errors)


@public
def observed_rates(recursion: Recursion, *, metric: str, rounds: int, ages: int = 32) -> ObservedRates:
    """Return the distances of the exact laws p_i to the limit law and their ratios.

    Parameters
    ----------
    recursion : Recursion
        Constant rounds of replacement, Ornstein-Uhlenbeck, fresh_fraction > 0.
    metric : str
        "l2_gamma" in any dimension; the others in one.
    rounds : int
        Number of ratios.
    ages : int
        Ages of the limit law.

    Returns
    -------
    ObservedRates

    Raises
    ------
    InputError
        For other recursions or metrics.

    Notes
    -----
    p_i - p_inf = (1-alpha)^i C^i (p_0 - p_inf).  Total variation, Wasserstein-1 and L2(gamma) are computed from the
    right-hand side, which does not cancel; L2(gamma) is the Mehler distance of p_0 and p_inf at r = a^{2i}, and starts
    at round 1, since at round 0 it may be infinite.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("off_centre_1d"), fresh_fraction=0.3, truncation_time=0.5)
    >>> found = hc.bounds.observed_rates(recursion, metric="kl", rounds=3)
    >>> found.respects_bound, bool(found.ratios.max() < found.bound)
    (True, True)
    """
    rounds_alike = constant_rounds(recursion)
    kind = checks.one_of(metric, METRICS, "metric")
    count = checks.integer(rounds, "rounds", minimum=1)
    if kind != "l2_gamma" and recursion.dimension != 1:
        raise InputError(f"metric must be 'l2_gamma' in dimension {recursion.dimension}, got {metric!r}.")
    limit, start = recursion.limit(ages), recursion.law(0)
    first = 1 if kind == "l2_gamma" else 0
    estimates = []
    for i in range(first, first + count + 1):
        keep = float((1.0 - rounds_alike.fresh_fraction) ** i)
        channel = recursion.process.channel(i * recursion.schedule.final)
        if kind == "l2_gamma":
            estimates.append(
                _scaled(distances.mehler(start, limit, float(np.exp(-2.0 * rounds_alike.decay * i))), keep)
            )
        elif kind in ("total_variation", "wasserstein1"):
            near = _DISTANCES[kind](start.through(channel), limit.through(channel))
            estimates.append(_scaled(near, keep))
        else:
            estimates.append(_DISTANCES[kind](recursion.law(i), limit))
    values = np.array([entry.value for entry in estimates])
    errors = np.array([entry.error for entry in estimates])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = values[1:] / values[:-1]
        relative = errors[1:] / values[1:] + errors[:-1] / values[:-1]
    try:
        mode = leading_difference(recursion).contraction
    except InputError:
        final = None
    else:
        final = mode**2 if kind in _SQUARED else mode
    bound = rounds_alike.rate_in(kind)
    return ObservedRates(kind, tuple(estimates), first, ratios, ratios * relative, bound, final)


@dataclass(frozen=True)
class RoundsToDistance:
    """Rounds until the distance to the limit law is at most a given one.

    Attributes
    ----------
    exact : float
        The first round whose exact law is that near; the distance to the limit law never grows.
    guaranteed : float
        By the proved rate from the exact first distance.
    predicted : float
        By the final constant, constant * rate^rounds; too small while higher modes still matter, NaN where no mode
        shows a difference.
    distance : float
        What was aimed at, in the units of the metric.
    metric : str
    """

    exact: float
    guaranteed: float
    predicted: float
    distance: float
    metric: str


@public
def rounds_to_distance(recursion: Recursion, distance: float, *, metric: str) -> RoundsToDistance:
    """Return the rounds until the distance to the limit law is at most `distance`: exact, proved and predicted.

    Parameters
    ----------
    recursion : Recursion
        One-dimensional, constant rounds of replacement, Ornstein-Uhlenbeck, fresh_fraction > 0.
    distance : float
        > 0, in the units of the metric.  (`Recursion.rounds_to` counts by the proved rate alone, for a share of the
        first distance.)
    metric : str
        "total_variation", "kl" or "wasserstein2".

    Returns
    -------
    RoundsToDistance

    Raises
    ------
    InputError
        For other recursions or metrics, a distance that is not positive, or one that is guaranteed only after 1e12
        rounds.

    References
    ----------
    arXiv:2606.13796, Theorem 3.1.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> found = hc.bounds.rounds_to_distance(recursion, 0.01, metric="kl")
    >>> found.exact, found.guaranteed
    (3.0, 10.0)
    """
    rounds_alike = constant_rounds(recursion)
    kind = checks.one_of(metric, ("total_variation", "kl", "wasserstein2"), "metric")
    level = checks.positive(distance, "distance")
    function, limit = _DISTANCES[kind], recursion.limit()
    start = function(recursion.law(0), limit)
    if start.value <= level:
        return RoundsToDistance(0.0, 0.0, 0.0, level, kind)
    bound = rounds_alike.rate_in(kind)
    guaranteed = _rounds(start.value + start.error, bound, level)
    try:
        mode = leading_difference(recursion).contraction
    except InputError:
        predicted = np.nan
    else:
        constant = final_constant(recursion, metric=kind)
        predicted = _rounds(constant.value, mode**2 if kind in _SQUARED else mode, level)
    if guaranteed > MOST_ROUNDS:
        raise InputError(
            f"distance must be reached within {MOST_ROUNDS:g} rounds, got {level!r}, guaranteed after {guaranteed:g}."
        )
    low, high = 0, int(guaranteed)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if function(recursion.law(middle), limit).value <= level else (middle, high)
    return RoundsToDistance(float(high), guaranteed, predicted, level, kind)


def _rounds(start: float, factor: float, level: float) -> float:
    """Rounds after which start * factor^rounds <= level, for a factor below 1; infinite where that rounds to 1."""
    if start <= level:
        return 0.0
    if factor == 1.0:
        return np.inf
    return 1.0 if factor == 0.0 else float(np.ceil(np.log(level / start) / np.log(factor)))


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(factor * estimate.value, factor * estimate.error, estimate.kind, estimate.route)
