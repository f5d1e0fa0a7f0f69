r"""How fast annealed truncation brings a mode back: the asymptotic law of the residual e_n(i) = 1 - f_n(i).

With fresh fraction alpha > 0 and vanishing times, e_n(i+1) = (1 - a_i^n) + a_i^n (1 - alpha) e_n(i) tends to 0 like

    polynomial t (1+i)^(-beta)          n rate t_{i-1} / alpha
    geometric t q^i, q > 1 - alpha      n rate t_i / (q - 1 + alpha)
    geometric, q = 1 - alpha            n rate t i (1 - alpha)^(i-1)          resonance
    geometric, q < 1 - alpha            C (1 - alpha)^i                       fresh data, not the schedule, is the limit

with C = sum_j (1 - a_j^n) (1-alpha)^(-j-1) prod_{l>j} a_l^n, which tends to n rate t / (1 - alpha - q) for small times.

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

RESONANCE = 1e-12
TERMS = 4000


@dataclass(frozen=True, eq=False)
class AnnealingLaw(Value):
    """The asymptotic law of the residual of one mode.

    Attributes
    ----------
    regime : str
        "plateau", "polynomial", "geometric", "resonance", "fresh_data" or "immediate" (alpha = 1 keeps no past).
    residual : array, shape (rounds + 1,)
        The leading law evaluated at rounds 0, 1, ...; NaN at round 0 where it has no meaning.
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
    truncation: float | ArrayLike | Schedule,
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
    truncation : float or Schedule
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
    >>> law = annealing_law(4, fresh_fraction=0.2, truncation=schedules.Polynomial(0.1, 1.0), rounds=40)
    >>> law.regime, law.bottleneck, round(float(law.residual[-1]), 3)
    ('polynomial', 'schedule', 0.025)
    """
    n = checks.integer(degree, "degree", minimum=1) * checks.positive(rate, "rate")
    alpha = checks.positive(checks.fraction(fresh_fraction), "fresh_fraction")
    schedule = as_schedule(truncation)
    index = np.arange(checks.integer(rounds, "rounds") + 1, dtype=float)
    past = np.where(index > 0, index, np.nan)
    if isinstance(schedule, Constant) or (isinstance(schedule, Geometric) and schedule.floor > 0.0):
        loss = float(ConstantRounds.of(alpha, schedule.final, rate).loss(degree))
        return AnnealingLaw("plateau", np.full(len(index), loss), "truncation")
    if isinstance(schedule, Polynomial):
        return AnnealingLaw("polynomial", n * schedule.time * past**-schedule.exponent / alpha, "schedule")
    if not isinstance(schedule, Geometric):
        raise InputError(
            f"truncation must be a Constant, Polynomial or Geometric schedule here, got {type(schedule).__name__}."
        )
    keep, q, t = 1.0 - alpha, schedule.ratio, schedule.time
    if keep == 0.0:
        return AnnealingLaw("immediate", n * t * q ** (past - 1.0), "schedule")
    if abs(q - keep) <= RESONANCE:
        return AnnealingLaw("resonance", n * t * past * keep ** (past - 1.0), "fresh data")
    if q > keep:
        return AnnealingLaw("geometric", n * t * q**index / (q - keep), "schedule")
    return AnnealingLaw("fresh_data", _fresh_data_constant(n, t, q, keep) * keep**index, "fresh data")


def _fresh_data_constant(n: float, time: float, ratio: float, keep: float) -> float:
    """Return C, its terms relative to n rate t_j, so that none overflows; the tail is that of vanishing times.

    C = sum_j (1 - exp(-x_j)) keep^(-j-1) exp(-sum_{l>j} x_l),    x_j = n rate t ratio^j
    """
    from scipy.special import exprel

    quotient = ratio / keep
    if n * time == 0.0:
        return 0.0
    terms = 1 if quotient == 0.0 else min(TERMS, int(np.ceil(np.log(1e-18) / np.log(quotient))) + 1)
    order = np.arange(terms)
    with np.errstate(under="ignore"):
        exponents = n * time * ratio**order
        later = exponents[::-1].cumsum()[::-1] - exponents + exponents[-1] * ratio / (1.0 - ratio)
        # exprel(-x) = (1 - exp(-x)) / x
        first = exprel(-exponents) * quotient**order * np.exp(-later)
        tail = quotient**terms / (1.0 - quotient)
    return float(n * time / keep * (first.sum() + tail))
