"""The fresh fraction and truncation times that a simulation implies, by generalised least squares over all degrees.

One parameter at a time, linear in its deviation: with D the slope of the factors f_n(i) in the parameter and S the
predicted covariance between all degrees and rounds,

    estimate = start + (D' S^-1 deviation) / (D' S^-1 D),    variance = 1 / (D' S^-1 D).
"""

from __future__ import annotations

import numpy as np

from ..core.estimates import Estimate
from ..core.significance import whitened
from ..core.types import FloatArray
from ..recursion.modes import mode_factors
from ..recursion.recursion import Recursion
from ..recursion.regimes import Regime
from ..recursion.sampling_error import SamplingError
from ..recursion.schedules import Explicit
from .mode_tests import tested_statistics


def is_determined(estimate: Estimate, *, upper: float = np.inf) -> bool:
    """Say whether a fit tells values between 0 and `upper` apart: within them, and two errors do not cover them all.

    A fit that is linear in the deviation from what was asked means nothing outside.  Without an upper limit, two errors
    must not reach zero.
    """
    low, high = estimate.value - 2.0 * estimate.error, estimate.value + 2.0 * estimate.error
    inside = 0.0 <= estimate.value <= upper
    return inside and not (low <= 0.0 and (high >= upper or upper == np.inf))


def implied_fresh_fraction(
    recursion: Recursion, degrees: SamplingError, factors: FloatArray, runs: int
) -> Estimate | None:
    """Return the fresh fraction that fits all factors best, the truncation times as given; linear in the deviation."""
    if len(recursion.regime.fresh_fractions) > 1 or recursion.regime.name not in (
        "replace",
        "accumulate_with_fresh",
    ):
        return None
    alpha = recursion.regime.final_fraction
    step = min(1e-4, alpha / 2.0, (1.0 - alpha) / 2.0)
    if step == 0.0:
        return None
    above, below = (
        _factors(recursion, degrees, recursion.regime.replace(fresh_fractions=(near,)), 1.0)
        for near in (alpha + step, alpha - step)
    )
    return one_parameter_fit(alpha, (above - below) / (2 * step), degrees, factors, runs)


def implied_truncation(
    recursion: Recursion, degrees: SamplingError, factors: FloatArray, runs: int
) -> Estimate | None:
    """Return the factor on all truncation times that fits best, the fresh fraction as given."""
    above, below = (
        _factors(recursion, degrees, recursion.regime, stretch) for stretch in (1.0 + 1e-4, 1.0 - 1e-4)
    )
    return one_parameter_fit(1.0, (above - below) / 2e-4, degrees, factors, runs)


def _factors(recursion: Recursion, degrees: SamplingError, regime: Regime, stretch: float) -> FloatArray:
    rounds = len(degrees.expected) - 1
    return mode_factors(
        np.arange(degrees.expected.shape[1]),
        fresh_fraction=regime.fresh_fractions,
        truncation_time=Explicit(stretch * recursion.schedule.times(max(rounds, 1))),
        rounds=rounds,
        rate=recursion.rate,
        regime=regime,
    )


def one_parameter_fit(
    start: float, slope: FloatArray, degrees: SamplingError, factors: FloatArray, runs: int
) -> Estimate | None:
    """Generalised least squares for one parameter: start + (D' S^-1 dev) / (D' S^-1 D), variance 1 / (D' S^-1 D)."""
    assert degrees.joint is not None
    rounds, numbers = np.nonzero(tested_statistics(degrees, runs))
    if not len(rounds):
        return None
    covariance = degrees.joint[rounds[:, None], rounds[None, :], numbers[:, None], numbers[None, :]] / runs
    white = whitened(
        covariance, np.stack([(factors - degrees.expected)[rounds, numbers], slope[rounds, numbers]], axis=1)
    )
    information = float(white[:, 1] @ white[:, 1])
    if not information > 0.0:
        return None
    return Estimate(
        start + float(white[:, 1] @ white[:, 0]) / information, information**-0.5, "standard_error", "samples"
    )
