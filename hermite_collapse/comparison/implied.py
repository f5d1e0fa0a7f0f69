"""The fresh fraction and truncation times that a simulation implies, by generalised least squares over all degrees.

One parameter at a time, linear in its deviation: with D the slope of the factors f_n(i) in the parameter and S the
predicted covariance between all degrees and rounds,

    estimate = start + (D' S^-1 deviation) / (D' S^-1 D),    variance = 1 / (D' S^-1 D).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.estimates import Estimate
from ..core.significance import whitened
from ..recursion.modes import mode_factors
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import SamplingError
from ..recursion.schedules import Explicit

FloatArray = NDArray[np.float64]


def implied_fresh_fraction(
    recursion: Recursion, degrees: SamplingError, factors: FloatArray, runs: int
) -> Estimate | None:
    """The fresh fraction that fits all factors best, the truncation times as given; linear in the deviation."""
    if len(recursion.regime.fresh_fractions) > 1 or recursion.regime.name not in (
        "replace",
        "accumulate_with_fresh",
    ):
        return None
    alpha = recursion.regime.final_fraction
    step = min(1e-4, alpha / 2.0, (1.0 - alpha) / 2.0)
    if step == 0.0:
        return None
    slope = (
        _factors(recursion, degrees, alpha + step, 1.0) - _factors(recursion, degrees, alpha - step, 1.0)
    ) / (2 * step)
    return _one_parameter_fit(alpha, slope, degrees, factors, runs)


def implied_truncation(
    recursion: Recursion, degrees: SamplingError, factors: FloatArray, runs: int
) -> Estimate | None:
    """The factor on all truncation times that fits best, the fresh fraction as given."""
    alpha = recursion.regime.fresh_fractions
    slope = (
        _factors(recursion, degrees, alpha, 1.0 + 1e-4) - _factors(recursion, degrees, alpha, 1.0 - 1e-4)
    ) / 2e-4
    return _one_parameter_fit(1.0, slope, degrees, factors, runs)


def _factors(recursion: Recursion, degrees: SamplingError, fresh_fraction: Any, stretch: float) -> FloatArray:
    rounds = len(degrees.expected) - 1
    return mode_factors(
        np.arange(degrees.expected.shape[1]),
        fresh_fraction=fresh_fraction,
        truncation=Explicit(stretch * recursion.schedule.times(max(rounds, 1))),
        rounds=rounds,
        rate=recursion.rate,
        regime=recursion.regime.name if recursion.regime.table is None else recursion.regime.table,
    )


def _one_parameter_fit(
    start: float, slope: FloatArray, degrees: SamplingError, factors: FloatArray, runs: int
) -> Estimate | None:
    """Generalised least squares for one parameter: start + (D' S^-1 dev) / (D' S^-1 D), variance 1 / (D' S^-1 D)."""
    assert degrees.joint is not None
    chosen = np.argwhere(degrees.is_testable(runs))
    rounds, numbers = chosen[:, 0], chosen[:, 1]
    if not len(chosen):
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
