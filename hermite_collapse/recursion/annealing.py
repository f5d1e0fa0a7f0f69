r"""How fast annealed truncation brings a mode back: the asymptotic law of the residual e_n(i) = 1 - f_n(i).

With fresh fraction alpha > 0 and vanishing times, e_n(i+1) = (1 - a_i^n) + a_i^n (1 - alpha) e_n(i) tends to 0 like

    polynomial t (1+i)^(-beta)          n rate t_{i-1} / alpha
    geometric t q^i                     n rate t G_i + D (1 - alpha)^i

with G_i = (q^i - (1-alpha)^i) / (q - 1 + alpha), i (1-alpha)^(i-1) at the resonance q = 1 - alpha: the schedule is the
limit for q above it, fresh data below.  For small times D vanishes; in general, with x_j = n rate t q^j,

    D = sum_j (1-alpha)^(-j-1) [ (1 - exp(-x_j)) exp(-sum_{l>j} x_l) - x_j ],

summed over j < i; it is outlived by G_i for q^2 >= 1 - alpha and left out there.

References
----------
arXiv:2606.13796, Theorem 4.1 (convergence); the constants are this package's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import Value
from .constant_rounds import ConstantRounds
from .schedules import Constant, Geometric, Polynomial, Schedule, as_schedule

LARGEST_EXPONENT = 1e100
RESONANCE = 1e-12


@dataclass(frozen=True, eq=False)
class AnnealingLaw(Value):
    """The asymptotic law of the residual of one mode.

    Attributes
    ----------
    regime : str
        "plateau", "polynomial", "geometric", "resonance", "fresh_data" or "immediate" (alpha = 1 keeps no past).
    residual : array, shape (rounds + 1,)
        The leading law evaluated at rounds 0, 1, ...; 0 at round 0, the data, where a power of the round has no
        meaning.
    bottleneck : str
        What limits the speed: "truncation", "schedule" or "fresh data".
    """

    regime: str
    residual: FloatArray
    bottleneck: str


@public
def annealing_law(
    degree: int,
    *,
    fresh_fraction: float,
    truncation_time: float | ArrayLike | Schedule,
    rounds: int,
    rate: float = 0.5,
) -> AnnealingLaw:
    """Return the leading behaviour of the residual of one mode for large i, under a schedule.

        e_n(i) = 1 - f_n(i)

    Parameters
    ----------
    degree : int
        Hermite degree n >= 1.
    fresh_fraction : float
        alpha in (0, 1]; without fresh data no schedule brings a mode back.
    truncation_time : float or Schedule
        Constant, Polynomial or Geometric schedule (or a time).
    rounds : int
        Last round, >= 0.
    rate : float
        Of the Ornstein-Uhlenbeck process, > 0.

    Returns
    -------
    AnnealingLaw

    Raises
    ------
    InputError
        If an argument is outside its range, alpha is 0, or the schedule was written out by hand, which has no
        asymptotic family.

    References
    ----------
    arXiv:2606.13796, Theorem 4.1 (convergence); the constants are this package's.

    Examples
    --------
    >>> from hermite_collapse import schedules
    >>> law = annealing_law(4, fresh_fraction=0.2, truncation_time=schedules.Polynomial(0.1, 1.0), rounds=40)
    >>> law.regime, law.bottleneck, round(float(law.residual[-1]), 3)
    ('polynomial', 'schedule', 0.025)
    """
    degree = checks.integer(degree, "degree", minimum=1)
    n = degree * checks.positive(rate, "rate")
    alpha = checks.positive(checks.fraction(fresh_fraction), "fresh_fraction")
    schedule = as_schedule(truncation_time)
    index = np.arange(checks.entries(rounds, "rounds") + 1, dtype=float)
    if isinstance(schedule, Constant) or (isinstance(schedule, Geometric) and schedule.floor > 0.0):
        loss = float(ConstantRounds.of(alpha, schedule.final, rate).loss(degree))
        return AnnealingLaw("plateau", np.full(len(index), loss), "truncation")
    if isinstance(schedule, Polynomial):
        residual = np.zeros_like(index)
        residual[1:] = n * schedule.time * index[1:] ** -schedule.exponent / alpha
        return AnnealingLaw("polynomial", residual, "schedule")
    if not isinstance(schedule, Geometric):
        raise InputError(
            f"truncation_time must be a Constant, Polynomial or Geometric schedule here, got {type(schedule).__name__}."
        )
    keep, q, t = 1.0 - alpha, schedule.ratio, schedule.time
    if n * t > LARGEST_EXPONENT:
        raise InputError(
            f"truncation_time must leave degree * rate * time <= {LARGEST_EXPONENT:g}, got {n * t:g}."
        )
    residual = n * t * _difference_quotient(q, keep, index)
    if keep == 0.0:
        return AnnealingLaw("immediate", residual, "schedule")
    residual += _correction(n * t, q, keep, len(index) - 1) * keep**index
    if abs(q - keep) <= RESONANCE:
        return AnnealingLaw("resonance", residual, "fresh data")
    return AnnealingLaw(
        *(("geometric", residual, "schedule") if q > keep else ("fresh_data", residual, "fresh data"))
    )


def _difference_quotient(first: float, second: float, power: FloatArray) -> FloatArray:
    """Return (first^i - second^i) / (first - second) for i >= 0 without cancellation; the derivative where equal."""
    larger, smaller = max(first, second), min(first, second)
    if larger == 0.0:
        return np.where(power == 1.0, 1.0, 0.0)
    gap = (larger - smaller) / larger
    if gap == 0.0:
        sums = power
    elif gap == 1.0:
        sums = np.minimum(power, 1.0)
    else:
        sums = -np.expm1(power * np.log1p(-gap)) / gap
    with np.errstate(under="ignore"):
        return np.asarray(larger ** np.maximum(power - 1.0, 0.0) * sums)


def _correction(size: float, ratio: float, keep: float, rounds: int) -> FloatArray:
    """Return the sums of the first i terms of D for i = 0, ..., rounds, of a schedule with x_j = size ratio^j.

    Each term of D is taken relative to x_j^2, where with r(x) = (1 - exp(-x)) / x and L_j = x_j ratio / (1 - ratio) it
    is -r(L_j) r(x_j) ratio / (1 - ratio) - (1 - r(x_j)) / x_j, of one sign.  Sums stop at i, where the law is asked
    for, so that they stay bounded as ratio^2 passes keep; above it they are left out, being outlived.
    """
    from scipy.special import exprel, hyp1f1

    step, later = ratio * ratio / keep, ratio / (1.0 - ratio)
    if step >= 1.0:
        return np.zeros(rounds + 1)
    order = np.arange(rounds)
    with np.errstate(under="ignore"):
        x = size * ratio**order
        far = (1.0 + np.expm1(-x) / np.maximum(x, 0.5)) / np.maximum(x, 0.5)
        second = np.where(x > 0.5, far, 0.5 * hyp1f1(1, 3, -np.minimum(x, 0.5)))
        terms = step**order * (-later * exprel(-later * x) * exprel(-x) - second)
    return size * (size / keep) * np.concatenate([[0.0], np.cumsum(terms)])
